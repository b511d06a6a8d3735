"""Textures of the street, drawn from a seed, and how they shrink without flicker."""

import math
from typing import Dict, List, Tuple

import cv2
import numpy as np

PIXELS_PER_METRE = 22


class Texture:
    """A picture (H, W, 3 or 4) uint8 with copies shrunk by powers of two, apart in width and height.

    A wall along the road is seen at a slant: many pixels wide, few of them left. Sampling the copy of about
    the right width and height keeps distant walls from flickering.
    """

    def __init__(self, picture: np.ndarray) -> None:
        self._levels: Dict[Tuple[int, int], np.ndarray] = {(0, 0): picture}
        self._size = (picture.shape[1], picture.shape[0])
        self.aspect = picture.shape[1] / picture.shape[0]

    def part(self, share: float) -> 'Texture':
        """Return the left `share` of the picture, 0 to 1, as a texture of its own."""
        picture = self._levels[0, 0]
        return Texture(picture[:, :max(int(picture.shape[1] * share), 1)])

    def level(self, width: float, height: float) -> np.ndarray:
        """Return the copy to sample where the whole texture covers `width` x `height` pixels."""
        key = (_halvings(self._size[0], width), _halvings(self._size[1], height))
        if key not in self._levels:
            size = (max(self._size[0] >> key[0], 1), max(self._size[1] >> key[1], 1))
            self._levels[key] = cv2.resize(self._levels[0, 0], size, interpolation=cv2.INTER_AREA)
        return self._levels[key]


def _halvings(have: int, want: float) -> int:
    return int(min(max(math.log2(have / max(want, 1.0)) + 0.4, 0.0), math.log2(have)))


def noise(rng: np.random.RandomState, shape: Tuple[int, int], octaves: int = 4, first: int = 4) -> np.ndarray:
    """Return smooth noise (H, W) float32 of about unit deviation that repeats at its edges."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cells = first << octave
        grid = rng.randn(cells, cells).astype(np.float32)
        grid = np.pad(grid, 1, mode='wrap')
        scaled = cv2.resize(grid, (shape[1] * (cells + 2) // cells, shape[0] * (cells + 2) // cells),
                            interpolation=cv2.INTER_CUBIC)
        top, left = shape[0] // cells, shape[1] // cells
        total += scaled[top:top + shape[0], left:left + shape[1]] * 0.62 ** octave
    return total / max(float(total.std()), 1e-6)


def shade(colour: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Return a picture of one colour under `light` (H, W), which is 1 for the colour itself."""
    return np.clip(light[:, :, None] * np.asarray(colour, np.float32), 0, 255).astype(np.uint8)


_WALLS = ((150, 84, 66), (168, 106, 78), (186, 172, 148), (205, 198, 184), (140, 134, 126), (196, 170, 126),
          (120, 78, 66), (172, 160, 150))


def facade(rng: np.random.RandomState, length: float, height: float) -> Texture:
    """Return the front of a house: brick or render, storeys of windows, a shop or doors, a roof edge."""
    shape = (int(height * PIXELS_PER_METRE), int(length * PIXELS_PER_METRE))
    wall = np.array(_WALLS[rng.randint(len(_WALLS))], np.float32) * rng.uniform(0.8, 1.15)
    light = 1 + 0.05 * noise(rng, shape) + 0.03 * rng.randn(*shape).astype(np.float32)
    if rng.rand() < 0.6:
        light[::4] *= 0.9  # courses
    picture = shade(wall, light)
    storeys = max(2, int(height / rng.uniform(2.8, 3.4)))
    storey = shape[0] / (storeys + 0.35)
    roof = int(0.35 * storey)
    picture[:roof] = shade(wall * rng.uniform(0.4, 0.7), light[:roof])
    picture[roof:roof + 3] = np.clip(wall * 1.3, 0, 255)
    frame = tuple(int(c) for c in rng.choice((235, 60, 120)) * np.ones(3))
    bay = rng.uniform(1.6, 2.8) * PIXELS_PER_METRE
    share = (rng.uniform(0.42, 0.65), rng.uniform(0.45, 0.62))
    for row in range(storeys - 1):
        for x in np.arange(bay * 0.5, shape[1] - bay * 0.3, bay):
            _window(picture, rng, (float(x), roof + (row + 0.5) * storey),
                    (bay * share[0], storey * share[1]), frame)
    _ground_floor(picture, rng, shape[0] - storey, bay)
    return Texture(picture)


