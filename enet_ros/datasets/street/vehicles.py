"""Cars, vans and buses: two convex solids, glass, wheels and lights."""

from functools import lru_cache
from typing import List, NamedTuple, Tuple

import numpy as np

from .canvas import Canvas, Colour, Model, Part

CAR = 8000
DETAILED = 45.0  # metres; beyond it rims and lights are smaller than a pixel
GLASS, TYRE, RIM = (48, 56, 66), (28, 28, 30), (112, 114, 118)
REAR_LIGHT, HEAD_LIGHT, PLATE, BUMPER = (190, 30, 28), (238, 236, 220), (214, 196, 92), (44, 44, 46)
_TURN = np.linspace(0, 2 * np.pi, 12, endpoint=False)


class Vehicle(NamedTuple):
    """A vehicle on the road: its middle at (s, d), heading 1 along s or -1 against it."""

    s: float
    d: float
    heading: int
    instance: int
    kind: int
    colour: Colour


class _Shape(NamedTuple):
    length: float
    width: float
    deck: float  # height of the lower solid
    roof: float
    # Rear and front of the cabin, below and at the roof, as shares of the length.
    cabin: Tuple[float, float, float, float]


_SHAPES = (
    _Shape(4.3, 1.76, 0.88, 1.46, (-0.47, 0.24, -0.36, 0.10)),  # hatchback
    _Shape(4.7, 1.82, 0.86, 1.42, (-0.36, 0.22, -0.22, 0.08)),  # saloon
    _Shape(5.2, 2.00, 1.05, 2.25, (-0.50, 0.34, -0.495, 0.22)),  # van
    _Shape(9.5, 2.45, 1.10, 3.05, (-0.50, 0.50, -0.498, 0.49)))  # bus


