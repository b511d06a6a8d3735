"""All four Cityscapes scores against the real `cityscapesscripts`."""

import copy
import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cv2
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.evaluation.evaluator import Evaluator
from enet_ros.metrics.confusion import ConfusionMatrix
from enet_ros.metrics.instance import CITYSCAPES_MEMBERS, CITYSCAPES_SIZES, InstanceCounts

CLASSES = ClassTable.load('cityscapes')
pytestmark = pytest.mark.filterwarnings('ignore:`in1d` is deprecated')     # the evaluator's own
Maps = Tuple[np.ndarray, np.ndarray, np.ndarray]   # prediction, truth: labelIds uint8; instances: int32


def random_maps(rng: np.random.Generator, shape: Tuple[int, int], labels: int = 34, noise: float = 0.3,
                blob: int = 8) -> Maps:
    """Blobs of labelIds with instances, groups (plain ids) and a noisy prediction of all 34 labelIds."""
    height, width = shape
    coarse = rng.integers(34 - labels, 34, (height // blob + 1, width // blob + 1))
    numbers = rng.integers(0, 4, coarse.shape)
    truth = np.kron(coarse, np.ones((blob, blob), int))[:height, :width]
    number = np.kron(numbers, np.ones((blob, blob), int))[:height, :width]
    # Number 3 stands for a group of objects; labels below 24 have no instances.
    instances = np.where((truth >= 24) & (number < 3), truth * 1000 + number, truth)
    prediction = np.where(rng.random(shape) < noise, rng.integers(0, 34, shape), truth)
    return prediction.astype(np.uint8), truth.astype(np.uint8), instances.astype(np.int32)


def official(folder: Path, frames: List[Maps]) -> Dict[str, Any]:
    """Score frames with the real `cityscapesscripts`, from files, as its users do."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluator
    predictions, truths = [], []
    for index, (prediction, truth, instances) in enumerate(frames):
        names = [folder / f'a_{index:06d}_000000_{kind}.png'
                 for kind in ('prediction', 'gtFine_labelIds', 'gtFine_instanceIds')]
        for name, image in zip(names, (prediction, truth, instances.astype(np.uint16))):
            assert cv2.imwrite(str(name), image)
        predictions.append(str(names[0]))
        truths.append(str(names[1]))
    args = copy.copy(evaluator.args)
    args.JSONOutput, args.quiet = False, True
    return evaluator.evaluateImgLists(predictions, truths, args)


def ours(frames):
    ids = CLASSES.id_table()
    matrix = ConfusionMatrix(len(CLASSES))
    instances = InstanceCounts(CLASSES, ids, ids, CITYSCAPES_MEMBERS)
    for prediction, truth, instance in frames:
        matrix.update(ids[prediction], ids[truth])
        instances.update(prediction, ids[truth], instance)
    return dict(matrix.scores(CLASSES), **instances.scores(CITYSCAPES_SIZES))


def same(value, expected):
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


def compare(tmp_path, frames):
    score, expected = ours(frames), official(tmp_path, frames)
    same(score['mean_iou'], expected['averageScoreClasses'])
    same(score['mean_category_iou'], expected['averageScoreCategories'])
    same(score['mean_class_iiou'], expected['averageScoreInstClasses'])
    same(score['mean_category_iiou'], expected['averageScoreInstCategories'])
    for key, theirs in (('class_iou', 'classScores'), ('class_iiou', 'classInstScores'),
                        ('category_iou', 'categoryScores'), ('category_iiou', 'categoryInstScores')):
        for name, value in score[key].items():
            same(value, expected[theirs][name])
        left_out = set(expected[theirs]) - set(score[key])
        assert all(np.isnan(expected[theirs][name]) for name in left_out), left_out


@pytest.mark.parametrize('shape', [(1, 1), (1, 7), (60, 91)])
@pytest.mark.parametrize('seed', range(4))
def test_random_maps(tmp_path, seed, shape):
    rng = np.random.default_rng(seed)
    compare(tmp_path, [random_maps(rng, shape, blob=1 + seed * 3) for _ in range(3)])


def test_full_resolution(tmp_path):
    compare(tmp_path, [random_maps(np.random.default_rng(5), (1024, 2048), blob=128)])


@pytest.mark.parametrize('labels', [1, 3, 10])
def test_absent_classes(tmp_path, labels):
    rng = np.random.default_rng(labels)
    compare(tmp_path, [random_maps(rng, (40, 40), labels, noise=0.0)])


def test_everything_ignored(tmp_path):
    maps = random_maps(np.random.default_rng(1), (20, 20))
    compare(tmp_path, [(maps[0], np.full((20, 20), 3, np.uint8), np.full((20, 20), 3, np.int32))])


@pytest.mark.parametrize('predicted', [0, 9, 18, 29, 30])
def test_only_ignored_classes_predicted(tmp_path, predicted):
    _, truth, instances = random_maps(np.random.default_rng(2), (48, 48))
    compare(tmp_path, [(np.full_like(truth, predicted), truth, instances)])


def test_caravans_count_as_vehicles_by_instance_only(tmp_path):
    truth = np.full((8, 8), 26, np.uint8)
    frame = (np.full_like(truth, 29), truth, np.full((8, 8), 26001, np.int32))
    compare(tmp_path, [frame])
    score = ours([frame])
    assert (score['category_iiou']['vehicle'], score['category_iou']['vehicle']) == (1.0, 0.0)


def test_groups_add_nothing(tmp_path):
    truth = np.full((8, 8), 24, np.uint8)
    group = (np.full_like(truth, 7), truth, truth.astype(np.int32))
    compare(tmp_path, [group])
    assert np.isnan(ours([group])['class_iiou']['person'])


def test_single_pixel_instances(tmp_path):
    truth = np.random.default_rng(3).choice(np.array([24, 25, 26, 33], np.uint8), (24, 24))
    instances = truth.astype(np.int32) * 1000 + np.arange(576).reshape(24, 24)
    prediction = np.where(np.arange(576).reshape(24, 24) % 3 == 0, 26, truth).astype(np.uint8)
    compare(tmp_path, [(prediction, truth, instances)])


def test_instances_of_ignored_classes(tmp_path):
    truth = np.repeat(np.array([[29, 30, 26]], np.uint8), 9, 0)
    instances = truth.astype(np.int32) * 1000 + 1
    compare(tmp_path, [(np.full_like(truth, 26), truth, instances)])


def test_train_ids_and_label_ids_agree():
    prediction, truth, instances = random_maps(np.random.default_rng(4), (64, 64))
    ids = CLASSES.id_table()
    by_label, by_train = InstanceCounts(CLASSES, ids, ids), InstanceCounts(CLASSES, None, ids)
    by_label.update(prediction, ids[truth], instances)
    by_train.update(ids[prediction], ids[truth], instances)
    assert by_label.to_dict() == by_train.to_dict()


def test_merged_parts_score_as_the_whole():
    frames = [random_maps(np.random.default_rng(seed), (50, 50)) for seed in range(4)]
    ids = CLASSES.id_table()
    whole, *parts = [InstanceCounts(CLASSES, ids, ids) for _ in range(3)]
    for index, (prediction, truth, instances) in enumerate(frames):
        for counts in (whole, parts[index % 2]):
            counts.update(prediction, ids[truth], instances)
    merged = InstanceCounts(CLASSES)
    for part in parts:
        merged.merge(InstanceCounts.restore(CLASSES, json.loads(json.dumps(part.to_dict()))))
    for key, value in merged.scores(CITYSCAPES_SIZES).items():
        same(value, whole.scores(CITYSCAPES_SIZES)[key])


def test_instances_only_in_the_prediction(tmp_path):
    """No object in truth, cars predicted: 0 and not absent, as officially."""
    frame = (np.full((8, 8), 26, np.uint8), np.full((8, 8), 7, np.uint8), np.full((8, 8), 7, np.int32))
    compare(tmp_path, [frame])
    evaluator = Evaluator(CLASSES, CLASSES, label_ids=True)
    evaluator.add(frame[0], CLASSES.id_table()[frame[1]], instances=frame[2])
    assert evaluator.result()['class_iiou']['car'] == evaluator.result()['mean_class_iiou'] == 0.0


def test_measured_sizes_weigh_instances_alike():
    camvid = ClassTable.load('camvid')
    truth = np.full((10, 10), 8, np.uint8)
    instances = np.full((10, 10), 1, np.int32)
    instances[0, 0] = 2
    prediction = truth.copy()
    prediction[0, 0] = 3        # one of two cars missed: half of the instances, a hundredth of the pixels
    counts = InstanceCounts(camvid)
    counts.update(prediction, truth, instances)
    assert counts.scores()['class_iiou']['Car'] == pytest.approx(0.5)
    with pytest.raises(InputError, match='no average instance size for: Car'):
        counts.scores(CITYSCAPES_SIZES)


def test_other_sizes_and_tables_are_refused():
    counts = InstanceCounts(CLASSES)
    with pytest.raises(InputError, match='instances'):
        counts.update(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.int32))
    with pytest.raises(InputError, match='cannot be merged'):
        counts.merge(InstanceCounts(ClassTable.load('camvid')))
    with pytest.raises(InputError, match='do not fit'):
        InstanceCounts.restore(CLASSES, {'matrix': [[1, 2]]})


def test_numbered_objects_score_as_coded_ones():
    prediction, truth, instances = random_maps(np.random.default_rng(6), (64, 64))
    ids = CLASSES.id_table()
    coded, numbered = InstanceCounts(CLASSES, ids, ids), InstanceCounts(CLASSES, ids)
    coded.update(prediction, ids[truth], instances)
    numbered.update(prediction, ids[truth], np.where(instances > 1000, instances % 1000 + 1, 0))
    assert coded.count.tolist() == numbered.count.tolist() and coded.count.sum() == 10
    same(coded.found_category, numbered.found_category)
    same(coded.found, numbered.found)
