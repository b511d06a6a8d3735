"""evaluation_node as a process of its own, over DDS."""

import contextlib
import csv
import json
import os

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from harness import Observer, Process
import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from enet_ros.classes import ClassTable
from enet_ros.evaluation.evaluator import Evaluator
from enet_ros.timing import FrameTiming


class Peer(Observer):
    """The test's own node: plays camera and segmentation node, hears the evaluation."""

    def __init__(self, domain):
        super().__init__(domain)
        self.topics = {name: self.node.create_publisher(kind, name, 50) for name, kind in (
            ('labels', Image), ('ground_truth', Image), ('timing', DiagnosticArray))}
        self._told = self.listen(String, '/evaluation_node/summary')
        self.diagnostics = self.listen(DiagnosticArray, '/diagnostics')

    @property
    def summaries(self):
        return [json.loads(message.data) for message in list(self._told)]

    def until(self, condition):
        self.wait(condition, 'the evaluation')

    def connect(self):
        self.until(lambda: all(topic.get_subscription_count() for topic in self.topics.values()))

    def send(self, topic, labels, stamp, encoding='mono8', late_ms=0):
        height, width = labels.shape
        message = Image(height=height, width=width, encoding=encoding, step=width)
        message.header.stamp.sec, message.header.stamp.nanosec = 100 + stamp, 7 + late_ms * 10**6
        message.header.frame_id = 'front'
        message.data.frombytes(np.ascontiguousarray(labels).tobytes())
        self.topics[topic].publish(message)

    def tell(self, stamp, outcome):
        items = FrameTiming('front', stamp, (100 + stamp) * 10**9 + 7, outcome, {}, 1).to_items()
        status = DiagnosticStatus(name='front', message=outcome,
                                  values=[KeyValue(key=key, value=value) for key, value in items])
        self.topics['timing'].publish(DiagnosticArray(status=[status]))

    def trigger(self, service):
        return self.call(Trigger, service, Trigger.Request())


@pytest.fixture
def peer(domain_id, ros_env):
    made = Peer(domain_id)
    yield made
    made.close()


@pytest.fixture
def start(domain_id):
    with contextlib.ExitStack() as stack:
        def run(**parameters):
            words = [f'{name}:={value}' for name, value in dict(dict(period=0.1), **parameters).items()]
            return stack.enter_context(Process('evaluation_node', domain_id, words))
        yield run


def end(process):
    assert process.interrupt() == 0 and 'Traceback' not in process.said, process.said
    return process.said


def images(number):
    rng = np.random.default_rng(0)
    for stamp in range(number):
        truth = rng.integers(0, 12, (30, 40)).astype(np.uint8)
        yield stamp, np.where(rng.random(truth.shape) < 0.8, truth, 1).astype(np.uint8), truth


def test_annotations_sent_before_it_listened_are_told(peer, start):
    for stamp, _, truth in images(3):
        peer.send('ground_truth', truth, stamp)
    process = start()
    peer.connect()
    for stamp, prediction, truth in images(2):
        peer.send('ground_truth', truth, 10 + stamp)
        peer.send('labels', prediction, 10 + stamp)
    peer.until(lambda: peer.summaries and peer.summaries[-1]['frames_evaluated'] == 2)
    [problem] = peer.summaries[-1]['problems']
    assert problem['count'] == 3 and 'frames of the beginning were missed' in problem['text']
    assert 'ros2 bag play --delay 5 (3)' in end(process)


