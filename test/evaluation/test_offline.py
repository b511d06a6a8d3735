"""Evaluation: frames of any source, their account, and results that add up."""

import json

import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.datasets.sample import Sample
from enet_ros.errors import InputError
from enet_ros.evaluation.offline import Coverage, Evaluation, Frame, evaluate, evaluate_dataset
from enet_ros.evaluation.sharding import merge
from enet_ros.geometry import fit
from enet_ros.json_files import plain, write_json
from enet_ros.metrics.confusion import ConfusionMatrix
from enet_ros.reports.text import summary

CLASSES = ClassTable.load('camvid')


def _frames(count: int, seed: int = 0):
    rng = np.random.RandomState(seed)
    for index in range(count):
        truth = rng.randint(0, 11, (6, 8)).astype(np.uint8)
        prediction = np.where(rng.rand(6, 8) < 0.7, truth, 3).astype(np.uint8)
        yield Frame(f'f{index:03d}', 'drive', index / 30, None, 'rgb', prediction, truth)


def test_counts_are_those_of_the_confusion_matrix() -> None:
    """Nothing is added to or lost from what the matrix itself counts; every frame is handed on."""
    matrix, scores = ConfusionMatrix(11), []
    for frame in _frames(9):
        matrix.update(frame.prediction, frame.truth)
    outcome = evaluate(_frames(9), CLASSES, CLASSES, on_frame=scores.append)
    assert outcome.evaluator.confusion == matrix
    assert [score.name for score in scores] == [f'f{i:03d}' for i in range(9)]
    assert outcome.to_json()['mean_iou'] == matrix.scores(CLASSES)['mean_iou']


def test_every_frame_stands_in_the_account() -> None:
    """frames_in is what was evaluated, what had no truth, and what was refused, each told."""
    frames = list(_frames(5))
    frames[1] = frames[1]._replace(truth=None)
    frames[2] = frames[2]._replace(prediction=np.zeros((6, 9), np.uint8))
    frames[3] = frames[3]._replace(prediction=None)
    outcome = evaluate(frames, CLASSES, CLASSES)
    coverage = outcome.coverage
    assert (coverage.frames_in, coverage.frames_evaluated, coverage.prediction_without_truth) == (5, 2, 1)
    assert coverage.dropped_by == {'refused': 2} and len(coverage.problems) == 2
    result = outcome.to_json()
    assert result['frames_dropped'] == 2 and result['frames_evaluated'] == 2


def test_labels_of_a_smaller_camera_are_brought_to_the_truth() -> None:
    """Half the size is met by the nearest pixel; what is scored is the truth's own pixels."""
    twice = np.ones((2, 2), np.uint8)
    frames = [frame._replace(truth=np.kron(frame.prediction, twice)) for frame in _frames(3)]
    outcome = evaluate(frames, CLASSES, CLASSES)
    counts = outcome.evaluator.confusion.counts
    assert counts.trace() == counts.sum() == 3 * 12 * 16
    assert 'nearest pixel' in next(iter(outcome.coverage.problems))


def test_perfect_labels_of_another_size_stay_perfect() -> None:
    """Truth on 1280x960, seen by a camera of 480x360 pixels: its labels go back by pixel centres."""
    small = np.random.RandomState(0).randint(0, 11, (9, 12)).astype(np.uint8)
    truth = fit((24, 32), (9, 12), 'stretch').to_image(small)
    outcome = evaluate([Frame('f', prediction=small, truth=truth)], CLASSES, CLASSES)
    assert outcome.to_json()['global_accuracy'] == 1.0
    assert 'labels are 9x12, truth 24x32' in next(iter(outcome.coverage.problems))


