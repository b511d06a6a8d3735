"""Pedestrians and cyclists: figures of a few round limbs that walk and pedal."""

from functools import lru_cache
from typing import Any, List, NamedTuple, Sequence, Tuple, Union

import numpy as np

from .canvas import Canvas, Colour, Model, Part

PEDESTRIAN, BICYCLIST = 9000, 10000
TALL = 1.75         # metres that the figures below are drawn for
STEPS = 48          # phases of a stride that are drawn
SKIN, TOP, BOTTOM, HAIR = range(4)      # places in a figure's colours
SHOES, METAL, RUBBER = (40.0, 36.0, 34.0), (60.0, 62.0, 70.0), (32.0, 32.0, 34.0)
_TURN = np.linspace(0, 2 * np.pi, 15)


class Figure(NamedTuple):
    """A person: place (s, d), direction as a unit vector along s and d, phase of the step in radians."""

    s: float
    d: float
    direction: Tuple[float, float]
    phase: float
    instance: int
    height: float
    colours: Sequence[Any]      # skin, top, bottom and hair, each RGB


def pedestrian(canvas: Canvas, figure: Figure) -> None:
    """Paint a walking person."""
    _paint(canvas, figure, _walking(_step(figure), figure.direction))


def cyclist(canvas: Canvas, figure: Figure) -> None:
    """Paint a person on a bicycle."""
    _paint(canvas, figure, _cycling(_step(figure), figure.direction))


def _step(figure: Figure) -> int:
    return int(figure.phase / (2 * np.pi) * STEPS) % STEPS


def _paint(canvas: Canvas, figure: Figure, model: Model) -> None:
    size = figure.height / TALL
    points = model.points * size + (figure.s, figure.d, 0.0)
    canvas.model(model, points, figure.colours, figure.instance, size)


@lru_cache(maxsize=None)
def _walking(step: int, direction: Tuple[float, float]) -> Model:
    """Return a person in one phase of a stride, already turned."""
    phase = 2 * np.pi * step / STEPS
    limbs: List[Part] = []
    for side in (-1, 1):
        stride = 0.30 * np.sin(phase) * side
        lift = 0.10 * max(np.cos(phase) * side, 0.0)
        foot = (stride - 0.05, side * 0.09, 0.06 + lift)
        knee = (stride * 0.45 + 0.06, side * 0.09, 0.48 + lift / 2)
        limbs.append(_limb([(0, side * 0.09, 0.90), knee, foot], 0.085, BOTTOM))
        limbs.append(_limb([foot, (stride + 0.12, side * 0.1, 0.04 + lift)], 0.05, SHOES))
        limbs.append(_limb([(0, side * 0.22, 1.38), (-stride * 0.5, side * 0.27, 1.1),
                            (-stride * 0.8 + 0.08, side * 0.25, 0.86)], 0.055, TOP))
    limbs.append(_limb([(0, -0.09, 1.32), (0, 0.09, 1.32), (0, 0.08, 0.95), (0, -0.08, 0.95)], 0.125, TOP))
    limbs.append(_limb([(0, 0, 1.10), (0, 0, 1.34)], 0.16, TOP))
    return _turned(limbs + _head(0.02, 1.60), direction, PEDESTRIAN)


@lru_cache(maxsize=None)
def _cycling(step: int, direction: Tuple[float, float]) -> Model:
    """Return a cyclist in one phase of the pedals, already turned."""
    limbs: List[Part] = []
    for along in (-0.52, 0.52):
        wheel = np.stack((along + 0.34 * np.cos(_TURN), np.zeros(15), 0.34 + 0.34 * np.sin(_TURN)), 1)
        limbs.append(_limb(wheel, 0.028, RUBBER))
    crank = (0.0, 0.0, 0.30)
    limbs.append(_limb([(-0.52, 0, 0.34), crank, (0.38, 0, 0.85), (-0.14, 0, 0.82), crank], 0.024, METAL))
    limbs.append(_limb([(0.52, 0, 0.34), (0.42, 0, 1.02)], 0.024, METAL))
    limbs.append(_limb([(0.42, -0.28, 1.04), (0.42, 0.28, 1.04)], 0.022, METAL))
    limbs.append(_limb([(-0.18, 0, 0.95), (-0.02, 0, 0.94)], 0.05, RUBBER))
    for side in (-1, 1):
        turn = 2 * np.pi * step / STEPS + (0 if side > 0 else np.pi)
        pedal = np.array([0.17 * np.cos(turn), side * 0.12, 0.30 + 0.17 * np.sin(turn)])
        hip = np.array([-0.16, side * 0.1, 0.97])
        limbs.append(_limb([hip, (pedal + hip) / 2 + (0.20, 0.02 * side, 0.06), pedal], 0.082, BOTTOM))
        limbs.append(_limb([(0.12, side * 0.2, 1.40), (0.26, side * 0.27, 1.18), (0.42, side * 0.25, 1.05)],
                           0.055, TOP))
    limbs.append(_limb([(-0.16, -0.05, 1.0), (0.1, -0.1, 1.40), (0.1, 0.1, 1.40), (-0.16, 0.05, 1.0)],
                       0.13, TOP))
    return _turned(limbs + _head(0.2, 1.64), direction, BICYCLIST)


def _head(along: float, up: float) -> List[Part]:
    return [_limb([(along, 0, up - 0.15), (along, 0, up - 0.03)], 0.075, SKIN),
            _limb([(along, 0, up), (along + 0.02, 0, up + 0.02)], 0.105, SKIN),
            _limb([(along - 0.035, 0, up + 0.045), (along - 0.01, 0, up + 0.07)], 0.095, HAIR)]


def _limb(points: Any, radius: float, colour: Union[int, Colour]) -> Part:
    """Return a limb through points (forward, to the right, up)."""
    return Part(np.array(points, np.float64), colour, 0, radius)


def _turned(limbs: List[Part], direction: Tuple[float, float], ident: int) -> Model:
    """Return limbs along and across the street, the farthest first."""
    along, across = direction
    turn = np.array([[along, across, 0.0], [-across, along, 0.0], [0.0, 0.0, 1.0]])
    placed = [limb._replace(points=limb.points.dot(turn), ident=ident) for limb in limbs]
    return Model(sorted(placed, key=lambda limb: -limb.points[0, 0] - limb.points[-1, 0]))
