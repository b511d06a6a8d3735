"""Boundary IoU: how well outlines are met, where plain IoU is ruled by the insides of large things.

Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation (CVPR 2021). A mask's
boundary is what lies within `distance` of its contour (the image's border included), inside the mask.
Here each class is one mask per image and counts are summed over the data set, as for plain IoU.
"""

from typing import Any, Dict, Tuple

import cv2
import numpy as np

from ..classes import ClassTable
from ..errors import InputError
from . import scores
from .confusion import pair_counts, same_size

DILATION = 0.02     # of the image diagonal, the authors' choice
DILATIONS = {'cityscapes': 0.005}   # of data sets whose images are large; the authors' choice there
_OUTSIDE = 254      # beyond the border, a value that differs from the neighbour's


def distance(shape: Tuple[int, int], dilation: float = DILATION) -> int:
    """Width of the boundary in pixels for an image of (height, width)."""
    return max(1, int(round(dilation * float(np.hypot(*shape)))))


def interior(labels: np.ndarray, width: int) -> np.ndarray:
    """(H, W) uint8: 255 where no other label and no border is within `width` (chessboard distance), else 0.

    It is the erosion of every class's mask at once: a pixel belongs to its own mask's erosion just
    where all labels around it are equal.
    """
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    padded = cv2.copyMakeBorder(labels, width, width, width, width, cv2.BORDER_CONSTANT, value=_OUTSIDE)
    inside = cv2.compare(cv2.erode(padded, kernel), cv2.dilate(padded, kernel), cv2.CMP_EQ)
    return inside[width:-width, width:-width]


class BoundaryCounts:
    """Pixels of true, predicted and common boundaries per class; mergeable."""

    def __init__(self, num_classes: int, dilation: float = DILATION) -> None:
        """Count for classes 0..num_classes - 1; boundaries are `dilation` of the diagonal wide."""
        self.dilation = dilation
        # Rows: common, truth, prediction. Columns: classes.
        self.counts = np.zeros((3, num_classes), np.int64)
        self._lut = np.minimum(np.arange(256), num_classes).astype(np.uint8)
        # 255, what is not counted, absorbs any label by bitwise or.
        self._void = np.where(np.arange(256) < num_classes, 0, 255).astype(np.uint8)

    def update(self, prediction: np.ndarray, truth: np.ndarray) -> None:
        """Count one image: (H, W) uint8 class indices; pixels whose truth is no class are not counted."""
        same_size(prediction, truth)
        if not truth.size:
            return
        classes = self.counts.shape[1]
        width = distance(truth.shape, self.dilation)
        void = cv2.LUT(truth, self._void)
        true = truth | interior(truth, width)
        predicted = prediction | interior(prediction, width) | void
        pairs = pair_counts(cv2.LUT(true, self._lut), cv2.LUT(predicted, self._lut), classes + 1)
        self.counts[0] += np.diag(pairs)[:classes]
        self.counts[1] += pairs.sum(1)[:classes]
        self.counts[2] += pairs.sum(0)[:classes]

    def merge(self, other: 'BoundaryCounts') -> 'BoundaryCounts':
        """Add another part's counts to this one; return self."""
        if other.dilation != self.dilation:
            raise InputError(f'boundaries of width {self.dilation} and {other.dilation} cannot be merged')
        if other.counts.shape != self.counts.shape:
            raise InputError(f'boundary counts of {self.counts.shape[1]} and {other.counts.shape[1]} '
                             'classes cannot be merged')
        self.counts += other.counts
        return self

    def scores(self, classes: ClassTable) -> Dict[str, Any]:
        """Return `class_boundary_iou` by name and `mean_boundary_iou`; NaN and left out where absent."""
        common, true, predicted = self.counts
        values = scores.ratio(common, true + predicted - common)
        return {'class_boundary_iou': dict(zip(classes.names, values.tolist())),
                'mean_boundary_iou': float(scores.average(values)), 'boundary_dilation': self.dilation}
