"""Live scoring: every image finds its counterpart or is accounted for."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.bags.truth import nearest
from enet_ros.classes import ClassTable
from enet_ros.evaluation.evaluator import Evaluator
from enet_ros.evaluation.online import LiveEvaluation
from enet_ros.timing import FrameTiming

CAMVID = ClassTable.load('camvid')
LABELS = np.zeros((4, 6), np.uint8)


def live(depth=5, **options):
    return LiveEvaluation(Evaluator(CAMVID, CAMVID, boundary=False), depth, **options)


def timing(stamp_ns, outcome):
    return FrameTiming('front', stamp_ns, stamp_ns, outcome, {}, stamp_ns)


@pytest.mark.parametrize('truth_first', [True, False])
def test_pairs_meet_whoever_comes_first(truth_first):
    scored = []
    evaluation = live(on_frame=scored.append)
    takes = [evaluation.truth, evaluation.prediction]
    first, second = takes if truth_first else takes[::-1]
    first(10**9 + 5, LABELS)
    assert not scored
    second(10**9 + 5, LABELS)
    score, = scored
    assert (score.name, score.mean_iou, score.stamp) == ('1.000000005', 1.0, 1.000000005)
    assert evaluation.coverage()['frames_evaluated'] == 1


@pytest.mark.parametrize('depth', [2, 50])
def test_a_beginning_that_was_missed_is_told(depth):
    """Three annotations before this listened, four before the segmentation node's first image."""
    evaluation = live(depth)
    for stamp in range(1, 9):
        evaluation.first_truth(stamp + 3)
        evaluation.truth(stamp, LABELS)
    evaluation.timing(timing(5, 'superseded'))
    evaluation.prediction(6, LABELS)
    [problem] = [problem for problem in evaluation.coverage()['problems'] if '--delay' in problem['text']]
    assert problem['count'] == 3 + 4
    whole = live(depth)
    whole.first_truth(1)
    whole.timing(timing(1, 'superseded'))
    for stamp in range(1, 9):
        whole.truth(stamp, LABELS)
    assert not [problem for problem in whole.coverage()['problems'] if '--delay' in problem['text']]


def test_only_equal_stamps_meet():
    evaluation = live()
    evaluation.truth(1, LABELS)
    evaluation.prediction(2, LABELS)
    coverage = evaluation.coverage()
    assert (coverage['frames_evaluated'], coverage['truth_without_prediction'],
            coverage['prediction_without_truth']) == (0, 1, 1)


