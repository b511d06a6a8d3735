"""Temporal consistency: labels that flicker from frame to frame although nothing there changed.

With annotations of consecutive frames, the flip rate is the share of pixels whose prediction changes
where the truth does not. Without them the last frame's prediction is carried along by dense optical flow
(DIS: Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016), and compared wherever flow
forth and back agree.
"""

from typing import Any, Dict, Optional, Tuple

import cv2
import numpy as np

from .confusion import same_size
from .scores import ratio

AGREEMENT = 1.0     # pixels: flow forth and back must return this close


class TemporalConsistency:
    """Flips between consecutive frames of one camera; `reset()` where a sequence or a gap begins."""

    def __init__(self, num_classes: int) -> None:
        """Start without a last frame; truth from `num_classes` on is void."""
        self.num_classes = num_classes
        # (2, 2) int64: rows truth and flow as reference; columns flipped and compared pixels.
        self.counts = np.zeros((2, 2), np.int64)
        self.pairs = np.zeros(2, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget the last frame: the next one does not follow it."""
        self._prediction: Optional[np.ndarray] = None
        self._truth: Optional[np.ndarray] = None
        self._grey: Optional[np.ndarray] = None

    def update(self, prediction: np.ndarray, truth: Optional[np.ndarray] = None,
               image: Optional[np.ndarray] = None) -> Optional[float]:
        """Take the next frame; return its flip rate against the last one, None where there is none.

        `prediction` and `truth` are (H, W) uint8 class indices; `image` (H, W, 3) uint8 RGB serves where
        one of two frames has no truth, and costs the flow. Only pixels of valid, equal truth are compared.
        """
        if truth is not None:
            same_size(prediction, truth)
        grey = None if image is None else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        last, last_truth, last_grey = self._prediction, self._truth, self._grey
        self._prediction, self._truth, self._grey = prediction, truth, grey
        if last is None or last.shape != prediction.shape:
            return None
        if truth is not None and last_truth is not None:
            compared = (truth == last_truth) & (truth < self.num_classes)
            return self._count(0, prediction != last, compared)
        if grey is not None and last_grey is not None and last_grey.shape == prediction.shape == grey.shape:
            carried, compared = carry(last, last_grey, grey)
            return self._count(1, prediction != carried, compared)
        return None

    def _count(self, row: int, changed: np.ndarray, compared: np.ndarray) -> float:
        flips, pixels = np.count_nonzero(changed & compared), np.count_nonzero(compared)
        self.counts[row] += (flips, pixels)
        self.pairs[row] += 1
        return float(ratio(flips, pixels))

    def merge(self, other: 'TemporalConsistency') -> 'TemporalConsistency':
        """Add another part's counts to this one; return self."""
        self.counts += other.counts
        self.pairs += other.pairs
        return self

    def scores(self) -> Dict[str, Any]:
        """Return flip rate, compared pixels and frame pairs for each reference that was used."""
        rates = ratio(self.counts[:, 0], self.counts[:, 1])
        return {name: {'flip_rate': float(rates[row]), 'pixels': int(self.counts[row, 1]),
                       'pairs': int(self.pairs[row])}
                for row, name in enumerate(('truth', 'flow')) if self.pairs[row]}


def carry(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Move the labels (H, W) of a frame along the flow to the next one, nearest pixel.

    `before` and `after` are the two frames, (H, W) uint8 grey. Returns the labels as seen `after` and
    (H, W) bool: where flow is trusted and its origin lies inside the image.
    """
    height, width = labels.shape
    if min(height, width) < 16:     # too small for the flow's patches: taken as still
        return labels, np.ones(labels.shape, bool)
    backward, forward = _flow(after, before), _flow(before, after)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = columns + backward[..., 0], rows + backward[..., 1]
    returned = backward + cv2.remap(forward, x, y, cv2.INTER_LINEAR)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    agree = np.hypot(returned[..., 0], returned[..., 1]) <= AGREEMENT
    return cv2.remap(labels, x, y, cv2.INTER_NEAREST), inside & agree


def _flow(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Dense flow, (H, W, 2) float32 pixels (x, y): where each pixel of `source` is in `target`."""
    make: Any = getattr(cv2, 'DISOpticalFlow_create')     # missing in OpenCV's type stubs
    return np.asarray(make(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(source, target, None))
