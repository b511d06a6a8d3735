"""The page of `predict`: frames with a slider between image and labels, and how classes come and go."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import cv2
import numpy as np

from ..classes import ClassTable
from ..images import encode_jpeg
from ..overlay import Overlay
from .charts import shares_over_time
from .page import render
from .pictures import data_uri

WIDTH = 960     # pixels of a picture in the page, at most


class Shown(NamedTuple):
    """One frame of the page, its two pictures as data URIs."""

    name: str
    image: str
    overlay: str


class Gallery:
    """Keeps frames from all over a run whose length nobody knows: every 2^k-th, at most `most`."""

    def __init__(self, most: int = 12) -> None:
        self._most, self._every, self._seen = most, 1, 0
        self.frames: List[Shown] = []

    def offer(self, name: str, image: np.ndarray, overlay: np.ndarray, order: str) -> None:
        """Keep the frame, (H, W, 3) uint8 in `order`, if it is its turn."""
        if self._seen % self._every == 0:
            if len(self.frames) == self._most:
                self.frames, self._every = self.frames[::2], 2 * self._every
            if self._seen % self._every == 0:
                self.frames.append(Shown(name, _picture(image, order), _picture(overlay, order)))
        self._seen += 1


class Footage:
    """What a page shows of frames that come one by one: some pictures, and each one's class shares."""

    def __init__(self, classes: ClassTable, most: int = 6) -> None:
        """Keep at most `most` frames' pictures."""
        self.classes, self.gallery = classes, Gallery(most)
        self.shares: List[np.ndarray] = []
        self._overlay = Overlay(classes.palette())

    def add(self, image: np.ndarray, order: str, labels: np.ndarray) -> None:
        """Take the next frame: (H, W, 3) uint8 in `order`, and its (H, W) uint8 labels."""
        self.gallery.offer(f'frame {len(self.shares)}', image, self._overlay(image, labels, order), order)
        self.shares.append(self.classes.shares(labels))

    def shares_over_time(self) -> Optional[Dict[str, Any]]:
        """Return the chart of `charts.shares_over_time`."""
        return shares_over_time(self.shares, [*self.classes.names, 'unknown'], colours(self.classes))


def colours(classes: ClassTable) -> List[str]:
    """Return each class's colour as CSS, and that of what is unknown."""
    return ['rgb({}, {}, {})'.format(*rgb) for rgb in classes.rgb] + ['var(--soft)']


def write_gallery(facts: Dict[str, Any], classes: ClassTable, shares: Sequence[np.ndarray], gallery: Gallery,
                  video: Optional[str], command: str) -> str:
    """Return the page of a run; `shares` are a frame's (C + 1,) parts of the image, the last unknown."""
    names = [*classes.names, 'unknown']
    mean = np.mean(shares, axis=0)
    rows = sorted(zip(mean.tolist(), names, colours(classes)), reverse=True)
    return render('gallery.html', title=f'{facts["source"]}, segmented', facts=facts, video=video,
                  frames=gallery.frames, shares=shares_over_time(shares, names, colours(classes)),
                  rows=[row for row in rows if row[0] > 0], command=command)


def _picture(image: np.ndarray, order: str) -> str:
    height, width = image.shape[:2]
    if width > WIDTH:
        image = cv2.resize(image, (WIDTH, max(1, height * WIDTH // width)), interpolation=cv2.INTER_AREA)
    return data_uri(encode_jpeg(image, order, 82), 'jpeg')