def test_score_coverage_and_files(peer, start, tmp_path):
    process = start(output=tmp_path / 'result.json', csv=tmp_path / 'frames.csv')
    peer.connect()
    expected = Evaluator(ClassTable.load('camvid'), ClassTable.load('camvid'))
    for stamp, prediction, truth in images(12):
        dropped = stamp in (3, 4)
        peer.tell(stamp, 'superseded' if dropped else 'segmented')
        peer.send('ground_truth', truth, stamp)
        if not dropped:
            peer.send('labels', prediction, stamp)
            expected.add(prediction, truth)
    peer.topics['timing'].publish(DiagnosticArray(status=[DiagnosticStatus(name='front', message='rubbish')]))
    peer.send('labels', np.zeros((30, 40), np.uint8), 50)               # nobody annotated this one
    peer.send('labels', np.zeros((30, 40), np.uint8), 51, 'rgb8')       # no label image
    counts = ('frames_in', 'predictions', 'truth_frames', 'refused')
    complete = [12, 11, 12, {'labels_unreadable': 1}]
    peer.until(lambda: peer.summaries and [peer.summaries[-1][name] for name in counts] == complete)
    summary = peer.summaries[-1]
    assert summary['mean_iou'] == pytest.approx(expected.result()['mean_iou'], abs=1e-12)
    assert summary['frames_evaluated'] == 10
    assert summary['truth_without_prediction_by'] == {'superseded': 2}
    assert summary['prediction_without_truth'] == 1
    assert (summary['frames_dropped'], summary['dropped_by']['superseded']) == (2, 2)
    peer.until(lambda: peer.diagnostics and 'over 10 frames' in peer.diagnostics[-1].status[0].message)
    assert int.from_bytes(peer.diagnostics[-1].status[0].level, 'big') == 0
    assert not os.path.exists(str(tmp_path / 'result.json'))
    assert peer.trigger('/evaluation_node/save').success
    result = json.loads((tmp_path / 'result.json').read_text())
    assert result['confusion']['counts'] == expected.confusion.counts.tolist()
    assert 'mean IoU' in end(process)
    rows = list(csv.DictReader((tmp_path / 'frames.csv').open()))
    assert len(rows) == 10 and rows[0]['name'] == '100.000000007' and rows[0]['sequence'] == 'front'


def test_saving_a_report_loses_no_frame(peer, start, tmp_path):
    """While the report is being made, three times as many frames as the queue holds are scored."""
    process = start(output=tmp_path / 'r.json', report=tmp_path / 'r.html')
    peer.connect()
    pairs = list(images(150))
    for stamp, prediction, truth in pairs[:5]:
        peer.send('ground_truth', truth, stamp)
        peer.send('labels', prediction, stamp)
    peer.until(lambda: peer.summaries and peer.summaries[-1]['frames_evaluated'] == 5)
    client = peer.node.create_client(Trigger, '/evaluation_node/save')
    peer.until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    for stamp, prediction, truth in pairs[5:]:
        peer.send('ground_truth', truth, stamp)
        peer.send('labels', prediction, stamp)
        peer.until(lambda sent=stamp: peer.summaries[-1]['frames_evaluated'] > sent - 30)
    peer.until(future.done)
    assert future.result().success and (tmp_path / 'r.html').is_file()
    peer.until(lambda: peer.summaries[-1]['frames_evaluated'] == 150)
    assert 5 <= json.loads((tmp_path / 'r.json').read_text())['frames_evaluated'] < 150
    end(process)


def test_stamps_that_never_agree_are_told_and_reset_forgets(peer, start):
    process = start()
    peer.connect()
    labels = np.zeros((8, 8), np.uint8)
    peer.send('labels', labels, 1)
    peer.send('ground_truth', labels, 2)
    peer.until(lambda: peer.diagnostics and 'never agree' in peer.diagnostics[-1].status[0].message)
    assert int.from_bytes(peer.diagnostics[-1].status[0].level, 'big') == 1
    peer.send('ground_truth', labels, 1)
    peer.until(lambda: peer.summaries[-1]['frames_evaluated'] == 1)
    assert '1 evaluated' in peer.trigger('/evaluation_node/reset').message
    peer.until(lambda: peer.summaries[-1]['frames_evaluated'] == 0)
    end(process)


