"""One frame of the street, painted from the horizon to the bonnet."""

from functools import partial
from typing import Callable, List, Tuple

import cv2
import numpy as np

from . import furniture, people, vehicles
from .backdrop import Backdrop
from .camera import FAR, Camera
from .canvas import Canvas
from .ground import Ground
from .layout import Cell, Layout, draw
from .traffic import Traffic

_Job = Tuple[float, Callable[[], None]]     # distance along the street, painting
SHADED = 5  # cells ahead; shade farther away is thinner than a pixel's row


class Scene:
    """The street of a seed as a camera of `size` (height, width) sees it."""

    def __init__(self, size: Tuple[int, int], seed: int) -> None:
        self.layout = Layout(seed)
        self._traffic = Traffic(self.layout)
        self.camera = Camera(size, self.layout.road)
        self._ground = Ground(draw(seed, 20))
        self._backdrop = Backdrop(draw(seed, 21), size, self.camera.centre[1])
        self._look = draw(seed, 22).uniform(-1, 1, 6)
        self._noise = self._sensor_noise(draw(seed, 23), size)
        self._vignette = _vignette(size)

    def render(self, t: float, number: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return image (H, W, 3) uint8 RGB, label (H, W) uint8, instances (H, W) int32 at `t` seconds."""
        canvas = self.paint(t)
        return (self._expose(canvas.image, t, number),) + canvas.truth()

    def paint(self, t: float) -> Canvas:
        """Return what the camera, moved to where it is at `t` seconds, sees."""
        pose = self.layout.pose(t)
        self.camera.move(pose)
        canvas = Canvas(self.camera)
        cells = self.layout.cells(pose.s)
        moving = self._traffic.vehicles(t)
        self._backdrop.paint(canvas)
        self._ground.paint(canvas, self._shadows(cells, moving))
        for cell in cells:
            for s in cell.crossings:
                furniture.crossing(canvas, s)
        jobs = self._still(canvas, cells)
        # What moves is on the road, so whatever stands beside it within a vehicle's length is behind it.
        jobs.extend((vehicles.near_end(v) - 5.0, partial(vehicles.paint, canvas, v)) for v in moving)
        jobs.extend((f.s, partial(people.pedestrian, canvas, f)) for f in self._traffic.pedestrians(t))
        jobs.extend((f.s - 5.0, partial(people.cyclist, canvas, f)) for f in self._traffic.cyclists(t))
        for s, job in sorted(jobs, key=lambda job: -job[0]):
            if s - pose.s < FAR:
                job()
        return canvas

    def _still(self, canvas: Canvas, cells: List[Cell]) -> List[_Job]:
        """Return what does not move as (distance by which it is sorted, painting)."""
        layout = self.layout
        jobs: List[_Job] = []
        for index, cell in enumerate(cells):
            for house, nearer in zip(cell.houses, cells[index - 1].houses if index else (None, None)):
                light = 1.12 if house.d * layout.sun < 0 else 0.78
                jobs.append((house.s[1], partial(furniture.house, canvas, house, light, nearer)))
            jobs.extend((wall.s[1] - 0.1, partial(furniture.wall, canvas, wall, 0.95)) for wall in cell.walls)
            for s, d, height, kind in cell.trees:
                jobs.append((s, partial(canvas.sprite, (s, d, 0.0), height, layout.trees[kind],
                                        furniture.TREE)))
            jobs.extend((s, partial(furniture.lamp, canvas, s, d)) for s, d in cell.lamps)
            jobs.extend((s, partial(furniture.bollard, canvas, s, d)) for s, d in cell.bollards)
            jobs.extend((i.s, partial(furniture.sign, canvas, i)) for i in cell.signs)
            jobs.extend((vehicles.near_end(v), partial(vehicles.paint, canvas, v)) for v in cell.parked)
        return jobs

    def _shadows(self, cells: List[Cell], moving: List[vehicles.Vehicle]) -> List[np.ndarray]:
        """Return the shade of houses, trees and vehicles as polygons on the ground."""
        shade = [vehicles.shadow(v) for v in moving]
        for cell in cells[:SHADED]:
            shade.extend(vehicles.shadow(v) for v in cell.parked)
            for item in cell.houses:
                if item.d * self.layout.sun > 0:
                    cast = item.d - self.layout.sun * item.height * 0.75
                    shade.append(
                        np.array([[item.s[0], item.d, 0.0], [item.s[1], item.d, 0.0],
                                  [item.s[1] + 1.5, cast, 0.0], [item.s[0] + 1.5, cast, 0.0]]))
            for s, d, height, _ in cell.trees:
                turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
                middle = d - self.layout.sun * 1.2
                shade.append(
                    np.stack((s + 0.22 * height * np.cos(turn), middle + 0.3 * height * np.sin(turn),
                              np.zeros(10)), 1))
        return shade

    def _expose(self, image: np.ndarray, t: float, number: int) -> np.ndarray:
        """Return the image as a sensor gives it: lens, exposure that wanders, colour cast, noise."""
        look = self._look
        gain = 1.0 + 0.12 * look[0] + 0.07 * np.sin(0.4 * t + 3 * look[1]) + 0.03 * np.sin(1.3 * t)
        cast = 1.0 + 0.04 * look[2] * np.array([1.0, 0.1, -1.0])
        ramp = 255.0 * (np.arange(256) / 255.0) ** (1.0 + 0.15 * look[3])
        table = np.clip(ramp[:, None] * gain * cast, 0, 255).astype(np.uint8).reshape(256, 1, 3)
        image = cv2.GaussianBlur(image, (3, 3), 0.55)
        image = cv2.LUT(image, table)
        image = cv2.multiply(image, self._vignette, None, 1 / 255.0)
        top, left = draw(self.layout.seed, 24, number).randint(0, 64, 2)
        height, width = self.camera.size
        return cv2.add(image, self._noise[top:top + height, left:left + width], dtype=cv2.CV_8U)

    @staticmethod
    def _sensor_noise(rng: np.random.RandomState, size: Tuple[int, int]) -> np.ndarray:
        shape = (size[0] + 64, size[1] + 64)
        luma = rng.randn(*shape) * 3.2
        return (luma[:, :, None] + rng.randn(*(shape + (3,))) * 1.8).astype(np.int16)


def _vignette(size: Tuple[int, int]) -> np.ndarray:
    y = (np.arange(size[0]) / size[0] - 0.5)[:, None]
    x = (np.arange(size[1]) / size[1] - 0.5)[None]
    fall = 255.0 * (1 - 0.28 * (x * x + y * y))
    return np.repeat(fall.astype(np.uint8)[:, :, None], 3, 2)
