"""Frames of a bag meet their truth, and whatever does not meet is counted."""

from dataclasses import replace
from pathlib import Path
import random

import bag_samples as bags
import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.bags import by_stamp, sidecar, single_pass, topics
from enet_ros.bags.matching import Choice, Source
from enet_ros.bags.reading import open_bag
from enet_ros.bags.truth import nearest, stamp_of_name
from enet_ros.bags.writing import BagWriter, describe
from enet_ros.classes import ClassTable
from enet_ros.datasets.synthetic import SyntheticStreet
from enet_ros.errors import InputError
from enet_ros.evaluation.evaluator import Evaluator
from enet_ros.evaluation.offline import evaluate_bag
from enet_ros.evaluation.sharding import merge
from enet_ros.metrics.confusion import ConfusionMatrix
from enet_ros.metrics.coverage import Coverage

pytest.importorskip('rosbags')
CLASSES = ClassTable.load('camvid')


def expected(samples) -> np.ndarray:
    """Return the counts that scoring these samples must give."""
    matrix = ConfusionMatrix(len(CLASSES))
    for sample in samples:
        matrix.update(bags.predict(sample), sample.label)
    return matrix.counts


def score(path: Path, **choice):
    """Score the predictions of a bag."""
    return evaluate_bag(Choice(str(path), predictions=bags.LABELS, **choice), boundary=False)


@pytest.mark.parametrize('storage', ('mcap', 'sqlite3'))
def test_sparse_truth_is_matched_by_exact_stamp(storage: str, tmp_path: Path) -> None:
    """As in Cityscapes' snippets: thirty frames, the twentieth annotated."""
    samples = bags.pictures(60)
    outcome = score(bags.write(tmp_path / 'b', samples, storage, truth_of=(19, 49)))
    assert np.array_equal(outcome.evaluator.confusion.counts, expected([samples[19], samples[49]]))
    coverage = outcome.coverage
    assert (coverage.frames_in, coverage.frames_evaluated, coverage.prediction_without_truth) == (60, 2, 58)
    assert coverage.truth_frames == 2 and coverage.truth_without_prediction == 0
    assert coverage.matching == {'by': 'stamp', 'residual_ms_max': 0.0} and not coverage.problems


def test_order_of_recording_does_not_matter(tmp_path: Path, monkeypatch) -> None:
    """All truth first, all truth last, and too much of either to keep: the counts are the same."""
    samples = bags.pictures(40)
    for name, order in (('first', (0, 1)), ('last', (1, 0))):
        with BagWriter(tmp_path / name, 'mcap', describe('noise', CLASSES)) as bag:
            for turn in order:
                for index, sample in enumerate(samples):
                    topic, labels = ((bags.TRUTH, sample.label), (bags.LABELS, bags.predict(sample)))[turn]
                    bag.labels(topic, bags.stamp(index), 'camera', labels)
    # Truth recorded an hour before the predictions, and an hour after.
    hour = 3600 * 10**9
    early, late = (_recorded_at(tmp_path / name, tmp_path / 'first',
                                lambda topic, log, shift=shift: log + (shift if topic == bags.TRUTH else 0))
                   for name, shift in (('early', -hour), ('late', hour)))
    for limit in (1 << 20, 2000, 0):
        monkeypatch.setattr(single_pass, 'LIMIT_BYTES', limit)
        for path in (tmp_path / 'first', tmp_path / 'last', early, late):
            outcome = score(path)
            assert np.array_equal(outcome.evaluator.confusion.counts, expected(samples)), (path, limit)
            assert outcome.coverage.frames_evaluated == outcome.coverage.truth_frames == 40