def test_near_stamps_meet_where_asked_for(peer, start, tmp_path):
    process = start(match='nearest:5', output=tmp_path / 'r.json', report=tmp_path / 'r.html',
                    csv=tmp_path / 'r.csv')
    peer.connect()
    for stamp, prediction, truth in images(6):
        peer.send('ground_truth', truth, stamp, late_ms=9 if stamp == 3 else 2)
        peer.send('labels', prediction, stamp)
    # The last pair waits for what might be nearer.
    peer.until(lambda: peer.summaries and peer.summaries[-1]['frames_evaluated'] == 4)
    end(process)
    result = json.loads((tmp_path / 'r.json').read_text())
    assert result['frames_evaluated'] == 5 and result['truth_without_prediction'] == 1
    assert result['matching'] == {'by': 'nearest', 'within_ms': 5.0, 'residual_ms_max': 2.0}
    page = (tmp_path / 'r.html').read_text()
    assert 'nearest stamp within 5 ms; the largest difference is 2.000 ms' in page
    assert len((tmp_path / 'r.csv').read_text().splitlines()) == 6


def test_node_ends_by_itself_when_the_bag_is_over(peer, start, tmp_path):
    process = start(exit_after_idle=0.3, output=tmp_path / 'result.json')
    peer.connect()
    peer.send('labels', np.zeros((8, 8), np.uint8), 1)
    assert process.ends() == 0
    assert json.loads((tmp_path / 'result.json').read_text())['prediction_without_truth'] == 1


@pytest.mark.parametrize('name, value, said', [
    ('truth_classes', 'martian', 'martian'), ('absent', 'drop', 'skip, zero'),
    ('weights', '/no/such.npz', 'such.npz'), ('period', 'often', 'a number from'),
    ('csv', '/proc/no/frames.csv', 'frames.csv'),
    ('match', 'near', 'exact or nearest'), ('truth_classes', 'sun_rgbd', 'cannot be')])
def test_bad_parameters_end_in_one_line(start, name, value, said):
    process = start(**{name: value})
    assert process.ends() == 2
    [error] = process.said.splitlines()
    assert said in error and 'Traceback' not in error


def test_truth_from_a_folder_meets_labels_by_time(peer, start, tmp_path):
    folder = tmp_path / 'camvid'
    truths = {}
    for kind in ('val', 'valannot'):
        (folder / kind).mkdir(parents=True)
    for stamp, _, truth in images(4):
        name = f'0016E5_{30 * stamp:05d}.png'       # 30 Hz: the frame at `stamp` seconds
        truths[stamp] = truth
        cv2.imwrite(str(folder / 'val' / name), np.zeros(truth.shape + (3,), np.uint8))
        cv2.imwrite(str(folder / 'valannot' / name), truth)
    (folder / 'val.txt').write_text(''.join(f'val/{path.name} valannot/{path.name}\n'
                                            for path in sorted((folder / 'val').iterdir())))
    process = start(annotations=folder, split='val', truth_offset=100)
    peer.until(lambda: peer.topics['labels'].get_subscription_count()
               and peer.topics['timing'].get_subscription_count())
    expected = Evaluator(ClassTable.load('camvid'), ClassTable.load('camvid'))
    peer.tell(0, 'superseded')
    for stamp, prediction, truth in images(3):
        if stamp:
            peer.tell(stamp, 'segmented')
            peer.send('labels', prediction, stamp)
            expected.add(prediction, truth)
    peer.until(lambda: peer.summaries and peer.summaries[-1]['frames_evaluated'] == 2
               and peer.summaries[-1]['frames_in'] == 3)
    summary = peer.summaries[-1]
    assert summary['mean_iou'] == pytest.approx(expected.result()['mean_iou'], abs=1e-12)
    assert summary['truth_frames'] == 4
    assert summary['truth_without_prediction_by'] == {'superseded': 1, 'not_seen': 1}
    end(process)
