"""The frames worth looking at: the best and the worst of a run, small enough to keep."""

from typing import Callable, List, Mapping, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np

# (H, W, 3) uint8 RGB, or a function that gets it: called only for the frames that are kept.
Picture = Union[np.ndarray, Callable[[], Optional[np.ndarray]]]
Before = Mapping[Tuple[str, str], float]
MAX_WIDTH = 640     # pixels; larger pictures are shrunk


class FrameScore(NamedTuple):
    """One scored frame; NaN where nothing in it could be scored."""

    name: str
    sequence: str
    stamp: Optional[float]      # seconds
    pixels: int                 # with valid truth
    mean_iou: float             # over the classes in this frame: to rank frames, never to be averaged
    global_accuracy: float
    flip_rate: float            # against the frame before, see temporal.py


class Example(NamedTuple):
    """One kept frame; its pictures have one size."""

    frame: FrameScore
    image: Optional[np.ndarray]     # (H, W, 3) uint8 RGB, None where there was none
    truth: np.ndarray               # (H, W) uint8 labels, 255 ignored
    prediction: np.ndarray          # (H, W) uint8 labels, 255 void


class Examples:
    """The `size` best and `size` worst frames by mean IoU; frames without a score are not kept.

    With `before`, an earlier run's mean IoU by (sequence, name), they are those that gained and lost most.
    """

    def __init__(self, size: int = 6, before: Optional[Before] = None) -> None:
        """Start empty."""
        self.size, self._before = size, before
        self._kept: List[Example] = []

    def rank(self, frame: FrameScore) -> float:
        """Return what frames are sorted by; NaN where a frame is not kept."""
        if self._before is None:
            return frame.mean_iou
        return (frame.mean_iou - self._before.get((frame.sequence, frame.name), np.nan)) or np.nan

    def offer(self, frame: FrameScore, image: Optional[Picture],
              truth: np.ndarray, prediction: np.ndarray) -> None:
        """Keep the frame if it is among the best or worst so far; labels as in Example."""
        rank = self.rank(frame)
        if not self.size or np.isnan(rank):
            return
        order = [self.rank(example.frame) for example in self._kept]
        if len(order) >= 2 * self.size and order[self.size - 1] <= rank <= order[-self.size]:
            return
        picture = image() if callable(image) else image
        self._kept.append(Example(frame, *_shrunk(picture, truth, prediction)))
        self._trim()

    def merge(self, other: 'Examples') -> 'Examples':
        """Choose among another part's frames as well; return self."""
        self._kept += other._kept
        self._trim()
        return self

    def _trim(self) -> None:
        self._kept.sort(key=lambda kept: (self.rank(kept.frame), kept.frame.sequence, kept.frame.name))
        if len(self._kept) > 2 * self.size:
            self._kept = self._kept[:self.size] + self._kept[-self.size:]

    @property
    def worst(self) -> List[Example]:
        """The worst frames, worst first."""
        return self._kept[:min(self.size, (len(self._kept) + 1) // 2)]

    @property
    def best(self) -> List[Example]:
        """The best frames, best first; none that is among the worst."""
        return self._kept[len(self.worst):][::-1]


def _shrunk(image: Optional[np.ndarray], truth: np.ndarray, prediction: np.ndarray
            ) -> Tuple[Optional[np.ndarray], np.ndarray, np.ndarray]:
    """Copy with at most MAX_WIDTH columns: labels by nearest pixel, the image at their size."""
    height, width = truth.shape
    scale = min(1.0, MAX_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    labels = [cv2.resize(label, size, interpolation=cv2.INTER_NEAREST) for label in (truth, prediction)]
    small = None if image is None else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small, labels[0], labels[1]
