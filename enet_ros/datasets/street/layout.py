"""What is where: a pure function of the seed, the place along the road, and the time.

Nothing is remembered from frame to frame, so any frame can be drawn at any time, the same every time.
"""

from functools import lru_cache
from typing import List, NamedTuple, Tuple

import numpy as np

from . import furniture, textures
from .camera import FAR, Pose, Road
from .furniture import House, Sign, Wall
from .ground import HOUSES, KERB
from .vehicles import Vehicle

CELL = 16.0  # metres of street that are laid out at a time
_STREAM = 0x9E3779B1


class Cell(NamedTuple):
    """Everything that stands in one cell of the street."""

    houses: List[House]
    walls: List[Wall]
    trees: List[Tuple[float, float, float, int]]  # s, d, height, kind
    lamps: List[Tuple[float, float]]
    bollards: List[Tuple[float, float]]
    signs: List[Sign]
    parked: List[Vehicle]
    crossings: List[float]


def draw(seed: int, *key: int) -> np.random.RandomState:
    """Return the random numbers that belong to `key`: the same at every call."""
    state = seed & 0xFFFFFFFF
    for part in key:
        state = ((state ^ (part & 0xFFFFFFFF)) * _STREAM + 0x7F4A7C15) & 0xFFFFFFFF
        state ^= state >> 15
    return np.random.RandomState(state)


