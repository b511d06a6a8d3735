"""What every evaluation shares: one evaluator, its examples, its merged parts."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.evaluation.evaluator import Evaluator

CAMVID, CITYSCAPES = ClassTable.load('camvid'), ClassTable.load('cityscapes')


def frames(number, seed=0, classes=11, shape=(40, 60)):
    rng = np.random.default_rng(seed)
    for index in range(number):
        coarse = rng.integers(0, classes + 1, (shape[0] // 10, shape[1] // 10))
        truth = np.kron(coarse, np.ones((10, 10), int))
        noise = rng.random(shape) < (index + 1) / (number + 2)      # frame by frame worse
        prediction = np.where(noise, rng.integers(0, classes, shape), truth).astype(np.uint8)
        yield prediction, np.where(truth == classes, 255, truth).astype(np.uint8), f'frame {index}'


def filled(number=8, seed=0, **options):
    evaluator = Evaluator(CAMVID, CAMVID, **options)
    rows = []
    for index, (prediction, truth, name) in enumerate(frames(number, seed)):
        image = np.full(truth.shape + (3,), index, np.uint8)
        rows.append(evaluator.add(prediction, truth, name, 'drive', index / 15, image))
    return evaluator, rows


PARTS = json.dumps(filled(3)[0].to_dict())


def test_result_has_the_keys_of_the_design():
    result = filled()[0].result()
    assert set(result) >= {
        'frames_evaluated', 'mean_iou', 'class_iou', 'class_accuracy', 'class_average_accuracy',
        'global_accuracy', 'category_iou', 'mean_category_iou', 'mean_boundary_iou', 'intervals',
        'temporal', 'confusion', 'coding', 'timeline', 'parts'}
    assert 'mean_class_iiou' not in result      # no instances were given
    assert result['frames_evaluated'] == len(result['timeline']) == 8
    low, high = result['intervals']['mean_iou']
    assert low < result['mean_iou'] < high
    assert json.dumps(result)


def test_frame_scores_tell_good_from_bad_frames():
    evaluator, rows = filled()
    assert [row.name for row in sorted(rows, key=lambda row: row.global_accuracy)][0] == 'frame 7'
    assert rows[0].pixels == np.count_nonzero(list(frames(1))[0][1] != 255)
    assert np.isnan(rows[0].flip_rate) and 0 < rows[1].flip_rate < 1


def test_gallery_keeps_the_best_and_the_worst():
    evaluator, rows = filled(20, examples=3)
    order = sorted(rows, key=lambda row: row.mean_iou)
    assert [example.frame for example in evaluator.examples.worst] == order[:3]
    assert [example.frame for example in evaluator.examples.best] == order[:-4:-1]
    index = int(evaluator.examples.best[0].frame.name.split()[1])
    assert (evaluator.examples.best[0].image == index).all()


def test_gallery_of_few_frames_shows_none_twice_and_large_ones_small():
    evaluator, _ = filled(3, examples=3)
    assert (len(evaluator.examples.worst), len(evaluator.examples.best)) == (2, 1)
    big = Evaluator(CAMVID, CAMVID)
    labels = np.zeros((1024, 2048), np.uint8)
    big.add(labels, labels, image=np.zeros((1024, 2048, 3), np.uint8))
    example = big.examples.worst[0]
    assert example.image.shape == (320, 640, 3) and example.truth.shape == (320, 640)


def test_frame_without_valid_truth_is_counted_but_not_shown():
    evaluator = Evaluator(CAMVID, CAMVID)
    row = evaluator.add(np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8))
    assert np.isnan(row.mean_iou) and row.pixels == 0
    assert evaluator.frames == 1 and evaluator.examples.worst == []


def test_merged_json_parts_equal_the_whole():
    whole, _ = filled(12)
    parts = [Evaluator(CAMVID, CAMVID) for _ in range(2)]
    for index, (prediction, truth, name) in enumerate(frames(12)):
        parts[index // 6].add(prediction, truth, name, 'drive', index / 15)
    restored = [Evaluator.restore(json.loads(json.dumps(part.result()['parts']))) for part in parts]
    merged, expected = restored[0].merge(restored[1]).result(), whole.result()
    for key in ('confusion', 'class_iou', 'class_boundary_iou', 'intervals', 'timeline', 'frames_evaluated'):
        assert merged[key] == expected[key], key


def test_what_cannot_be_merged_is_refused():
    with pytest.raises(InputError, match='cannot be merged'):
        Evaluator(CAMVID, CAMVID).merge(Evaluator(CITYSCAPES, CAMVID))
    with pytest.raises(InputError, match='boundary'):
        Evaluator(CAMVID, CAMVID).merge(Evaluator(CAMVID, CAMVID, boundary=False))
    with pytest.raises(InputError, match='old.json: not an evaluation result'):
        Evaluator.restore({'mean_iou': 0.5}, 'old.json')
    city = Evaluator(CITYSCAPES, CITYSCAPES)
    city.add(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    for key, value in (('boundary', [[1, 2]]), ('blocks', city.to_dict()['blocks'])):
        broken = dict(filled()[0].to_dict(), **{key: value})
        with pytest.raises(InputError, match='not an evaluation result'):
            Evaluator.restore(broken)


def test_codings_are_named_and_label_ids_understood():
    evaluator = Evaluator(CAMVID, CITYSCAPES)
    car, truck = CAMVID.index('Car'), CITYSCAPES.index('truck')
    evaluator.add(np.full((4, 4), car, np.uint8), np.full((4, 4), truck, np.uint8))
    result = evaluator.result()
    assert result['coding'] == {'prediction': 'camvid', 'truth': 'cityscapes', 'scores': 'camvid'}
    assert result['mean_iou'] == 1
    by_id = Evaluator(CITYSCAPES, CITYSCAPES, label_ids=True)
    instances = np.full((4, 4), 27001, np.int32)
    by_id.add(np.full((4, 4), 27, np.uint8), np.full((4, 4), truck, np.uint8), instances=instances)
    assert by_id.result()['class_iou']['truck'] == by_id.result()['class_iiou']['truck'] == 1


def test_refused_frames_do_not_count():
    evaluator = Evaluator(CAMVID, CAMVID)
    with pytest.raises(InputError, match='same size'):
        evaluator.add(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))
    with pytest.raises(InputError, match='uint8'):
        evaluator.add(np.zeros((4, 4)), np.zeros((4, 4), np.uint8))
    assert evaluator.frames == 0 and not evaluator.confusion.counts.any()


def test_consistency_needs_consecutive_frames():
    evaluator = Evaluator(CAMVID, CAMVID)
    zeros, ones = np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)
    moments = [('a', 0.0, zeros), ('a', 0.1, ones), ('b', 0.2, zeros), ('b', 5.0, ones), ('b', 5.05, ones)]
    rates = [evaluator.add(labels, zeros, '', drive, stamp).flip_rate for drive, stamp, labels in moments]
    assert np.isnan([rates[0], rates[2], rates[3]]).all()
    assert (rates[1], rates[4]) == (1, 0)


def test_frames_without_truth_serve_consistency_by_flow():
    evaluator = Evaluator(CAMVID, CAMVID, flow=True)
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    labels = np.zeros((60, 80), np.uint8)
    for index in range(3):
        evaluator.pass_by(labels, 'a', index / 30, image)
    assert evaluator.result()['temporal']['flow'] == {'flip_rate': 0, 'pixels': 9600, 'pairs': 2}
    assert evaluator.frames == 0


def test_images_are_fetched_only_for_frames_that_are_kept():
    evaluator, asked = Evaluator(CAMVID, CAMVID, examples=1), []
    for index, (prediction, truth, name) in enumerate(frames(12)):
        def image(index=index, shape=truth.shape):
            asked.append(index)
            return np.full(shape + (3,), index, np.uint8)
        evaluator.add(prediction, truth, name, image=image)
    assert 2 <= len(asked) < 12
    kept = [evaluator.examples.worst[0], evaluator.examples.best[0]]
    assert all((example.image == int(example.frame.name.split()[1])).all() for example in kept)


def test_instances_of_another_size_do_not_count_the_frame():
    evaluator, labels = Evaluator(CAMVID, CAMVID), np.zeros((4, 4), np.uint8)
    with pytest.raises(InputError, match='instances 4x5, truth 4x4'):
        evaluator.add(labels, labels, instances=np.zeros((4, 5), np.int32))
    assert evaluator.frames == 0 and not evaluator.confusion.counts.any()


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
                 st.lists(st.integers(), max_size=2),
                 st.dictionaries(st.text(max_size=2), st.none(), max_size=2))


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_damaged_parts_are_restored_or_refused(data):
    parts = json.loads(PARTS)
    place = parts
    for _ in range(data.draw(st.integers(1, 5))):
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JUNK)
            break
        place = place[key]
    try:
        restored = Evaluator.restore(parts)
    except InputError:
        return
    try:
        restored.merge(Evaluator.restore(json.loads(PARTS))).result(resamples=5)
    except InputError:
        pass
