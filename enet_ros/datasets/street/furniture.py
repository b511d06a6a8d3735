"""What stands beside the road: houses, fences, hedges, trees, poles, lamps and signs."""

from typing import NamedTuple, Optional, Tuple

import numpy as np

from .canvas import IDENTS, ROAD, Canvas, Colour, Model, Part
from .ground import KERB
from .textures import Texture

BUILDING, POLE, TREE, SIGN, FENCE = 1000, 2000, 5000, 6000, 7000
STEEL = (96.0, 100.0, 104.0)


class House(NamedTuple):
    """A house along the road from s[0] to s[1], its front at `d`, with textures of front and end; metres."""

    s: Tuple[float, float]
    d: float
    height: float
    texture: Texture
    gable: Texture


class Wall(NamedTuple):
    """A fence or hedge along the road."""

    s: Tuple[float, float]
    d: float
    height: float
    texture: Texture
    ident: int


class Sign(NamedTuple):
    """A sign or traffic light on a pole; kind 0 disc, 1 triangle, 2 board, 3 traffic light."""

    s: float
    d: float
    kind: int


def house(canvas: Canvas, item: House, light: float, nearer: Optional[House]) -> None:
    """Paint a house: its front along the road, and the end that faces the camera unless `nearer` hides it."""
    side = 1.0 if item.d > 0 else -1.0
    canvas.textured(_upright(item.s, item.d, item.height, item.d < 0), item.texture, BUILDING, light)
    if (nearer is not None and nearer.s[1] >= item.s[0] and nearer.height >= item.height
            and abs(nearer.d) <= abs(item.d)):
        return
    far = item.d + side * 11.0
    left, right = min(item.d, far), max(item.d, far)
    end = np.array([[item.s[0], left, item.height], [item.s[0], right, item.height], [item.s[0], right, 0.0],
                    [item.s[0], left, 0.0]])
    canvas.textured(end, item.gable, BUILDING, 0.9)


def wall(canvas: Canvas, item: Wall, light: float) -> None:
    """Paint a fence or a hedge."""
    canvas.textured(_upright(item.s, item.d, item.height, item.d < canvas.camera.pose.d), item.texture,
                    item.ident, light)


def _upright(s: Tuple[float, float], d: float, height: float, left: bool) -> np.ndarray:
    """Return the corners of a wall from the top left, clockwise, as a camera beside it sees them."""
    first, last = s if left else (s[1], s[0])
    return np.array([[first, d, height], [last, d, height], [last, d, 0.0], [first, d, 0.0]])


def lamp(canvas: Canvas, s: float, d: float) -> None:
    """Paint a street lamp, its arm towards the road."""
    canvas.model(_LAMP, _LAMP.points * (1.0, 1.0 if d < 0 else -1.0, 1.0) + (s, d, 0.0))


def bollard(canvas: Canvas, s: float, d: float) -> None:
    """Paint a bollard."""
    canvas.model(_BOLLARD, _BOLLARD.points + (s, d, 0.0))


def sign(canvas: Canvas, item: Sign) -> None:
    """Paint a sign on its pole, facing the camera."""
    canvas.model(_SIGNS[item.kind], _SIGNS[item.kind].points + (item.s, item.d, 0.0))


def crossing(canvas: Canvas, s: float) -> None:
    """Paint a zebra crossing on the road."""
    canvas.model(_CROSSING, _CROSSING.points + (s, 0.0, 0.0))


def _pole(*points: Tuple[float, float], radius: float, colour: Colour = STEEL) -> Part:
    """Return a pole through points (sideways, up)."""
    return Part(np.array([[0.0, across, up] for across, up in points]), colour, POLE, radius)


def _face(outline: np.ndarray, colour: Colour, ident: int = SIGN) -> Part:
    """Return a flat piece from points (sideways, up), just before its pole."""
    return Part(np.column_stack((np.full(len(outline), -0.05), outline)), colour, ident)


def _disc(height: float, radius: float, colour: Colour) -> Part:
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return _face(np.stack((radius * np.cos(turn), height + radius * np.sin(turn)), 1), colour)


def _board(low: float, high: float, half: float, colour: Colour) -> Part:
    return _face(np.array([[-half, high], [half, high], [half, low], [-half, low]]), colour)


def _triangle(half: float, colour: Colour) -> Part:
    low = 2.55 - half * 0.65
    return _face(np.array([[0.0, 2.55 + half * 1.1], [half, low], [-half, low]]), colour)


_RED, _WHITE, _BLUE = (196.0, 36.0, 38.0), (236.0, 236.0, 232.0), (36.0, 74.0, 150.0)
_BLACK = (30.0, 30.0, 32.0)
_SIGN_POLE = _pole((0.0, 0.0), (0.0, 2.6), radius=0.06, colour=(120.0, 124.0, 126.0))
_SIGNS = (
    Model([_SIGN_POLE, _disc(2.6, 0.42, _RED), _disc(2.6, 0.30, _WHITE), _board(2.45, 2.75, 0.07, _BLACK)]),
    Model([_SIGN_POLE, _triangle(0.52, _RED), _triangle(0.32, _WHITE)]),
    Model([_SIGN_POLE, _board(2.1, 3.0, 0.75, _BLUE), _board(2.62, 2.78, 0.6, _WHITE),
           _board(2.3, 2.44, 0.45, _WHITE)]),
    Model([_SIGN_POLE, _board(2.1, 3.3, 0.24, _BLACK), _disc(3.08, 0.14, (214.0, 44.0, 36.0)),
           _disc(2.7, 0.14, (120.0, 84.0, 24.0)), _disc(2.32, 0.14, (30.0, 80.0, 44.0))]))
_LAMP = Model([
    _pole((0.0, 0.0), (0.0, 1.2), radius=0.13),
    _pole((0.0, 1.0), (0.0, 6.6), radius=0.085),
    _pole((0.0, 6.6), (0.5, 7.1), (1.5, 7.2), radius=0.05),
    _pole((1.3, 7.15), (1.9, 7.15), radius=0.1, colour=(214.0, 212.0, 200.0))
])
_BOLLARD = Model([
    _pole((0.0, 0.05), (0.0, 0.95), radius=0.1, colour=(52.0, 52.0, 54.0)),
    _pole((0.0, 0.72), (0.0, 0.8), radius=0.1, colour=(220.0, 218.0, 210.0))
])
_CROSSING = Model([
    Part(np.array([[0.0, d, 0.0], [3.0, d, 0.0], [3.0, d + 0.55, 0.0], [0.0, d + 0.55, 0.0]]),
         (208.0, 208.0, 204.0), IDENTS[ROAD]) for d in np.arange(0.4 - KERB, KERB - 0.3, 1.1)
])
