"""Boundary IoU against the authors' formula, mask by mask."""

import cv2
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.evaluation.evaluator import Evaluator
from enet_ros.metrics.boundary import BoundaryCounts, distance, interior

CLASSES = ClassTable.load('camvid')


def mask_to_boundary(mask, width):
    """Follow the authors' reference: pad, erode by 3x3 `width` times, subtract."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)
    return mask & ~eroded[1:-1, 1:-1].astype(bool)


def blobs(seed, shape=(60, 90)):
    rng = np.random.default_rng(seed)
    coarse = rng.choice(np.array([0, 1, 2, 8, 255], np.uint8), (shape[0] // 15, shape[1] // 15))
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize('width', [1, 3, 8])
def test_one_pass_finds_every_mask_boundary(width):
    labels = blobs(0)
    found = interior(labels, width) == 0
    for value in np.unique(labels):
        np.testing.assert_array_equal(found & (labels == value), mask_to_boundary(labels == value, width))


def test_scores_as_by_the_authors_masks():
    truth, prediction = blobs(1), np.roll(blobs(1), 2, 1)
    counts = BoundaryCounts(len(CLASSES))
    counts.update(prediction, truth)
    width, valid = distance(truth.shape), truth != 255
    score = counts.scores(CLASSES)
    for index, name in enumerate(CLASSES.names):
        true = mask_to_boundary(truth == index, width)
        predicted = mask_to_boundary(prediction == index, width) & valid
        union = (true | predicted).sum()
        expected = (true & predicted).sum() / union if union else np.nan
        assert score['class_boundary_iou'][name] == pytest.approx(expected, nan_ok=True)


def test_exact_prediction_is_perfect_and_shifts_cost_more_than_in_plain_iou():
    truth = np.zeros((100, 100), np.uint8)
    truth[20:80, 20:80] = 8
    exact, shifted = BoundaryCounts(len(CLASSES)), BoundaryCounts(len(CLASSES))
    exact.update(truth, truth)
    shifted.update(np.roll(truth, 3, 1), truth)
    assert exact.scores(CLASSES)['mean_boundary_iou'] == 1
    assert shifted.scores(CLASSES)['class_boundary_iou']['Car'] < 0.6 < 57 / 63


def test_width_is_two_percent_of_the_diagonal():
    assert distance((360, 480)) == 12 and distance((1, 1)) == 1
    assert (interior(np.zeros((40, 40), np.uint8), 3) == 0).sum() == 40 * 40 - 34 * 34     # the border counts


@pytest.mark.parametrize('predicted, true, share', [
    ('camvid', 'camvid', 0.02), ('cityscapes', 'cityscapes', 0.005), ('camvid', 'cityscapes', 0.005)])
def test_width_is_that_of_the_data_set(predicted, true, share):
    """Cityscapes' frames are large: its authors' width holds for every labelling of them."""
    truth = np.zeros((200, 200), np.uint8)
    truth[50:150, 50:150] = 1
    evaluator = Evaluator(ClassTable.load(predicted), ClassTable.load(true))
    evaluator.add(np.full_like(truth, 255), truth)
    assert evaluator.result()['boundary_dilation'] == share
    expected = BoundaryCounts(len(evaluator.classes), share)
    expected.update(np.full_like(truth, 255), evaluator._truth_lut[truth])
    assert np.array_equal(evaluator.boundary.counts, expected.counts) and expected.counts[1].any()
    merged = Evaluator.restore(evaluator.to_dict()).merge(evaluator)
    assert merged.boundary.dilation == share


@pytest.mark.parametrize('shape', [(1, 1), (1, 5), (5, 1), (4, 1), (2, 2)])
def test_images_of_a_few_pixels(shape):
    """A one-pixel image is all boundary; OpenCV takes some such arrays for scalars."""
    counts = BoundaryCounts(len(CLASSES))
    truth = np.full(shape, 255, np.uint8)
    truth[0, 0] = 3
    counts.update(np.full(shape, 3, np.uint8), truth)
    assert counts.counts[:, 3].tolist() == [1, 1, 1] and counts.counts.sum() == 3


def test_merge_and_sizes():
    whole, part, other = (BoundaryCounts(len(CLASSES)) for _ in range(3))
    for index in range(2):
        (part, other)[index].update(blobs(index), blobs(index + 2))
        whole.update(blobs(index), blobs(index + 2))
    np.testing.assert_array_equal(part.merge(other).counts, whole.counts)
    with pytest.raises(InputError, match='same size'):
        whole.update(blobs(0), blobs(0).T)
    with pytest.raises(InputError, match='cannot be merged'):
        whole.merge(BoundaryCounts(3))
