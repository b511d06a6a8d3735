"""What is too far away to move: sky, clouds, and a skyline of trees and houses."""

from typing import Tuple

import cv2
import numpy as np

from .canvas import CROWNS, SKY, SKYLINE, Canvas
from .textures import foliage, noise

_MARGIN = 0.35  # of the width, to either side, for the camera's turning


class Backdrop:
    """A picture wider than the camera's, shifted as the camera turns and nods."""

    def __init__(self, rng: np.random.RandomState, size: Tuple[int, int], horizon: float) -> None:
        height, width = size
        self._margin = int(width * _MARGIN)
        self._horizon = int(horizon + height * 0.1)
        shape = (self._horizon, width + 2 * self._margin)
        self._image = _sky(rng, shape)
        self._strokes = np.full(shape, SKY, np.uint16)
        self._skyline(rng, height)

    def paint(self, canvas: Canvas) -> None:
        """Paint the whole canvas."""
        camera = canvas.camera
        shift = -self._margin - camera.focal * camera.heading
        fall = camera.horizon + 0.02 * camera.size[0] - self._horizon
        move = np.array([[1.0, 0.0, shift], [0.0, 1.0, fall]])
        size = (camera.size[1], camera.size[0])
        cv2.warpAffine(self._image, move, size, canvas.image, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
        cv2.warpAffine(self._strokes, move, size, canvas.strokes, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE)

    def _skyline(self, rng: np.random.RandomState, height: int) -> None:
        rows, columns = self._strokes.shape
        x = 0
        while x < columns:
            wide = int(rng.uniform(0.05, 0.14) * height) + 2
            tall = int(rng.uniform(0.04, 0.12) * height)
            grey = rng.uniform(150, 185)
            self._image[rows - tall:, x:x + wide] = np.array([grey, grey, grey + 5]) * rng.uniform(0.95, 1.0)
            self._strokes[rows - tall:, x:x + wide] = SKYLINE
            x += int(wide * rng.uniform(0.7, 1.6))
        bumps = noise(rng, (4, columns), 5, 8)[1]
        crowns = np.maximum((0.05 + 0.022 * bumps) * height, 2).astype(int)
        below = np.arange(rows)[:, None] >= rows - crowns[None]
        leaves = foliage(rng, (rows, columns), np.array([118.0, 138.0, 112.0])).astype(np.float32)
        self._image[below] = (0.6 * leaves + 0.4 * 190)[below].astype(np.uint8)
        self._strokes[below] = CROWNS


def _sky(rng: np.random.RandomState, shape: Tuple[int, int]) -> np.ndarray:
    """Return a sky (H, W, 3) uint8: a gradient of a blue or overcast day, with soft clouds."""
    overcast = rng.uniform(0.0, 1.0)
    high = (1 - overcast) * np.array([92, 138, 205]) + overcast * np.array([188, 196, 206])
    low = (1 - overcast) * np.array([196, 215, 235]) + overcast * np.array([222, 224, 226])
    fall = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None, None]
    clouds = noise(rng, (256, 512), 6, 3)
    stretched = cv2.resize(clouds, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    cover = np.clip(stretched * 0.45 + rng.uniform(-0.2, 0.5), 0, 0.9)[:, :, None]
    under = np.clip(0.95 + 0.05 * np.roll(stretched, shape[0] // 12, 0), 0.8, 1.05)[:, :, None]
    return np.clip((high * (1 - fall) + low * fall) * (1 - cover) + 242.0 * under * cover, 0,
                   255).astype(np.uint8)