def _recorded_at(path: Path, source: Path, log_of) -> Path:
    """Copy a bag, each message recorded at `log_of(topic, its time)`."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore
    store = get_typestore(Stores.ROS2_HUMBLE)
    writer = Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3)
    with open_bag(source) as opened, writer:
        for key, value in opened.custom_data.items():
            writer.set_custom_data(key, value)
        connections = {topic: writer.add_connection(topic, 'sensor_msgs/msg/Image', typestore=store)
                       for topic in (bags.TRUTH, bags.LABELS)}
        moved = [(log_of(message.topic, message.log_ns), place, message)
                 for place, message in enumerate(opened.messages(list(connections)))]
        for log_ns, _, message in sorted(moved):    # also in the file, whose order some readers follow
            writer.write(connections[message.topic], log_ns, message.data)
    return path


@pytest.mark.parametrize('names', (CLASSES.names, ('Free', 'Occupied') + CLASSES.names[2:]))
def test_a_bag_recorded_anew_tells_its_classes_by_label_info(names, tmp_path: Path) -> None:
    """`ros2 bag record` keeps topics and loses custom data; a shipped table is known by its names."""
    classes = replace(CLASSES, names=names)
    samples = bags.pictures(3)
    with BagWriter(tmp_path / 'b') as bag:
        bag.label_info('/camera/label_info', bags.stamp(0), 'camera', classes)
        for index, sample in enumerate(samples):
            bag.labels(bags.TRUTH, bags.stamp(index), 'camera', sample.label)
    with open_bag(tmp_path / 'b') as bag:
        found = topics.recorded_classes(bag, bags.TRUTH)
        assert found.names == names and found.ignore_name == CLASSES.ignore_name
        assert (found == CLASSES) == (names == CLASSES.names)
        assert topics.recorded_classes(bag, '/elsewhere/ground_truth') is None


def test_unmatched_and_doubled_frames_are_counted(tmp_path: Path) -> None:
    """A prediction without truth, truth without prediction, and second messages of a stamp."""
    samples = bags.pictures(10)
    with BagWriter(tmp_path / 'b', 'mcap', describe('noise', CLASSES)) as bag:
        for index, sample in enumerate(samples):
            if index not in (2, 3):
                bag.labels(bags.TRUTH, bags.stamp(index), 'camera', sample.label)
            if index not in (5, 6, 7):
                bag.labels(bags.LABELS, bags.stamp(index), 'camera', bags.predict(sample))
        bag.labels(bags.LABELS, bags.stamp(0), 'camera', bags.predict(samples[1]))
        bag.labels(bags.TRUTH, bags.stamp(0), 'camera', samples[1].label)
    outcome = score(tmp_path / 'b')
    coverage = outcome.coverage
    assert np.array_equal(outcome.evaluator.confusion.counts, expected([samples[i] for i in (0, 1, 4, 8, 9)]))
    assert coverage.frames_in == 8 == 5 + 2 + coverage.dropped_by['duplicate']
    assert (coverage.truth_frames, coverage.truth_without_prediction) == (8, 3)
    assert coverage.prediction_without_truth == 2
    assert len([text for text in coverage.problems if 'several messages of one stamp' in text]) == 2


def test_stamps_that_jump_back(tmp_path: Path) -> None:
    """Stamps that begin anew, as while a bag loops: neither topic is lost behind the jump."""
    samples = bags.pictures(40)
    source = bags.write(tmp_path / 'source', samples, truth_of=range(1, 40))
    # The second half was recorded first: stamps jump back by 0.7 s in the middle.
    looped = _recorded_at(tmp_path / 'b', source, lambda topic, log: log + 10**12 * (log < bags.stamp(20)))
    outcome = score(looped)
    assert np.array_equal(outcome.evaluator.confusion.counts, expected(samples[1:]))
    assert outcome.coverage.truth_without_prediction == 0 and not outcome.coverage.problems


ORDERS = {'sorted': sorted, 'reversed': lambda names: sorted(names, reverse=True),
          'lexicographic': lambda names: sorted(names, key=lambda name: str(name % 97)),
          'shuffled': lambda names: random.Random(3).sample(sorted(names), len(names)),
          'one first': lambda names: sorted(names, key=lambda name: name != 30),
          'one last': lambda names: sorted(names, key=lambda name: name == 3)}


@pytest.mark.parametrize('ahead', (by_stamp.MAX_AHEAD_BYTES, 3000), ids=('memory', 'file'))
@pytest.mark.parametrize('order', ORDERS)
def test_order_of_truth_does_not_matter(tmp_path: Path, monkeypatch, order: str, ahead: int) -> None:
    """However truth was recorded, counts and account are those of the sorted bag; in parts as well."""
    monkeypatch.setattr(by_stamp, 'MAX_AHEAD_BYTES', ahead)
    samples = bags.pictures(40)
    source = bags.write(tmp_path / 'source', samples, truth_of=range(2, 40))
    place = {bags.stamp(index): bags.stamp(turn) for turn, index in enumerate(ORDERS[order](range(2, 40)))}
    path = _recorded_at(tmp_path / 'b', source,
                        lambda topic, log: place[log] if topic == bags.TRUTH else log)
    outcome = score(path)
    assert np.array_equal(outcome.evaluator.confusion.counts, expected(samples[2:]))
    coverage = outcome.coverage
    assert (coverage.frames_evaluated, coverage.truth_frames) == (38, 38)
    assert coverage.truth_without_prediction == 0
    assert not coverage.problems
    parts = merge([score(path, start=0, stop=17), score(path, start=17)])
    assert parts.evaluator.confusion == outcome.evaluator.confusion
    assert parts.coverage.to_dict() == coverage.to_dict()


@pytest.mark.parametrize('shift_s', (0.51, -0.51, 3600, -3600))
def test_one_wild_stamp_costs_one_frame(tmp_path: Path, shift_s: float) -> None:
    """A single annotation with a wrong stamp is truth without prediction; all others are scored."""
    samples, wild = bags.pictures(40), bags.stamp(10) + int(shift_s * 1e9)
    with BagWriter(tmp_path / 'source', 'mcap', describe('noise', CLASSES)) as bag:
        for index, sample in enumerate(samples):
            bag.labels(bags.TRUTH, wild if index == 10 else bags.stamp(index), 'camera', sample.label)
            bag.labels(bags.LABELS, bags.stamp(index), 'camera', bags.predict(sample))
    path = _recorded_at(tmp_path / 'b', tmp_path / 'source',
                        lambda topic, log: bags.stamp(10) if log == wild else log)
    outcome = score(path)
    assert np.array_equal(outcome.evaluator.confusion.counts, expected(samples[:10] + samples[11:]))
    coverage = outcome.coverage
    assert (coverage.prediction_without_truth, coverage.truth_without_prediction) == (1, 1)
    assert list(coverage.problems.values()) == [1]
    assert f'no frame has the stamp {sidecar.seconds(wild)}' in next(iter(coverage.problems))


def test_annotations_without_a_frame_are_named(tmp_path: Path) -> None:
    """The first ten with the distance of the nearest frame, the others by number; in parts once."""
    samples = bags.pictures(20)
    with BagWriter(tmp_path / 'b', 'mcap', describe('noise', CLASSES)) as bag:
        for index, sample in enumerate(samples):
            late = 2_000_000 if index < 13 else 0
            bag.labels(bags.TRUTH, bags.stamp(index) + late, 'camera', sample.label)
            bag.labels(bags.LABELS, bags.stamp(index), 'camera', bags.predict(sample))
    parts = merge([score(tmp_path / 'b', start=0, stop=9), score(tmp_path / 'b', start=9)])
    for coverage in (score(tmp_path / 'b').coverage, parts.coverage):
        assert coverage.frames_evaluated == 7 and coverage.truth_without_prediction == 13
        assert list(coverage.problems.values()) == [1] * 10 + [3]
        assert all('2.000 ms away (--match nearest' in text for text in list(coverage.problems)[:10])


def test_truth_within_a_tolerance(tmp_path: Path) -> None:
    """Truth stamped by another clock: nothing meets exactly; within 6 ms all but the one that is 9 ms off."""
    samples = bags.pictures(10)
    with BagWriter(tmp_path / 'b', 'mcap', describe('noise', CLASSES)) as bag:
        for index, sample in enumerate(samples):
            late = 9_000_000 if index == 4 else 1_000_000 + 500_000 * index
            bag.labels(bags.TRUTH, bags.stamp(index) + late, 'camera', sample.label)
            bag.labels(bags.LABELS, bags.stamp(index), 'camera', bags.predict(sample))
    assert score(tmp_path / 'b').coverage.frames_evaluated == 0
    outcome = score(tmp_path / 'b', within_ms=6.0)
    assert np.array_equal(outcome.evaluator.confusion.counts, expected(samples[:4] + samples[5:]))
    assert outcome.coverage.matching == {
        'by': 'nearest', 'within_ms': 6.0, 'residual_ms_max': 5.5,
        'residual_ms_mean': pytest.approx(sum(1 + 0.5 * i for i in range(10) if i != 4) / 9)}


def test_instances_in_the_bag_give_iiou(tmp_path: Path) -> None:
    """The iIoU is that of the same frames without a bag, in parts as well; one that does not fit is told."""
    street = SyntheticStreet((64, 96), seed=3, frames=12)
    expected = Evaluator(CLASSES, CLASSES, boundary=False)
    with BagWriter(tmp_path / 'b', 'mcap', describe('street', CLASSES)) as bag:
        for index, sample in enumerate(street):
            bag.labels(bags.TRUTH, bags.stamp(index), 'camera', sample.label)
            bag.labels(bags.LABELS, bags.stamp(index), 'camera', bags.predict(sample))
            if index == 5:
                bag.image('/camera/instances', bags.stamp(index), 'camera', sample.image)
            elif index == 6:
                bag.instances('/camera/instances', bags.stamp(index), 'camera', sample.instances[::2])
            else:
                bag.instances('/camera/instances', bags.stamp(index), 'camera', sample.instances)
            expected.add(bags.predict(sample), sample.label,
                         instances=None if index in (5, 6) else sample.instances)
    outcome = score(tmp_path / 'b')
    found, wanted = outcome.evaluator.result(), expected.result()
    assert wanted['class_iiou']['Car'] > 0
    for key in ('class_iiou', 'category_iiou', 'mean_class_iiou', 'mean_category_iiou', 'class_iou'):
        assert found[key] == pytest.approx(wanted[key], nan_ok=True)
    assert [text[text.index(': ') + 2:] for text in outcome.coverage.problems] == [
        "/camera/instances: 'rgb8' is no encoding of instances (16UC1)",
        'sizes differ: instances 32x96, truth 64x96; use the same size']
    parts = merge([score(tmp_path / 'b', start=0, stop=5), score(tmp_path / 'b', start=5)])
    assert parts.evaluator.result()['class_iiou'] == pytest.approx(wanted['class_iiou'], nan_ok=True)
    named = score(tmp_path / 'b', instances='/camera/instances')
    assert named.evaluator.result()['class_iiou'] == found['class_iiou']


def test_lost_frames_are_never_hidden(tmp_path: Path) -> None:
    """Of a bag cut in half, the frames that are gone stand in the account."""
    samples = bags.pictures(60, (96, 128))
    path = bags.write(tmp_path / 'b', samples)
    file = bags.storage_file(path)
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])
    coverage = score(path).coverage
    assert coverage.frames_in == 60 and 15 < coverage.frames_evaluated < 40
    read = coverage.frames_evaluated + coverage.prediction_without_truth
    assert coverage.dropped_by == {'damaged': 60 - read}
    assert any('could not be read' in problem for problem in coverage.problems)


@pytest.mark.parametrize('size, scored', (((48, 64), 3), ((24, 20), 0)))
def test_truth_of_another_size(tmp_path: Path, size, scored: int) -> None:
    """Truth of the same shape is met by the nearest pixel, which is told; of another it is not scored."""
    samples = bags.pictures(3)
    with BagWriter(tmp_path / 'b', 'mcap', describe('noise', CLASSES)) as bag:
        for index, sample in enumerate(samples):
            truth = np.full(size, 3, np.uint8)
            bag.labels(bags.TRUTH, bags.stamp(index), 'camera', truth)
            bag.labels(bags.LABELS, bags.stamp(index), 'camera', sample.label)
    outcome = score(tmp_path / 'b')
    assert outcome.coverage.frames_evaluated == scored
    assert outcome.coverage.dropped_by.get('refused', 0) == 3 - scored
    assert outcome.evaluator.confusion.counts.sum() == scored * size[0] * size[1]
    assert any(f'truth {size[0]}x{size[1]}' in text for text in outcome.coverage.problems)


def test_truth_of_another_coding(tmp_path: Path) -> None:
    """File values are scored where they are named, and told where they are not."""
    table = ClassTable.load('cityscapes')
    labels = np.random.RandomState(0).randint(0, len(table), (6, 8)).astype(np.uint8)
    with BagWriter(tmp_path / 'b', 'mcap', describe('cityscapes', table)) as bag:
        bag.labels(bags.TRUTH, 5, 'camera', np.array(table.ids, np.uint8)[labels])
        bag.labels(bags.LABELS, 5, 'camera', labels)
    right = score(tmp_path / 'b', truth_ids=True)
    assert right.evaluator.confusion.counts.trace() == labels.size and not right.coverage.problems
    with BagWriter(tmp_path / 'void', 'mcap', describe('cityscapes', table)) as bag:
        bag.labels(bags.TRUTH, 5, 'camera', np.full((6, 8), 4, np.uint8))     # static: legal, not evaluated
        bag.labels(bags.LABELS, 5, 'camera', labels)
    assert not score(tmp_path / 'void', truth_ids=True).coverage.problems
    wrong = score(tmp_path / 'b')
    assert any('no class' in text for text in wrong.coverage.problems)


def test_unreadable_truth_is_told(tmp_path: Path) -> None:
    """Truth in sixteen bits is no label: its frame counts as one without truth."""
    path = bags.write(tmp_path / 'b', bags.pictures(2))
    with open_bag(path) as bag:
        source = Source(bag, Choice(str(path), predictions=bags.LABELS, truth=bags.IMAGE))
        coverage = Coverage()
        frames = list(source.frames(coverage, CLASSES))
        assert len(frames) == 2     # rgb8 noise is read as colours: no class anywhere
        assert all((frame.truth == 255).mean() > 0.99 for frame in frames)


@pytest.mark.parametrize('choice, message', (
    ({'truth': '/nothing'}, 'has no topic /nothing'), ({'predictions': '/nothing'}, 'has no topic /nothing'),
    ({'truth': bags.LABELS}, 'one topic'), ({'truth_classes': 'nothing'}, 'nothing'),
    ({'truth_folder': '/nowhere'}, 'no such folder'), ({'sidecar': '/nowhere.csv'}, 'nowhere.csv')))
def test_wrong_choices_are_one_line(tmp_path: Path, choice, message: str) -> None:
    """Topics, tables, folders and sidecars that are not there."""
    path = bags.write(tmp_path / 'b', bags.pictures(2))
    with pytest.raises(InputError, match=message):
        evaluate_bag(Choice(str(path), **dict({'predictions': bags.LABELS}, **choice)))


def test_topics_are_chosen_by_name_where_that_is_clear(tmp_path: Path) -> None:
    """The only camera and the only ground truth are found; of two cameras one must be named."""
    path = bags.write(tmp_path / 'one', bags.pictures(1))
    with open_bag(path) as bag:
        assert topics.image_topic(bag) == bags.IMAGE and topics.truth_topic(bag) == bags.TRUTH
    with BagWriter(tmp_path / 'two') as bag:
        for name in ('/front/image', '/rear/image'):
            bag.image(name, 1, 'camera', np.zeros((2, 2, 3), np.uint8))
    with open_bag(tmp_path / 'two') as bag:
        for choose in (topics.image_topic, topics.truth_topic):
            with pytest.raises(InputError, match='/front/image, /rear/image'):
                choose(bag)


@pytest.mark.parametrize('text', ('', 'a,b\n1,2\n', 'filename,stamp\nx,no\n', 'filename,stamp\n,1.0\n', '\0'))
def test_foreign_sidecar_is_one_line(tmp_path: Path, text: str) -> None:
    """A sidecar without its columns or with rows that tell nothing is named, with the line."""
    path = bags.write(tmp_path / 'b', bags.pictures(1))
    (tmp_path / 's.csv').write_text(text)
    with pytest.raises(InputError, match='s.csv'):
        score(path, sidecar=str(tmp_path / 's.csv'))


@hypothesis.given(st.lists(st.integers(0, 300), min_size=2, max_size=30, unique=True),
                  st.lists(st.integers(-20, 320), max_size=30, unique=True))
@hypothesis.settings(deadline=None, max_examples=200)
def test_nearest_is_one_to_one_and_within_half_a_period(stamps, times) -> None:
    """No stamp and no annotation twice, nothing too far, and nothing closer left aside."""
    plan, residuals = nearest(stamps, {time: index for index, time in enumerate(times)})
    limit = int(np.median(np.diff(sorted(stamps)))) // 2
    assert len(set(plan.values())) == len(plan) == len(residuals)
    assert all(abs(times[index] - stamp) <= limit for stamp, index in plan.items())
    free_times = [time for index, time in enumerate(times) if index not in plan.values()]
    for time in free_times:
        stamp = min(stamps, key=lambda s: abs(s - time))
        if abs(stamp - time) <= limit and sum(abs(s - time) == abs(stamp - time) for s in stamps) == 1:
            assert stamp in plan and abs(times[plan[stamp]] - stamp) <= abs(stamp - time)


def test_names_tell_times() -> None:
    """Nanoseconds, seconds with decimals, CamVid's and Cityscapes' frame numbers; other names do not."""
    assert stamp_of_name('cam_1600000000123456789') == 1600000000123456789
    for name in ('1600000000.25', 'x_1600000000_25_front'):
        assert stamp_of_name(name) == 1600000000250000000
    assert stamp_of_name('0016E5_00060') == 2 * 10**9
    assert stamp_of_name('aachen_000000_000017') == 10**9
    assert stamp_of_name('street') is None
