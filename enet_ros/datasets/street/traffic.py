"""Who moves in the street: vehicles, pedestrians and cyclists at a time, as a pure function of it."""

from functools import lru_cache
from typing import List, Optional, Tuple

import numpy as np

from .camera import FAR
from .ground import KERB
from .layout import CELL, Layout, draw, paint_colour
from .people import Figure
from .vehicles import Vehicle

ONCOMING, CYCLING = 8.0, 5.0  # m/s, against the camera's direction
WALKS = (1.25, -1.15, 1.35, -1.2)  # m/s along the street: two streams on the left, two on the right


class Traffic:
    """The traffic of a street; everyone keeps their speed and instance number while in view."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.seed, self.keep = layout, layout.seed, layout.keep
        self._lead()
        # A cache of the instance's own: one on the class would keep every street alive.
        for name in ('_oncoming', '_walker', '_crosser', '_cyclist'):
            setattr(self, name, lru_cache(maxsize=512)(getattr(self, name)))

    def vehicles(self, t: float) -> List[Vehicle]:
        """Return the vehicles that move: two ahead (numbers 1 and 2), others towards the camera."""
        s = self.layout.travelled(t)
        gap = self._gaps[0] + 11.0 * np.sin(0.13 * t + self._sway[0])
        found = [self._ahead[0]._replace(s=s + gap, d=self.keep * (1.65 + 0.1 * np.sin(0.4 * t))),
                 self._ahead[1]._replace(s=s + gap + 26.0 + 8 * np.sin(0.09 * t))]
        for index in _passing(s + ONCOMING * t, FAR, 30.0):
            vehicle = self._oncoming(index)
            if vehicle:
                found.append(vehicle._replace(s=vehicle.s - ONCOMING * t))
        return found

    def pedestrians(self, t: float) -> List[Figure]:
        """Return those who walk on the pavements (two streams on either side) and cross at the crossings."""
        s, found = self.layout.travelled(t), []
        for stream, pace in enumerate(WALKS):
            for index in _passing(s - pace * t, 75.0, 13.0):
                figure = self._walker(stream, index)
                if figure:
                    found.append(figure._replace(s=figure.s + pace * t, phase=figure.phase + 5.4 * t))
        for cell in self.layout.cells(s):
            for place in cell.crossings:
                figure = self._crosser(int(place))
                d = (figure.d + 1.3 * t) % 15.0 - 7.5
                found.append(figure._replace(d=d * figure.direction[1], phase=figure.phase + 6.0 * t))
        return found

    def cyclists(self, t: float) -> List[Figure]:
        """Return one cyclist ahead of the camera (number 1) and those who come towards it."""
        s = self.layout.travelled(t)
        gap = self._gaps[1] + 4.5 * np.sin(0.17 * t + self._sway[1])
        found = [self._rider._replace(s=s + gap, phase=7.0 * t)]
        for index in _passing(s + CYCLING * t, 80.0, 34.0):
            figure = self._cyclist(index)
            if figure:
                found.append(figure._replace(s=figure.s - CYCLING * t, phase=figure.phase + 6.0 * t))
        return found

    def _lead(self) -> None:
        """Choose who travels ahead of the camera."""
        rng = draw(self.seed, 4)
        self._sway = rng.uniform(0, 2 * np.pi, 2)
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
        return person(rng, place + rng.uniform(0.5, 2.5), start, (0.0, turned),
                      994 + int(place / (5 * CELL)) % 5)

    def _cyclist(self, index: int) -> Optional[Figure]:
        rng = draw(self.seed, 9, index)
        if rng.rand() < 0.3:
            return None
        return person(rng, index * 34.0 + rng.uniform(0, 34.0), -self.keep * 3.1, (-1.0, 0.0),
                      2 + index % 900)


def _passing(s: float, reach: float, spacing: float) -> range:
    """Return the numbers of those between `s` and `s + reach` in a stream, one to each `spacing`."""
    return range(int(np.floor(s / spacing)) - 1, int((s + reach) // spacing) + 1)


def person(rng: np.random.RandomState, s: float, d: float, direction: Tuple[float, float],
           number: int) -> Figure:
    """Return a person with clothes drawn from `rng`."""
    skin = np.array([214.0, 168.0, 138.0]) * rng.uniform(0.5, 1.05)
    top = np.clip(rng.uniform(20, 200) + rng.uniform(-70, 70, 3), 12, 240)
    bottom = np.array([54.0, 58.0, 74.0]) * rng.uniform(0.5, 1.9)
    hair = np.array([70.0, 52.0, 38.0]) * rng.uniform(0.3, 2.0)
    colours = [tuple(colour.tolist()) for colour in (skin, top, bottom, hair)]
    return Figure(s, d, direction, rng.uniform(0, 2 * np.pi), number, rng.uniform(1.58, 1.9), colours)