def _window(picture: np.ndarray, rng: np.random.RandomState, centre: Tuple[float, float],
            size: Tuple[float, float], frame: Tuple[int, ...]) -> None:
    x0, y0 = int(centre[0] - size[0] / 2), int(centre[1] - size[1] / 2)
    x1, y1 = int(centre[0] + size[0] / 2), int(centre[1] + size[1] / 2)
    cv2.rectangle(picture, (x0 - 2, y0 - 2), (x1 + 2, y1 + 2), frame, -1)
    glass = rng.uniform(0.6, 1.3) * np.array([52, 62, 76])
    if rng.rand() < 0.25:
        glass = np.array([150, 150, 140]) * rng.uniform(0.6, 1.1)  # a blind
    cv2.rectangle(picture, (x0, y0), (x1, y1), tuple(int(c) for c in glass), -1)
    shine = tuple(int(c) for c in np.clip(glass * 1.7 + 15, 0, 255))
    cv2.fillConvexPoly(picture, np.array([[x0, y0], [x0 + (x1 - x0) // 2, y0],
                                          [x0, y0 + (y1 - y0) * 2 // 3]]), shine)
    cv2.line(picture, ((x0 + x1) // 2, y0), ((x0 + x1) // 2, y1), frame, 1)
    cv2.line(picture, (x0, (y0 + y1) // 2), (x1, (y0 + y1) // 2), frame, 1)


def _ground_floor(picture: np.ndarray, rng: np.random.RandomState, top: float, bay: float) -> None:
    bottom, right = picture.shape[0] - 1, picture.shape[1] - 1
    height = bottom - top
    colour = tuple(int(c) for c in rng.randint(30, 190, 3))
    if rng.rand() < 0.5:  # a shop: fascia, awning, large panes
        cv2.rectangle(picture, (0, int(top)), (right, int(top + height * 0.2)), colour, -1)
        for x in np.arange(4, right - bay, bay * 1.3):
            _window(picture, rng, (x + bay * 0.6, top + height * 0.58), (bay * 1.1, height * 0.62),
                    (50, 45, 42))
        return
    for x in np.arange(bay * 0.5, right - bay * 0.3, bay):
        if rng.rand() < 0.35:
            cv2.rectangle(picture, (int(x - 10), int(top + height * 0.25)), (int(x + 10), bottom), colour, -1)
        else:
            _window(picture, rng, (x, top + height * 0.5), (bay * 0.55, height * 0.42), (220, 218, 210))


def foliage(rng: np.random.RandomState, shape: Tuple[int, int], colour: np.ndarray) -> np.ndarray:
    """Return leaves (H, W, 3) uint8, lighter towards the top."""
    fall = np.linspace(1.25, 0.65, shape[0], dtype=np.float32)[:, None]
    clumps = noise(rng, shape, 5, 6)
    return shade(colour, fall * np.clip(0.95 + 0.26 * clumps, 0.25, 1.6))


def tree(rng: np.random.RandomState, side: int = 224) -> Texture:
    """Return a tree, RGBA: a crown of ragged clumps over a forked trunk."""
    green = np.array([rng.uniform(58, 96), rng.uniform(84, 118), rng.uniform(34, 56)])
    picture = np.dstack((foliage(rng, (side, side), green), np.zeros((side, side), np.uint8)))
    bark = (int(rng.uniform(70, 100)), int(rng.uniform(58, 78)), int(rng.uniform(46, 62)), 255)
    middle, fork = side // 2, int(side * 0.6)
    cv2.line(picture, (middle, side), (middle, fork), bark, side // 26)
    for lean in (-0.2, 0.16):
        cv2.line(picture, (middle, fork + 6), (int(middle + lean * side), int(side * 0.35)), bark, side // 40)
    crown = np.zeros((side, side), np.uint8)
    for _ in range(90):
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.rand())
        x = middle + 0.36 * side * reach * np.cos(angle)
        y = side * 0.37 + 0.3 * side * reach * np.sin(angle)
        cv2.circle(crown, (int(x), int(y)), int(rng.uniform(0.02, 0.085) * side), 255, -1)
    ragged = noise(rng, (side, side), 3, 24) > -1.25
    leaves = foliage(rng, (side, side), green)
    inside = (crown > 0) & ragged
    picture[inside, :3] = leaves[inside]
    picture[inside, 3] = 255
    return Texture(picture)


def fence(rng: np.random.RandomState, kind: int) -> Texture:
    """Return a stretch of fence, 16 metres: boards, metal bars before a hedge's shade, or mesh."""
    shape = (40, 96)
    colour = np.array(((142, 108, 76), (70, 76, 80), (128, 132, 130))[kind]) * rng.uniform(0.85, 1.15)
    picture = shade(colour, 1 + 0.08 * noise(rng, shape))
    step = (12, 6, 4)[kind]
    for x in range(0, shape[1], step):
        picture[:, x:x + max(step // (4, 2, 2)[kind], 1)] = colour * (0.55, 0.42, 0.62)[kind]
    for y in ((6, 30), (2, 34), (0, 36))[kind]:
        picture[y:y + 4] = np.clip(colour * 1.15, 0, 255)
    return Texture(np.tile(picture, (1, 8, 1)))


def hedge(rng: np.random.RandomState) -> Texture:
    """Return a stretch of hedge."""
    return Texture(foliage(rng, (48, 256), np.array([62.0, 92.0, 44.0]) * rng.uniform(0.8, 1.1)))


def gable(rng: np.random.RandomState) -> Texture:
    """Return the bare end of a house."""
    shape = (10 * PIXELS_PER_METRE, 11 * PIXELS_PER_METRE)
    wall = np.array(_WALLS[rng.randint(len(_WALLS))], np.float32) * rng.uniform(0.75, 1.0)
    light = 1 + 0.07 * noise(rng, shape) + 0.03 * rng.randn(*shape).astype(np.float32)
    light[::4] *= 0.92
    return Texture(shade(wall, light))


def facades(rng: np.random.RandomState, count: int) -> List[Tuple[float, Texture]]:
    """Return `count` houses as (height in metres, texture of a 16 metre front)."""
    heights = rng.uniform(6.5, 14.5, count)
    return [(float(height), facade(rng, 16.0, float(height))) for height in heights]
