"""What stands and moves where: a pure function of the seed, the place along the road, and the time.

Nothing is remembered from frame to frame, so any frame can be drawn at any time, the same every time.
"""

from functools import lru_cache
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from . import furniture, textures
from .camera import FAR, Pose, Road
from .furniture import House, Sign, Wall
from .ground import HOUSES, KERB
from .people import Figure
from .vehicles import Vehicle

CELL = 16.0      # metres of street that are laid out at a time
ONCOMING, CYCLING = 8.0, 5.0           # m/s, against the camera's direction
WALKS = (1.25, -1.15, 1.35, -1.2)      # m/s along the street: two streams on the left, two on the right
_STREAM = 0x9E3779B1


class Cell(NamedTuple):
    """Everything that stands in one cell of the street."""

    houses: List[House]
    walls: List[Wall]
    trees: List[Tuple[float, float, float, int]]   # s, d, height, kind
    lamps: List[Tuple[float, float]]
    bollards: List[Tuple[float, float]]
    signs: List[Sign]
    parked: List[Vehicle]
    crossings: List[float]


def draw(seed: int, *key: int) -> np.random.RandomState:
    """Return the random numbers that belong to `key`, whoever asks and whenever."""
    state = seed & 0xFFFFFFFF
    for part in key:
        state = ((state ^ (part & 0xFFFFFFFF)) * _STREAM + 0x7F4A7C15) & 0xFFFFFFFF
        state ^= state >> 15
    return np.random.RandomState(state)