class Layout:
    """One street: `keep` is -1 where one drives on the left, else 1; `speed` is the camera's, m/s."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = draw(seed, 1)
        self.keep = int(rng.choice((-1, 1)))
        self.road = Road(rng.uniform(4.0, 8.0), rng.uniform(55.0, 80.0), rng.uniform(0, 2 * np.pi))
        self.sun = int(rng.choice((-1, 1)))
        self.speed = rng.uniform(7.0, 10.0)
        self.height = rng.uniform(1.3, 1.6)
        self._phases = rng.uniform(0, 2 * np.pi, 5)
        library = draw(seed, 2)
        self.facades = textures.facades(library, 9)
        self.trees = [textures.tree(library) for _ in range(5)]
        self.fences = [textures.fence(library, kind) for kind in range(3)]
        self.railing = self.fences[1].part(6.0 / CELL)
        self.gables = [textures.gable(library) for _ in range(3)]
        self.hedge = textures.hedge(library)
        self.cell = lru_cache(maxsize=64)(self._cell)

    def pose(self, t: float) -> Pose:
        """Return the camera's pose at time `t` in seconds."""
        a, b, c, d, e = self._phases
        return Pose(s=self.travelled(t),
                    d=self.keep * 1.7 + 0.15 * np.sin(0.35 * t + b),
                    height=self.height,
                    yaw=0.012 * np.sin(0.5 * t + c) + 0.004 * np.sin(1.7 * t + d),
                    pitch=0.003 * np.sin(2.1 * t + e) + 0.0012 * np.sin(9.0 * t + a))

    def travelled(self, t: float) -> float:
        """Return how far the camera has come at time `t`; it speeds up and slows down but never stops."""
        return self.speed * (t + 0.5 / 0.21 * np.sin(0.21 * t + self._phases[0]))

    def cells(self, s: float) -> List[Cell]:
        """Return the cells in view from `s`."""
        first = int(np.floor(s / CELL))
        return [self.cell(index) for index in range(first, int((s + FAR) // CELL) + 1)]

    def _cell(self, index: int) -> Cell:
        rng = draw(self.seed, 3, index)
        cell = Cell([], [], [], [], [], [], [], [])
        start = index * CELL
        has_crossing = index % 5 == 2
        if has_crossing:
            cell.crossings.append(start + 6.0)
            cell.signs.extend(Sign(start + 5.0, side * (KERB + 0.5), 3) for side in (-1, 1))
        for side in (-1, 1):
            self._plot(rng, cell, start, side)
            self._kerbside(rng, cell, start, side, (index + (side > 0)) % 2 == 0)
            if not has_crossing:
                self._park(rng, cell, start, side, index)
        return cell

    def _plot(self, rng: np.random.RandomState, cell: Cell, start: float, side: int) -> None:
        """Lay out what stands behind the pavement: a house at the front, one behind a fence, or a garden."""
        kind = rng.choice(3, p=(0.5, 0.28, 0.22))
        height, texture = self.facades[rng.randint(len(self.facades))]
        setback = (0.0, rng.uniform(2.0, 5.0), rng.uniform(13.0, 18.0))[kind]
        gap = rng.uniform(0.0, 0.12) * CELL if rng.rand() < 0.7 else 0.0
        cell.houses.append(House((start, start + CELL - gap), side * (HOUSES + setback), height, texture,
                                 self.gables[rng.randint(3)]))
        if kind == 0:
            return
        kind_of_fence = rng.randint(3)
        low, share = rng.uniform(0.9, 1.5), rng.uniform(0.6, 1.0)
        cell.walls.append(Wall((start, start + CELL * share), side * (HOUSES - 0.1), low,
                               self.fences[kind_of_fence].part(share), furniture.FENCE))
        if rng.rand() < 0.5:
            cell.walls.append(Wall((start, start + CELL), side * (HOUSES + 1.0), low + rng.uniform(0.3, 1.0),
                                   self.hedge, furniture.TREE))
        for _ in range(rng.randint(1, 4) if kind == 2 else 1):
            cell.trees.append(
                (start + rng.uniform(0, CELL), side * (HOUSES + rng.uniform(1.0, 4.0 + 4 * (kind == 2))),
                 rng.uniform(5.0, 9.5), rng.randint(len(self.trees))))

    def _kerbside(self, rng: np.random.RandomState, cell: Cell, start: float, side: int, lit: bool) -> None:
        """Lay out what stands along the kerb."""
        if lit:
            cell.lamps.append((start + 11.0, side * (KERB + 0.6)))
        if rng.rand() < 0.5:
            cell.trees.append((start + rng.uniform(1.0, 9.0), side * (KERB + rng.uniform(0.8, 1.3)),
                               rng.uniform(4.5, 7.5), rng.randint(len(self.trees))))
        if rng.rand() < 0.65:
            cell.signs.append(Sign(start + rng.uniform(0.0, 15.0), side * (KERB + rng.uniform(0.4, 0.8)),
                                   rng.randint(3)))
        if rng.rand() < 0.3:
            s = start + rng.uniform(0.0, 8.0)
            cell.walls.append(Wall((s, s + 6.0), side * (KERB + 0.35), 1.05, self.railing, furniture.FENCE))
        elif rng.rand() < 0.4:
            cell.bollards.extend(
                (start + rng.uniform(0, 1) + 1.6 * k, side * (KERB + 0.35)) for k in range(5))

    def _park(self, rng: np.random.RandomState, cell: Cell, start: float, side: int, index: int) -> None:
        """Park cars along the kerb; numbers 100 to 999 belong to them."""
        for place in range(3):
            if rng.rand() < 0.38:
                number = 100 + (index * 6 + (side > 0) * 3 + place) % 900
                heading = side * self.keep if rng.rand() < 0.9 else -side * self.keep
                cell.parked.append(Vehicle(start + 2.7 + 5.3 * place, side * (KERB - 1.1), heading, number,
                                           int(rng.choice(3, p=(0.5, 0.3, 0.2))), paint_colour(rng)))


def paint_colour(rng: np.random.RandomState) -> Tuple[float, float, float]:
    """Return the colour of a car as cars are: mostly grey, black, white; some red, blue, green."""
    if rng.rand() < 0.6:
        grey = rng.choice((34.0, 70.0, 120.0, 168.0, 222.0))
        return (grey, grey, grey + 3)
    colours = ((150.0, 28.0, 30.0), (34.0, 58.0, 128.0), (30.0, 84.0, 70.0), (96.0, 118.0, 150.0),
               (168.0, 128.0, 40.0))
    return colours[rng.randint(len(colours))]
