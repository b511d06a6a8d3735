"""One confusion matrix over a whole data set: never a mean of per-image scores."""

from typing import Any, Dict

import cv2
import numpy as np

from ..classes import MAX_CLASSES, ClassTable
from ..errors import InputError
from . import scores

_EXACT = 1 << 24    # pixels that a float32 counts without loss


class ConfusionMatrix:
    """Counts of (true class, predicted class) over any number of label images, in int64.

    `counts` is (C, C + 1): rows are the truth, columns the prediction, the last column is void: pixels
    whose truth is valid and whose prediction is no class. Void truth is not counted at all.
    """

    def __init__(self, num_classes: int) -> None:
        """Count `num_classes` classes, 1 to 255."""
        if not 1 <= num_classes <= MAX_CLASSES:
            raise InputError(f'a confusion matrix counts 1 to {MAX_CLASSES} classes, not {num_classes}')
        self.counts = np.zeros((num_classes, num_classes + 1), np.int64)
        self._lut = np.minimum(np.arange(256), num_classes).astype(np.uint8)    # every other value is void

    @classmethod
    def from_counts(cls, counts: Any) -> 'ConfusionMatrix':
        """Return a matrix with these (C, C + 1) counts, an array or a JSON file's lists."""
        try:
            array = np.asarray(counts)
            with np.errstate(invalid='ignore'):     # what does not fit differs below
                whole = array.astype(np.int64)
        except (TypeError, ValueError, OverflowError):
            raise InputError('a confusion matrix must be a table of whole numbers') from None
        shaped = array.ndim == 2 and array.shape[1] == array.shape[0] + 1
        if not shaped or (whole != array).any() or (whole < 0).any():
            raise InputError('a confusion matrix must be (C, C + 1) counts, the last column void, not '
                             f'{array.shape}')
        matrix = cls(array.shape[0])
        matrix.counts += whole
        return matrix

    @property
    def num_classes(self) -> int:
        """Classes counted, without void."""
        return len(self.counts)

    def update(self, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Count one image; return its own (C, C + 1) counts, for a score of this frame alone.

        Both are (H, W) class indices; any other value is void. InputError where the sizes differ.
        """
        same_size(prediction, truth)
        if not truth.size:
            return np.zeros_like(self.counts)
        true, predicted = (cv2.LUT(as_bytes(labels), self._lut) for labels in (truth, prediction))
        frame = pair_counts(true, predicted, self.num_classes + 1)[:-1]
        self.counts += frame
        return frame

    def merge(self, other: 'ConfusionMatrix') -> 'ConfusionMatrix':
        """Add another part's counts to this one; return self."""
        if other.counts.shape != self.counts.shape:
            raise InputError(f'confusion matrices of {self.num_classes} and {other.num_classes} classes '
                             'cannot be merged')
        self.counts += other.counts
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConfusionMatrix) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore  # it changes with every update

    def scores(self, classes: ClassTable, absent: str = 'skip') -> Dict[str, Any]:
        """Every score of the counts, by the names that the tools' JSON uses.

        `absent='skip'` leaves classes without truth and prediction out of the means (Cityscapes);
        'zero' counts them as 0 (some published scripts). They are NaN in the tables of classes either way.
        """
        if len(classes) != self.num_classes:
            raise InputError(f'class table {classes.name} has {len(classes)} classes, the confusion matrix '
                             f'{self.num_classes}')
        iou, accuracy = scores.class_iou(self.counts), scores.class_accuracy(self.counts)
        categories, grouped = scores.group(self.counts, classes.categories)
        category_iou = scores.class_iou(grouped)
        return {
            'mean_iou': float(scores.average(iou, absent)),
            'class_iou': dict(zip(classes.names, iou.tolist())),
            'class_accuracy': dict(zip(classes.names, accuracy.tolist())),
            'class_average_accuracy': float(scores.average(accuracy, absent)),
            'global_accuracy': float(scores.global_accuracy(self.counts)),
            'frequency_weighted_iou': float(scores.frequency_weighted_iou(self.counts)),
            'category_iou': dict(zip(categories, category_iou.tolist())),
            'mean_category_iou': float(scores.average(category_iou, absent)),
            'absent': absent,
        }


def pair_counts(first: np.ndarray, second: np.ndarray, values: int) -> np.ndarray:
    """(values, values) int64 counts of the pairs of two uint8 images of one shape, values below `values`.

    OpenCV's histogram takes half of the time of numpy's bincount. It counts in float32, which is exact up
    to 2^24: larger images are counted in parts.
    """
    first, second = first.reshape(-1), second.reshape(-1)
    pairs = np.zeros((values, values), np.int64)
    for start in range(0, first.size, _EXACT):
        part = [image[start:start + _EXACT] for image in (first, second)]
        pairs += cv2.calcHist(part, [0, 1], None, [values] * 2, [0, values] * 2).astype(np.int64)
    return pairs


def same_size(first: np.ndarray, truth: np.ndarray, name: str = 'prediction') -> None:
    """Raise InputError where an image has another size than the truth."""
    if first.shape != truth.shape:
        sizes = ('x'.join(map(str, image.shape)) for image in (first, truth))
        raise InputError('sizes differ: {} {}, truth {}; use the same size'.format(name, *sizes))


def as_bytes(labels: np.ndarray) -> np.ndarray:
    """Label image as contiguous uint8; what does not fit becomes 255, which is no class."""
    if labels.dtype != np.uint8:
        labels = np.where((labels < 0) | (labels > 255), 255, labels).astype(np.uint8)
    return np.ascontiguousarray(labels)