class Layout:
    """One street: `keep` is -1 where one drives on the left, 1 on the right; `speed` is the camera's, in m/s."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = draw(seed, 1)
        self.keep = int(rng.choice((-1, 1)))
        self.road = Road(rng.uniform(4.0, 8.0), rng.uniform(55.0, 80.0), rng.uniform(0, 2 * np.pi))
        self.sun = int(rng.choice((-1, 1)))
        self.speed = rng.uniform(7.0, 10.0)
        self.height = rng.uniform(1.3, 1.6)
        self._phases = rng.uniform(0, 2 * np.pi, 8)
        library = draw(seed, 2)
        self.facades = textures.facades(library, 9)
        self.trees = [textures.tree(library) for _ in range(5)]
        self.fences = [textures.fence(library, kind) for kind in range(3)]
        self.gables = [textures.gable(library) for _ in range(3)]
        self.hedge = textures.hedge(library)
        self._lead()
        remember = lru_cache(maxsize=512)
        self.cell, self._oncoming, self._walker, self._crosser, self._cyclist = (
            remember(make) for make in (self._cell, self._oncoming, self._walker, self._crosser, self._cyclist))

    def pose(self, t: float) -> Pose:
        """Return the camera's pose at time `t` in seconds."""
        a, b, c, d, e, *_ = self._phases
        return Pose(s=self.travelled(t), d=self.keep * 1.7 + 0.15 * np.sin(0.35 * t + b), height=self.height,
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
        fence = self.fences[rng.randint(3)]
        low = rng.uniform(0.9, 1.5)
        reach = start + CELL * rng.uniform(0.6, 1.0)
        for s in np.arange(start, reach, 4.0):
            cell.walls.append(Wall((s, min(s + 4.0, reach)), side * (HOUSES - 0.1), low, fence, furniture.FENCE))
        if rng.rand() < 0.5:
            cell.walls.append(Wall((start, start + CELL), side * (HOUSES + 1.0), low + rng.uniform(0.3, 1.0), self.hedge,
                                   furniture.TREE))
        for _ in range(rng.randint(1, 4) if kind == 2 else 1):
            cell.trees.append((start + rng.uniform(0, CELL), side * (HOUSES + rng.uniform(1.0, 4.0 + 4 * (kind == 2))),
                               rng.uniform(5.0, 9.5), rng.randint(len(self.trees))))

    def _kerbside(self, rng: np.random.RandomState, cell: Cell, start: float, side: int, lit: bool) -> None:
        """Lay out what stands along the kerb."""
        if lit:
            cell.lamps.append((start + 11.0, side * (KERB + 0.6)))
        if rng.rand() < 0.5:
            cell.trees.append((start + rng.uniform(1.0, 9.0), side * (KERB + rng.uniform(0.8, 1.3)),
                               rng.uniform(4.5, 7.5), rng.randint(len(self.trees))))
        if rng.rand() < 0.65:
            cell.signs.append(Sign(start + rng.uniform(0.0, 15.0), side * (KERB + rng.uniform(0.4, 0.8)), rng.randint(3)))
        if rng.rand() < 0.3:
            s = start + rng.uniform(0.0, 8.0)
            for k in range(2):
                cell.walls.append(Wall((s + 3 * k, s + 3 * k + 3.0), side * (KERB + 0.35), 1.05, self.fences[1],
                                       furniture.FENCE))
        elif rng.rand() < 0.4:
            cell.bollards.extend((start + rng.uniform(0, 1) + 1.6 * k, side * (KERB + 0.35)) for k in range(5))

    def _park(self, rng: np.random.RandomState, cell: Cell, start: float, side: int, index: int) -> None:
        """Park cars along the kerb; numbers 100 to 999 belong to them."""
        for place in range(3):
            if rng.rand() < 0.38:
                number = 100 + (index * 6 + (side > 0) * 3 + place) % 900
                heading = side * self.keep if rng.rand() < 0.9 else -side * self.keep
                cell.parked.append(Vehicle(start + 2.7 + 5.3 * place, side * (KERB - 1.1), heading, number,
                                           int(rng.choice(3, p=(0.5, 0.3, 0.2))), paint_colour(rng)))

    def vehicles(self, t: float) -> List[Vehicle]:
        """Return the vehicles that move: two ahead (numbers 1 and 2) and those that come towards the camera."""
        s = self.travelled(t)
        gap = self._gaps[0] + 11.0 * np.sin(0.13 * t + self._phases[6])
        found = [self._ahead[0]._replace(s=s + gap, d=self.keep * (1.65 + 0.1 * np.sin(0.4 * t))),
                 self._ahead[1]._replace(s=s + gap + 26.0 + 8 * np.sin(0.09 * t))]
        for index in _passing(s + ONCOMING * t, FAR, 30.0):
            vehicle = self._oncoming(index)
            if vehicle:
                found.append(vehicle._replace(s=vehicle.s - ONCOMING * t))
        return found

    def pedestrians(self, t: float) -> List[Figure]:
        """Return those who walk on the pavements (two streams on either side) and cross at the crossings."""
        s, found = self.travelled(t), []
        for stream, pace in enumerate(WALKS):
            for index in _passing(s - pace * t, 75.0, 13.0):
                figure = self._walker(stream, index)
                if figure:
                    found.append(figure._replace(s=figure.s + pace * t, phase=figure.phase + 5.4 * t))
        for cell in self.cells(s):
            for place in cell.crossings:
                figure = self._crosser(int(place))
                d = (figure.d + 1.3 * t) % 15.0 - 7.5
                found.append(figure._replace(d=d * figure.direction[1], phase=figure.phase + 6.0 * t))
        return found

    def cyclists(self, t: float) -> List[Figure]:
        """Return one cyclist ahead of the camera (number 1) and those who come towards it."""
        s = self.travelled(t)
        gap = self._gaps[1] + 4.5 * np.sin(0.17 * t + self._phases[7])
        found = [self._rider._replace(s=s + gap, phase=7.0 * t)]
        for index in _passing(s + CYCLING * t, 80.0, 34.0):
            figure = self._cyclist(index)
            if figure:
                found.append(figure._replace(s=figure.s - CYCLING * t, phase=figure.phase + 6.0 * t))
        return found

    def _lead(self) -> None:
        """Choose who travels ahead of the camera."""
        rng = draw(self.seed, 4)
        self._gaps = (rng.uniform(22.0, 30.0), rng.uniform(11.0, 14.0))
        self._ahead = [Vehicle(0.0, self.keep * 1.7, 1, number, int(rng.choice(4, p=(0.4, 0.3, 0.2, 0.1))),
                               paint_colour(rng)) for number in (1, 2)]
        self._rider = person(rng, 0.0, self.keep * 3.1, (1.0, 0.0), 1)

    def _oncoming(self, index: int) -> Optional[Vehicle]:
        rng = draw(self.seed, 5, index)
        if rng.rand() < 0.25:
            return None
        kind = int(rng.choice(4, p=(0.45, 0.3, 0.15, 0.1)))
        return Vehicle(index * 30.0 + rng.uniform(0, 19.0), -self.keep * 1.7, -1, 10 + index % 90, kind,
                       paint_colour(rng))

    def _walker(self, stream: int, index: int) -> Optional[Figure]:
        rng = draw(self.seed, 6, stream, index)
        if rng.rand() < 0.28:
            return None
        side = -1 if stream < 2 else 1
        return person(rng, index * 13.0 + rng.uniform(0, 13.0), side * (KERB + rng.uniform(0.9, 2.8)),
                      (float(np.sign(WALKS[stream])), 0.0), 1 + index % 248 + stream * 248)

    def _crosser(self, place: int) -> Figure:
        rng = draw(self.seed, 7, place)
        start = rng.uniform(0, 11)
        turned = float(rng.choice((-1, 1)))
        return person(rng, place + rng.uniform(0.5, 2.5), start, (0.0, turned), 994 + int(place / (5 * CELL)) % 5)

    def _cyclist(self, index: int) -> Optional[Figure]:
        rng = draw(self.seed, 9, index)
        if rng.rand() < 0.3:
            return None
        return person(rng, index * 34.0 + rng.uniform(0, 34.0), -self.keep * 3.1, (-1.0, 0.0), 2 + index % 900)


def _passing(s: float, reach: float, spacing: float) -> range:
    """Return the numbers of those who move in a stream, one per `spacing`, and are between `s` and `s + reach` in it."""
    return range(int(np.floor(s / spacing)) - 1, int((s + reach) // spacing) + 1)


def paint_colour(rng: np.random.RandomState) -> Tuple[float, float, float]:
    """Return the colour of a car as cars are: mostly grey, black, white; some red, blue, green."""
    if rng.rand() < 0.6:
        grey = rng.choice((34.0, 70.0, 120.0, 168.0, 222.0))
        return (grey, grey, grey + 3)
    colours = ((150.0, 28.0, 30.0), (34.0, 58.0, 128.0), (30.0, 84.0, 70.0), (96.0, 118.0, 150.0), (168.0, 128.0, 40.0))
    return colours[rng.randint(len(colours))]


def person(rng: np.random.RandomState, s: float, d: float, direction: Tuple[float, float], number: int) -> Figure:
    """Return somebody, dressed from `rng`."""
    skin = np.array([214.0, 168.0, 138.0]) * rng.uniform(0.5, 1.05)
    top = np.clip(rng.uniform(20, 200) + rng.uniform(-70, 70, 3), 12, 240)
    bottom = np.array([54.0, 58.0, 74.0]) * rng.uniform(0.5, 1.9)
    hair = np.array([70.0, 52.0, 38.0]) * rng.uniform(0.3, 2.0)
    return Figure(s, d, direction, rng.uniform(0, 2 * np.pi), number, rng.uniform(1.58, 1.9),
                  *(tuple(colour.tolist()) for colour in (skin, top, bottom, hair)))