def shadow(vehicle: Vehicle) -> np.ndarray:
    """Return the shade under a vehicle, a polygon (4, 3) of street points."""
    shape = _SHAPES[vehicle.kind]
    length, width = shape.length / 2 + 0.15, shape.width / 2 + 0.2
    return np.array([[vehicle.s + a * length, vehicle.d + b * width, 0.0]
                     for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


def near_end(vehicle: Vehicle) -> float:
    """Return where along the street the vehicle's nearer end is."""
    return vehicle.s - _SHAPES[vehicle.kind].length / 2


def paint(canvas: Canvas, vehicle: Vehicle) -> None:
    """Paint a vehicle, the faces that are turned away left out."""
    seen_from = 1 if (canvas.camera.pose.d > vehicle.d) == (vehicle.heading > 0) else -1
    model = _model(vehicle.kind, vehicle.heading, seen_from, vehicle.s - canvas.camera.pose.s < DETAILED)
    # Turning by half a circle keeps the winding of the faces.
    points = model.points * (vehicle.heading, vehicle.heading, 1.0) + (vehicle.s, vehicle.d, 0.0)
    canvas.model(model, points, (vehicle.colour,), vehicle.instance)


@lru_cache(maxsize=None)
def _model(kind: int, heading: int, side: int, detailed: bool) -> Model:
    """Return a vehicle (along, right, up) for a camera that sees its `side` (1: right) and nearer end.

    Only a detailed one has rims and lights.
    """
    shape = _SHAPES[kind]
    front, rear, wide = shape.length / 2, -shape.length / 2, shape.width / 2
    rear_low, front_low, rear_high, front_high = (share * shape.length for share in shape.cabin)
    end = rear if heading > 0 else front
    parts = _wheels(shape, side, heading)
    for face, light in _solid((rear, front), (rear, front * 0.985), wide, wide, 0.24, shape.deck):
        parts.append(Part(face, 0, CAR, 0.0, light, True))
    for face, light in _solid((rear_low, front_low), (rear_high, front_high), wide * 0.97, wide * 0.82,
                              shape.deck, shape.roof):
        parts.append(Part(face, 0, CAR, 0.0, light, True))
        if light < 1.1:  # every face but the roof has a window
            parts.extend(Part(pane, GLASS, CAR, 0.0, light, True) for pane in _panes(face, shape))
    if not detailed:
        return Model(parts)
    parts.extend(_wheel(shape, side, along, 0.0, 0.55, RIM) for along in (-0.31, 0.31))
    return Model(parts + _lights(end, REAR_LIGHT if heading > 0 else HEAD_LIGHT, wide, shape.deck, heading))


# The faces of a box as corners (end, side, level), clockwise from outside, and the light that each gets.
_FACES = (
    (((1, 0, 1), (0, 0, 1), (0, 0, 0), (1, 0, 0)), 0.80),
    (((0, 1, 1), (1, 1, 1), (1, 1, 0), (0, 1, 0)), 0.95),
    (((1, 1, 1), (1, 0, 1), (1, 0, 0), (1, 1, 0)), 0.70),
    (((0, 0, 1), (0, 1, 1), (0, 1, 0), (0, 0, 0)), 0.88),
    (((1, 0, 1), (1, 1, 1), (0, 1, 1), (0, 0, 1)), 1.18))


def _solid(low: Tuple[float, float], high: Tuple[float, float], wide_low: float, wide_high: float,
           bottom: float, top: float) -> List[Tuple[np.ndarray, float]]:
    """Return the faces of a box with slanted ends as ((4, 3) points, light), seen from outside."""
    corners = {(end, side, level): (ends[end], (-1, 1)[side] * wide, height)
               for level, (ends, wide, height) in enumerate(((low, wide_low, bottom), (high, wide_high, top)))
               for end in (0, 1) for side in (0, 1)}
    return [(np.array([corners[key] for key in keys]), light) for keys, light in _FACES]


def _panes(face: np.ndarray, shape: _Shape) -> List[np.ndarray]:
    """Return the windows of a cabin's face: one at the ends, as many as fit along the sides."""
    long_side = abs(face[1, 0] - face[0, 0]) > abs(face[1, 1] - face[0, 1])
    count = (5 if shape.length > 8 else 2) if long_side else 1
    middle = face.mean(0)
    whole = middle + (face - middle) * (0.90, 0.86, 0.72)
    left, right = whole[[0, 3]], whole[[1, 2]]
    panes = []
    for k in range(count):
        near, far = (left + (k + share) / count * (right - left) for share in (0.04, 0.96))
        panes.append(np.stack((near[0], far[0], far[1], near[1])))
    return panes


def _wheel(shape: _Shape, side: int, along: float, inset: float, share: float, colour: Colour) -> Part:
    radius = 0.31 if shape.roof < 2 else 0.40
    across = side * (shape.width / 2 * 0.985 - inset)
    rim = np.stack((along * shape.length + share * radius * np.cos(_TURN), np.full(12, across),
                    radius + share * radius * np.sin(_TURN)), 1)
    return Part(rim, colour, CAR)


def _wheels(shape: _Shape, side: int, heading: int) -> List[Part]:
    """Return the tyres on the side that is seen, and both of the near end below the sill."""
    parts: List[Part] = []
    for along in (-0.31, 0.31):
        parts.extend(_wheel(shape, side, along, inset, 1.0, TYRE) for inset in (0.22, 0.0))
    radius = 0.31 if shape.roof < 2 else 0.40
    near = -heading * (0.31 * shape.length + radius * 0.7)
    for across in (-0.78, 0.78):
        tyre = [[near, (across + x) * shape.width / 2, z]
                for x, z in ((-0.13, 0.4), (0.13, 0.4), (0.13, 0), (-0.13, 0))]
        parts.append(Part(np.array(tyre), TYRE, CAR))
    return parts


def _lights(end: float, colour: Colour, wide: float, deck: float, heading: int) -> List[Part]:
    def plate(across: float, half: float, bottom: float, top: float) -> np.ndarray:
        half *= heading
        return np.array([[end, across - half, top], [end, across + half, top], [end, across + half, bottom],
                         [end, across - half, bottom]])

    return [Part(plate(side * wide * 0.8, wide * 0.17, deck * 0.66, deck * 0.86), colour, CAR)
            for side in (-1, 1)] + [Part(plate(0.0, 0.26, deck * 0.44, deck * 0.56), PLATE, CAR),
                                    Part(plate(0.0, wide * 0.97, deck * 0.27, deck * 0.40), BUMPER, CAR)]
