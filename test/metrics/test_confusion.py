"""The confusion matrix and its scores against definitions written out by hand."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.metrics import scores
from enet_ros.metrics.confusion import ConfusionMatrix

CAMVID = ClassTable.load('camvid')
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)


@st.composite
def pairs(draw, values=st.integers(0, 255)):
    shape = draw(SHAPES)
    return [draw(hnp.arrays(np.uint8, shape, elements=values)) for _ in range(2)]


def by_hand(prediction, truth, classes):
    counts = np.zeros((classes, classes + 1), np.int64)
    for predicted, true in zip(prediction.flat, truth.flat):
        if true < classes:
            counts[true, min(predicted, classes)] += 1
    return counts


@given(pairs(), st.integers(1, 255))
@settings(deadline=None, max_examples=60)
def test_counts_as_by_hand(images, classes):
    matrix = ConfusionMatrix(classes)
    frame = matrix.update(*images)
    assert frame.dtype == np.int64
    np.testing.assert_array_equal(frame, by_hand(*images, classes))
    np.testing.assert_array_equal(matrix.counts, frame)


@given(pairs(st.sampled_from([0, 1, 2, 3, 255])))
@settings(deadline=None, max_examples=60)
def test_scores_as_by_hand(images):
    prediction, truth = images
    matrix = ConfusionMatrix(3)
    matrix.update(prediction, truth)
    valid = truth < 3
    for index, value in enumerate(scores.class_iou(matrix.counts)):
        union = valid & ((truth == index) | (prediction == index))
        both = (truth == index) & (prediction == index)
        assert value == both.sum() / union.sum() if union.any() else np.isnan(value)
    for index, value in enumerate(scores.class_accuracy(matrix.counts)):
        true = truth == index
        assert value == (prediction[true] == index).mean() if true.any() else np.isnan(value)
    overall = scores.global_accuracy(matrix.counts)
    assert overall == pytest.approx((truth == prediction)[valid].mean()) if valid.any() else np.isnan(overall)


def test_absent_classes_are_left_out_or_zero_by_name():
    matrix = ConfusionMatrix(len(CAMVID))
    matrix.update(np.array([[3, 3, 8]]), np.array([[3, 3, 3]]))
    skip, zero = matrix.scores(CAMVID), matrix.scores(CAMVID, absent='zero')
    # Road 2/3; Car 0, because predicted; the other nine neither true nor predicted.
    assert skip['mean_iou'] == pytest.approx((2 / 3 + 0) / 2)
    assert zero['mean_iou'] == pytest.approx(2 / 3 / 11)
    assert (skip['class_average_accuracy'], zero['class_average_accuracy']) == pytest.approx((2 / 3, 2 / 33))
    assert np.isnan(skip['class_iou']['Sky']) and np.isnan(skip['class_accuracy']['Car'])
    assert (skip['absent'], zero['absent']) == ('skip', 'zero')
    with pytest.raises(InputError, match='skip'):
        matrix.scores(CAMVID, absent='nan')


def test_void_truth_is_ignored_and_void_prediction_is_a_miss():
    matrix = ConfusionMatrix(len(CAMVID))
    matrix.update(np.array([[0, 255, 0]], np.uint8), np.array([[0, 0, 255]], np.uint8))
    assert matrix.counts.sum() == 2 and matrix.counts[0, -1] == 1
    score = matrix.scores(CAMVID)
    assert score['class_iou']['Sky'] == score['global_accuracy'] == score['frequency_weighted_iou'] == 0.5


def test_confusion_within_a_category_counts_as_right():
    matrix = ConfusionMatrix(len(CAMVID))
    road, pavement, car = 3, 4, 8
    matrix.update(np.array([[pavement, road, car]]), np.array([[road, road, road]]))
    score = matrix.scores(CAMVID)
    assert score['category_iou']['flat'] == pytest.approx(2 / 3)
    assert score['class_iou']['Road'] == pytest.approx(1 / 3)
    assert score['mean_category_iou'] == pytest.approx((2 / 3 + 0) / 2)


def test_class_without_category_is_left_out_of_categories():
    names, counts = scores.group(np.array([[5, 1, 2], [3, 7, 0]]), ['thing', ''])
    assert names == ['thing']
    np.testing.assert_array_equal(counts, [[5, 3]])


def test_empty_matrix_and_empty_image():
    matrix = ConfusionMatrix(len(CAMVID))
    assert not matrix.update(np.zeros((0, 4), np.uint8), np.zeros((0, 4), np.uint8)).any()
    assert np.isnan(matrix.scores(CAMVID)['mean_iou'])
    assert matrix.scores(CAMVID, absent='zero')['mean_iou'] == 0


def test_values_beyond_a_byte_are_void():
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([[-1, 256, 1]]), np.array([[0, 1, -1]], np.int16))
    np.testing.assert_array_equal(matrix.counts, [[0, 0, 1], [0, 0, 1]])


def test_views_are_counted():
    image = np.arange(48, dtype=np.uint8).reshape(6, 8)
    matrix = ConfusionMatrix(48)
    matrix.update(image[::2, ::-2], image.T[:4, :3].T)
    np.testing.assert_array_equal(matrix.counts, by_hand(image[::2, ::-2], image.T[:4, :3].T, 48))


def test_parts_merge_to_the_whole_and_survive_json():
    rng = np.random.default_rng(0)
    whole, parts = ConfusionMatrix(5), [ConfusionMatrix(5), ConfusionMatrix(5)]
    for index in range(6):
        images = rng.integers(0, 7, (2, 30, 20)).astype(np.uint8)
        whole.update(*images)
        parts[index % 2].update(*images)
    assert parts[0] != whole == parts[0].merge(parts[1])
    assert ConfusionMatrix.from_counts(json.loads(json.dumps(whole.counts.tolist()))) == whole


def test_counts_do_not_overflow():
    big = ConfusionMatrix.from_counts([[2 ** 40, 0]])
    assert big.merge(big).counts[0, 0] == 2 ** 41


@pytest.mark.parametrize('counts', [
    [[1, 2]] * 2, [[-1, 0]], [[0.5, 0]], 'text', [[None, 1]], [1, 2], [[1e300, 0]]])
def test_bad_counts_are_refused(counts):
    with pytest.raises(InputError, match='confusion matrix must be'):
        ConfusionMatrix.from_counts(counts)


def test_bad_use_is_refused():
    with pytest.raises(InputError, match='same size'):
        ConfusionMatrix(2).update(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(InputError, match='cannot be merged'):
        ConfusionMatrix(2).merge(ConfusionMatrix(3))
    with pytest.raises(InputError, match='has 11 classes'):
        ConfusionMatrix(2).scores(CAMVID)
    with pytest.raises(InputError, match='1 to 255'):
        ConfusionMatrix(0)


@pytest.mark.parametrize('camvid_predicts', [True, False])
def test_codings_meet_in_the_coarser_one(camvid_predicts):
    cityscapes = ClassTable.load('cityscapes')
    truck, car, terrain = cityscapes.index('truck'), cityscapes.index('car'), cityscapes.index('terrain')
    camvid_image = np.array([[CAMVID.index('Car'), CAMVID.index('Car'), CAMVID.index('Tree'), 255]], np.uint8)
    city_image = np.array([[truck, car, terrain, car]], np.uint8)
    tables, images = [CAMVID, cityscapes], [camvid_image, city_image]
    if not camvid_predicts:
        tables, images = tables[::-1], images[::-1]
    common = tables[0].mapping_to(tables[1])
    matrix = ConfusionMatrix(len(common.classes))
    matrix.update(common.source[images[0]], common.target[images[1]])
    assert common.classes.names == CAMVID.names
    assert matrix.counts[CAMVID.index('Car'), CAMVID.index('Car')] == 2
    assert matrix.counts[CAMVID.index('Tree'), CAMVID.index('Tree')] == 1
    assert matrix.counts[CAMVID.index('Car'), -1] == (1 if camvid_predicts else 0)
    assert matrix.counts.sum() == (4 if camvid_predicts else 3)


def test_resamples_are_scored_at_once():
    counts = np.random.default_rng(0).integers(0, 50, (4, 3, 6, 7))
    for score in (scores.mean_iou, scores.class_iou, scores.global_accuracy, scores.frequency_weighted_iou):
        many = score(counts)
        np.testing.assert_allclose(many[2, 1], score(counts[2, 1]), rtol=1e-15)


def test_images_beyond_float_precision_are_counted_exactly():
    zeros = np.zeros((4097, 4097), np.uint8)        # an odd number beyond 2^24
    matrix = ConfusionMatrix(1)
    matrix.update(zeros, zeros)
    assert matrix.counts.tolist() == [[4097 * 4097, 0]]