@given(st.lists(st.integers(-9, 9), min_size=3, max_size=25), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_the_nearest_stamps_meet_as_offline(shifts, random):
    """Whatever the jitter of truth and the order across the streams: the pairs of `bags.truth.nearest`."""
    ms, scored = 10**6, []
    frames = [1000 * ms + 10 * ms * index for index in range(len(shifts))]
    truths = {frame + shift * ms // 2 + 1: frame for frame, shift in zip(frames, shifts)}
    expected, _ = nearest(frames, {stamp: stamp for stamp in truths}, 4 * ms)
    evaluation = live(depth=50, within_ms=4, on_frame=scored.append)
    queues = [[(evaluation.prediction, stamp) for stamp in frames],
              [(evaluation.truth, stamp) for stamp in sorted(truths)]]
    while any(queues):
        receive, stamp = random.choice([queue for queue in queues if queue]).pop(0)
        receive(stamp, LABELS)
    evaluation.settle(final=True)
    assert sorted(score.name for score in scored) == sorted(f'{s // 10**9}.{s % 10**9:09d}' for s in expected)
    coverage = evaluation.coverage()
    assert coverage['frames_evaluated'] == len(expected)
    assert coverage['truth_without_prediction'] == len(truths) - len(expected)
    residuals = [abs(frame - true) / 1e6 for frame, true in expected.items()]
    assert coverage['matching'] == {'by': 'nearest', 'within_ms': 4,
                                    'residual_ms_max': max(residuals, default=0)}


def test_missing_predictions_are_told_by_reason():
    evaluation = live(depth=2)
    for stamp in range(6):
        evaluation.truth(stamp, LABELS)
    for stamp, outcome in ((0, 'superseded'), (2, 'engine_error'), (4, 'segmented'), (5, 'superseded')):
        evaluation.timing(timing(stamp, outcome))
    coverage = evaluation.coverage()
    # Stamps 0 to 3 were given up before any timing came: nothing was known then.
    assert coverage['truth_without_prediction_by'] == {'unknown': 4, 'label_lost': 1, 'superseded': 1}
    evaluation = live(depth=2)
    for stamp, outcome in ((0, 'superseded'), (2, 'engine_error'), (4, 'segmented'), (5, 'superseded')):
        evaluation.timing(timing(stamp, outcome))
    for stamp in range(6):
        evaluation.truth(stamp, LABELS)
    coverage = evaluation.coverage()
    assert coverage['truth_without_prediction_by'] == {
        'superseded': 2, 'engine_error': 1, 'label_lost': 1, 'not_seen': 2}
    assert (coverage['frames_in'], coverage['frames_segmented'], coverage['frames_dropped']) == (4, 1, 3)
    assert coverage['dropped_by']['superseded'] == 2


def test_nothing_is_claimed_about_drops_without_timing():
    assert live().coverage()['frames_in'] is None


def test_a_looping_bag_is_scored_once():
    evaluation = live()
    for _ in range(3):
        for stamp in range(4):
            evaluation.truth(stamp, LABELS)
            evaluation.prediction(stamp, LABELS)
    coverage = evaluation.coverage()
    assert (coverage['frames_evaluated'], coverage['repeated'], coverage['truth_frames']) == (4, 16, 4)


def test_other_sizes_are_refused_and_counted():
    evaluation = live()
    evaluation.truth(1, LABELS)
    evaluation.prediction(1, LABELS.T.copy())
    assert evaluation.coverage()['refused'] == {'other_size': 1}
    assert evaluation.coverage()['frames_evaluated'] == 0


def test_images_reach_the_gallery():
    evaluation = live()
    evaluation.image(7, np.full((4, 6, 3), 9, np.uint8))
    evaluation.truth(7, LABELS)
    evaluation.prediction(7, LABELS)
    assert (evaluation.evaluator.examples.worst[0].image == 9).all()


def test_running_score_is_that_of_the_tally():
    evaluation = live()
    evaluation.truth(1, LABELS)
    evaluation.prediction(1, np.where(np.arange(24).reshape(4, 6) < 6, 1, 0).astype(np.uint8))
    summary = evaluation.summary()
    assert summary['mean_iou'] == pytest.approx((18 / 24 + 0) / 2) == evaluation.result()['mean_iou']
    assert summary['frames_evaluated'] == evaluation.result()['frames_evaluated'] == 1


@given(st.lists(st.tuples(st.sampled_from('pt'), st.integers(0, 12)), max_size=60), st.integers(1, 6))
@settings(deadline=None, max_examples=80)
def test_the_account_always_adds_up(events, depth):
    evaluation = live(depth)
    for kind, stamp in events:
        (evaluation.prediction if kind == 'p' else evaluation.truth)(stamp, LABELS)
    coverage = evaluation.coverage()
    assert coverage['truth_frames'] == coverage['frames_evaluated'] + coverage['truth_without_prediction']
    assert coverage['predictions'] == coverage['frames_evaluated'] + coverage['prediction_without_truth']
    assert len(events) == coverage['predictions'] + coverage['truth_frames'] + coverage['repeated']


def test_announced_annotations_that_no_frame_met_are_told():
    evaluation = LiveEvaluation(Evaluator(CAMVID, CAMVID, boundary=False), 5, announced=10)
    evaluation.truth(1, LABELS)
    evaluation.prediction(1, LABELS)
    coverage = evaluation.coverage()
    assert (coverage['truth_frames'], coverage['truth_without_prediction']) == (10, 9)
    assert coverage['truth_without_prediction_by'] == {'not_seen': 9}


def test_pairs_that_came_too_far_apart_are_told():
    """Truth that was given up before its prediction came: the account says why it was not scored."""
    evaluation = live(depth=2)
    for stamp in range(5):
        evaluation.truth(stamp, LABELS)
    for stamp in range(5):
        evaluation.prediction(stamp, LABELS)
    problem, = evaluation.coverage()['problems']
    assert evaluation.coverage()['frames_evaluated'] == 2
    assert problem['count'] == 3 and 'depth (2)' in problem['text']


def test_timings_that_never_arrived_are_told():
    """A superseded frame overtakes; a number that is missing is a timing that was lost."""
    evaluation = live()
    for number in (4, 6, 5, 9, 8, 3000, 1):
        evaluation.timing(timing(number, 'segmented')._replace(sequence=number))
    problem, = evaluation.coverage()['problems']
    assert problem['count'] == 1 + 3000 - 9 - 1 and 'timings' in problem['text']
