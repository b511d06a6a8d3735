"""Scores of a confusion matrix, as pure functions of its counts.

Counts are (..., C, C + 1) int64: rows are the truth, columns the prediction, the last column is void.
Leading axes are free, so that a bootstrap scores all its resamples at once. A class that the formula
leaves undefined (0 / 0: absent from truth and prediction) scores NaN. Scores are fractions.

Formulas: Cordts et al., The Cityscapes Dataset (CVPR 2016), section 4; Long et al., Fully Convolutional
Networks (CVPR 2015), section 5 (the frequency weighted IoU).
"""

from typing import Any, List, Sequence, Tuple

import numpy as np

from ..errors import InputError

ABSENT = ('skip', 'zero')


def ratio(numerator: Any, denominator: Any) -> np.ndarray:
    """Numerator / denominator as float64, NaN where the denominator is zero."""
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    shape = np.broadcast(numerator, denominator).shape
    return np.divide(numerator, denominator, out=np.full(shape, np.nan), where=denominator != 0)


def average(values: np.ndarray, absent: str = 'skip') -> np.ndarray:
    """Mean over the last axis of (..., C) scores.

    `absent='skip'` leaves NaN out, as Cityscapes does; 'zero' divides by all C, as some published
    scripts do. With 'skip' the mean of nothing is NaN.
    """
    if absent not in ABSENT:
        raise InputError(f"absent is {absent!r}: use 'skip' or 'zero'")
    values = np.asarray(values, np.float64)
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(-1)
    return ratio(total, known.sum(-1) if absent == 'skip' else np.full(total.shape, values.shape[-1]))


def true_positives(counts: np.ndarray) -> np.ndarray:
    """(..., C) pixels of each class that were found."""
    return np.einsum('...ii->...i', counts[..., :-1])


def class_iou(counts: np.ndarray) -> np.ndarray:
    """(..., C) intersection over union; void predictions are misses of the true class."""
    return ratio(true_positives(counts), unions(counts))


def unions(counts: np.ndarray) -> np.ndarray:
    """(..., C) pixels that are a class in truth, in the prediction, or in both."""
    return counts.sum(-1) + counts[..., :-1].sum(-2) - true_positives(counts)


def class_accuracy(counts: np.ndarray) -> np.ndarray:
    """(..., C) recall: the share of each class's true pixels that was found; the paper's Table 5."""
    return ratio(true_positives(counts), counts.sum(-1))


def global_accuracy(counts: np.ndarray) -> np.ndarray:
    """(...) share of all valid pixels labelled right; the paper's Table 6 calls it global average."""
    return ratio(true_positives(counts).sum(-1), counts.sum((-1, -2)))


def frequency_weighted_iou(counts: np.ndarray) -> np.ndarray:
    """(...) class IoU weighted by each class's share of the true pixels."""
    pixels = counts.sum(-1)
    return ratio(np.where(pixels > 0, pixels * class_iou(counts), 0).sum(-1), pixels.sum(-1))


def mean_iou(counts: np.ndarray, absent: str = 'skip') -> np.ndarray:
    """(...) mean of the class IoUs."""
    return average(class_iou(counts), absent)


def group(counts: np.ndarray, categories: Sequence[str]) -> Tuple[List[str], np.ndarray]:
    """Fold classes into their categories: names in order of appearance, (..., K, K + 1) counts.

    A class without a category ('') is left out of the truth and is void as a prediction.
    """
    names = list(dict.fromkeys(name for name in categories if name))
    columns = np.array([names.index(name) if name else len(names) for name in categories] + [len(names)])
    folded = np.zeros(counts.shape[:-2] + (len(names), len(names) + 1), np.int64)
    for row, column in enumerate(columns[:-1]):
        if column < len(names):
            for source, target in enumerate(columns):
                folded[..., column, target] += counts[..., row, source]
    return names, folded