def test_pixels_without_annotation_are_told() -> None:
    """A third of each frame is void: the share stands in the result, through merging, and warns."""
    frames = [frame._replace(truth=np.where(np.arange(6)[:, None] < 2, 255, frame.truth).astype(np.uint8))
              for frame in _frames(4)]
    outcome = evaluate(frames[:2], CLASSES, CLASSES)
    outcome.merge(Evaluation.from_json(json.loads(json.dumps(
        plain(evaluate(frames[2:], CLASSES, CLASSES).to_json())))))
    assert outcome.to_json()['unannotated'] == pytest.approx(1 / 3)
    assert 'warning: 33.3 % of the pixels are not annotated' in summary(outcome.to_json())


def test_train_ids_said_to_be_label_ids_are_told() -> None:
    """Class indices read as Cityscapes' own ids score next to nothing: that is not passed over."""
    table = ClassTable.load('cityscapes')
    truth = np.random.RandomState(0).randint(0, 19, (20, 30)).astype(np.uint8)
    ids = np.array(table.ids, np.uint8)
    for prediction, suspicious in ((truth, True), (ids[truth], False)):
        coverage = evaluate([Frame('f', prediction=prediction, truth=truth)], table, table,
                            label_ids=True).coverage
        assert any('trainIds' in problem for problem in coverage.problems) == suspicious


def test_predictions_that_are_missing_are_truth_without_prediction() -> None:
    """A data set of which some label files are not there."""
    class Samples(list):
        classes = CLASSES

    def predict(sample: Sample) -> np.ndarray:
        if sample.name == 'f001':
            raise InputError('f001: no label image')
        return sample.label
    samples = Samples(Sample(frame.name, np.zeros((6, 8, 3), np.uint8), frame.truth) for frame in _frames(4))
    coverage = evaluate_dataset(samples, predict=predict).coverage
    assert (coverage.frames_in, coverage.frames_evaluated, coverage.truth_frames) == (3, 3, 4)
    assert coverage.truth_without_prediction == 1 and 'f001: no label image' in coverage.problems


@pytest.mark.parametrize('cuts', ((3,), (1, 2, 7)))
def test_parts_merge_to_the_whole_through_json(cuts, tmp_path) -> None:
    """Cut anywhere, written, read and added, the counts are equal and the account adds up."""
    frames = list(_frames(10))
    whole = evaluate(frames, CLASSES, CLASSES).to_json()
    parts = []
    for number, (start, stop) in enumerate(zip((0,) + cuts, cuts + (10,))):
        path = tmp_path / f'{number}.json'
        write_json(path, evaluate(frames[start:stop], CLASSES, CLASSES).to_json())
        parts.append(Evaluation.from_json(json.loads(path.read_text()), str(path)))
    total = merge(parts).to_json()
    for key in ('confusion', 'mean_iou', 'class_iou', 'frames_in', 'frames_evaluated', 'mean_boundary_iou'):
        assert total.get(key) == whole.get(key), key


@pytest.mark.parametrize('data', ({}, [], None, 3, {'parts': 3}, {'parts': {}},
                                  {'parts': {'predicted': 1, 'true': 2, 'boundary': None}}))
def test_foreign_json_is_one_line(data) -> None:
    """What is no result is named."""
    with pytest.raises(InputError, match='x.json') as error:
        Evaluation.from_json(data, 'x.json')
    assert '\n' not in str(error.value)


def test_account_survives_json_and_bounds_what_it_is_told() -> None:
    """Ten thousand different problems do not fill the memory; counting goes on."""
    coverage = Coverage(frames_in=3, matching={'by': 'stamp', 'residual_ms_max': 0.5})
    for number in range(10000):
        coverage.tell(f'problem {number}')
    assert len(coverage.problems) < 100 and sum(coverage.problems.values()) == 10000
    assert Coverage.from_dict(json.loads(json.dumps(coverage.to_dict()))) == coverage
    other = Coverage(frames_in=4, matching={'by': 'nearest', 'residual_ms_max': 2.0})
    merged = coverage.merge(other)
    assert merged.frames_in == 7 and merged.matching == {'by': 'stamp, nearest', 'residual_ms_max': 2.0}
