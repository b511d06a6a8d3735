"""One confusion matrix over a whole data set: never a mean of per-image scores."""

import copy
from typing import Any, Dict, Optional, Tuple

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

    def __init__(self, num_classes: int, prediction_lut: Optional[np.ndarray] = None,
                 truth_lut: Optional[np.ndarray] = None) -> None:
        """Count `num_classes` classes, 1 to 255.

        The look-up tables, (256,) uint8, bring files of other codings into the classes 0..C-1; every
        value from C on is void (see `ClassTable.mapping_to`). They cost nothing: counting folds them in.
        """
        if not 1 <= num_classes <= MAX_CLASSES:
            raise InputError(f'a confusion matrix counts 1 to {MAX_CLASSES} classes, not {num_classes}')
        self.counts = np.zeros((num_classes, num_classes + 1), np.int64)
        self._columns, self._rows = _lut(prediction_lut, num_classes), _lut(truth_lut, num_classes)

    @classmethod
    def between(cls, prediction: ClassTable, truth: ClassTable) -> Tuple['ConfusionMatrix', ClassTable]:
        """Return an empty matrix in the coarser of two codings, and that coding's table.

        What has no counterpart there is ignored in the truth and a miss in a prediction. InputError
        where the tables do not tell how to compare them.
        """
        common = prediction.mapping_to(truth)
        return cls(len(common.classes), common.source, common.target), common.classes

    @classmethod
    def from_counts(cls, counts: Any) -> 'ConfusionMatrix':
        """Take (C, C + 1) counts up again, from an array or from a JSON file's lists."""
        try:
            array = np.asarray(counts)
            with np.errstate(invalid='ignore'):     # what does not fit differs below
                whole = array.astype(np.int64)
        except (TypeError, ValueError, OverflowError):
            raise InputError('a confusion matrix must be a table of whole numbers') from None
        shaped = array.ndim == 2 and array.shape[1] == array.shape[0] + 1
        if not shaped or (whole != array).any() or (whole < 0).any():
            raise InputError('a confusion matrix must be (C, C + 1) counts, the last column void, not '
                             f'{array.shape}'
                             )
        matrix = cls(array.shape[0])
        matrix.counts += whole
        return matrix

    @property
    def num_classes(self) -> int:
        """Classes counted, without void."""
        return len(self.counts)

    def update(self, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Count one image; return its own (C, C + 1) counts, for a score of this frame alone.

        Both are (H, W) class indices (or the codings of the look-up tables). A value that is no class
        is void. Raises InputError where the sizes differ.
        """
        if prediction.shape != truth.shape:
            raise InputError(f'prediction is {prediction.shape} and truth {truth.shape}: score both at the '
                             'same size')
        if not truth.size:
            return np.zeros_like(self.counts)
        true, predicted = cv2.LUT(as_bytes(truth), self._rows), cv2.LUT(as_bytes(prediction), self._columns)
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

    def __add__(self, other: 'ConfusionMatrix') -> 'ConfusionMatrix':
        return copy.deepcopy(self).merge(other)

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


def _lut(table: Optional[np.ndarray], num_classes: int) -> np.ndarray:
    """Return a look-up table into the classes in which everything else is `num_classes`, void."""
    table = np.arange(256) if table is None else np.asarray(table)
    if table.shape != (256,):
        raise InputError(f'a look-up table must have 256 entries, not {table.shape}')
    return np.minimum(table, num_classes).astype(np.uint8)


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


def as_bytes(labels: np.ndarray) -> np.ndarray:
    """Label image as contiguous uint8; what does not fit becomes 255, which is no class."""
    if labels.dtype != np.uint8:
        labels = np.where((labels < 0) | (labels > 255), 255, labels).astype(np.uint8)
    return np.ascontiguousarray(labels)
