"""Pedestrians and cyclists: figures of a few round limbs that walk and pedal."""

from typing import List, NamedTuple, Tuple

import numpy as np

from .canvas import Canvas, Colour, Model, Part

PEDESTRIAN, BICYCLIST = 9000, 10000
_TURN = np.linspace(0, 2 * np.pi, 14, endpoint=False)

Limb = Tuple[np.ndarray, float, Colour]


class Figure(NamedTuple):
    """A person: place (s, d), direction as a unit vector along s and d, phase of the step in radians."""

    s: float
    d: float
    direction: Tuple[float, float]
    phase: float
    instance: int
    height: float
    skin: Colour
    top: Colour
    bottom: Colour
    hair: Colour


def pedestrian(canvas: Canvas, figure: Figure) -> None:
    """Paint a walking person."""
    swing, size = np.sin(figure.phase), figure.height / 1.75
    limbs: List[Limb] = []
    for side in (-1, 1):
        stride = 0.30 * swing * side
        lift = 0.10 * max(np.cos(figure.phase) * side, 0.0)
        limbs.append(
            (
                np.array(
                    [
                        [0, side * 0.09, 0.90],
                        [stride * 0.45 + 0.06, side * 0.09, 0.48 + lift / 2],
                        [stride - 0.05, side * 0.09, 0.06 + lift],
                    ]
                ),
                0.085,
                figure.bottom,
            )
        )
        limbs.append(
            (
                np.array(
                    [[stride - 0.05, side * 0.09, 0.05 + lift], [stride + 0.12, side * 0.1, 0.04 + lift]]
                ),
                0.05,
                (40.0, 36.0, 34.0),
            )
        )
        limbs.append(
            (
                np.array(
                    [
                        [0, side * 0.22, 1.38],
                        [-stride * 0.5, side * 0.27, 1.1],
                        [-stride * 0.8 + 0.08, side * 0.25, 0.86],
                    ]
                ),
                0.055,
                figure.top,
            )
        )
    limbs.append(
        (np.array([[0, -0.09, 1.32], [0, 0.09, 1.32], [0, 0.08, 0.95], [0, -0.08, 0.95]]), 0.125, figure.top)
    )
    limbs.append((np.array([[0, 0, 1.10], [0.0, 0, 1.34]]), 0.16, figure.top))
    limbs.extend(_head(figure, (0.02, 1.60)))
    _paint(canvas, figure, limbs, size, PEDESTRIAN)


def cyclist(canvas: Canvas, figure: Figure) -> None:
    """Paint a person on a bicycle."""
    metal, rubber = (60.0, 62.0, 70.0), (32.0, 32.0, 34.0)
    limbs: List[Limb] = []
    for along in (-0.52, 0.52):
        wheel = np.stack((along + 0.34 * np.cos(_TURN), np.zeros(14), 0.34 + 0.34 * np.sin(_TURN)), 1)
        limbs.append((np.concatenate((wheel, wheel[:1])), 0.028, rubber))
    crank, saddle, bars = (0.0, 0.0, 0.30), (-0.18, 0.0, 0.95), (0.42, 0.0, 1.02)
    limbs.append(
        (np.array([(-0.52, 0, 0.34), crank, (0.38, 0, 0.85), (-0.14, 0, 0.82), crank]), 0.024, metal)
    )
    limbs.append((np.array([(0.52, 0, 0.34), bars]), 0.024, metal))
    limbs.append((np.array([(0.42, -0.28, 1.04), (0.42, 0.28, 1.04)]), 0.022, metal))
    limbs.append((np.array([saddle, (-0.02, 0, 0.94)]), 0.05, rubber))
    for side in (-1, 1):
        turn = figure.phase + (0 if side > 0 else np.pi)
        pedal = np.array([0.17 * np.cos(turn), side * 0.12, 0.30 + 0.17 * np.sin(turn)])
        hip = np.array([-0.16, side * 0.1, 0.97])
        knee = (pedal + hip) / 2 + (0.20, 0.02 * side, 0.06)
        limbs.append((np.array([hip, knee, pedal]), 0.082, figure.bottom))
        limbs.append(
            (
                np.array([(0.12, side * 0.2, 1.40), (0.26, side * 0.27, 1.18), (0.42, side * 0.25, 1.05)]),
                0.055,
                figure.top,
            )
        )
    limbs.append(
        (
            np.array([(-0.16, -0.05, 1.0), (0.1, -0.1, 1.40), (0.1, 0.1, 1.40), (-0.16, 0.05, 1.0)]),
            0.13,
            figure.top,
        )
    )
    limbs.extend(_head(figure, (0.2, 1.64)))
    _paint(canvas, figure, limbs, figure.height / 1.75, BICYCLIST)


def _head(figure: Figure, place: Tuple[float, float]) -> List[Limb]:
    along, up = place
    return [
        (np.array([[along, 0, up - 0.15], [along, 0, up - 0.03]]), 0.075, figure.skin),
        (np.array([[along, 0, up], [along + 0.02, 0, up + 0.02]]), 0.105, figure.skin),
        (np.array([[along - 0.035, 0, up + 0.045], [along - 0.01, 0, up + 0.07]]), 0.095, figure.hair),
    ]


def _paint(canvas: Canvas, figure: Figure, limbs: List[Limb], size: float, base: int) -> None:
    """Paint limbs (forward, to the right, up), the farthest first."""
    along, across = figure.direction
    order = sorted(limbs, key=lambda limb: -(limb[0][0, 0] + limb[0][-1, 0]) * along - limb[0][0, 1] * across)
    model = Model([Part(points, colour, base, radius * size) for points, radius, colour in order])
    turn = size * np.array([[along, across, 0.0], [-across, along, 0.0], [0.0, 0.0, 1.0]])
    canvas.model(model, model.points.dot(turn) + (figure.s, figure.d, 0.0), (), figure.instance)
