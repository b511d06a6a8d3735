"""latency_node beside a real segmentation_node, over DDS, each in its own process."""

import json
from pathlib import Path
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Iterator, List

from camera_stream import CameraStream
from diagnostic_msgs.msg import DiagnosticArray
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from enet_ros.latency.rows import RowReader
from enet_ros.rigs.processes import Child
from enet_ros.timing import SEGMENTED

SECONDS = 60.0


class Observer:
    """A node of this test: hears /diagnostics and calls services, without a thread."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = Node('observer', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.statuses: List[Any] = []
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._heard, 10)

    def _heard(self, message: DiagnosticArray) -> None:
        self.statuses += [status for status in message.status if status.name == 'latency_node: delay']

    def until(self, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Spin until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f'waited in vain; last heard: {self.statuses[-1:]}'
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)


@pytest.fixture
def observer(ros_env: Any) -> Iterator[Observer]:
    """Return a listening node."""
    made = Observer()
    yield made
    made.close()


@pytest.fixture
def graph(ros_env: Any, random_weights: Path, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Start nodes by name and parameters; whatever still runs is ended."""
    children: List[Child] = []

    def start(name: str, **parameters: Any) -> Child:
        arguments = [name, '--ros-args']
        for key, value in parameters.items():
            arguments += ['-p', '{}:={}'.format(key.replace('__', '.'), value)]
        children.append(Child('enet_ros', arguments, tmp_path / f'{name}.{len(children)}.log'))
        return children[-1]

    def segmentation() -> Child:
        return start('segmentation_node', weights=random_weights, engine='torch',
                     **{'qos_overrides./image.subscription.depth': 100})
    start.segmentation = segmentation   # type: ignore[attr-defined]
    yield start
    for child in children:
        child.end()


def _rows(status: Any) -> int:
    return int({item.key: item.value for item in status.values}['rows'])


def test_records_every_frame_of_a_real_graph(graph: Any, observer: Observer, tmp_path: Path) -> None:
    """Sent, skipped, dropped and segmented add up exactly; the report comes on demand and at the end."""
    graph.segmentation()
    recorder = graph('latency_node', output=tmp_path / 'run', observe_image=True)
    camera = CameraStream(20.0, skip=lambda index: index > 20 and index % 4 == 1)
    camera.wait_for_listener(count=2)      # the node, and the recorder that observes
    observer.until(lambda: any('no frame yet' in status.message for status in observer.statuses))
    thread = threading.Thread(target=camera.run, args=(120,))
    thread.start()
    client = observer.node.create_client(Trigger, 'latency_node/report')
    observer.until(lambda: bool(observer.statuses) and _rows(observer.statuses[-1]) > 30)
    answer = client.call_async(Trigger.Request())
    observer.until(answer.done)
    assert answer.result().success, answer.result().message
    assert 30 < json.loads((tmp_path / 'run' / 'latency.json').read_text())['frames_in'] <= camera.sent
    thread.join()
    observer.until(lambda: _rows(observer.statuses[-1]) == camera.sent)
    camera.close()
    assert recorder.end(signal.SIGINT) == 0
    log = recorder.log.read_text()
    assert 'Traceback' not in log
    summary = json.loads((tmp_path / 'run' / 'latency.json').read_text())
    assert summary['frames_in'] == camera.sent == 120 - camera.skipped
    assert summary['frames_missing'] == camera.skipped == 25
    assert summary['frames_in'] == summary['frames_segmented'] + summary['frames_dropped']
    assert summary['frames_segmented'] > 0 and summary['labels_lost'] == summary['timings_lost'] == 0
    assert summary['camera_rate_hz'] == pytest.approx(20.0, rel=1e-3)
    corrected, uncorrected = summary['latency_corrected_ms'], summary['latency_ms']
    assert corrected['count'] + summary['unanswered'] == 120
    assert uncorrected['count'] == summary['frames_segmented']
    assert corrected['max'] > uncorrected['p50'] + 25
    rows = list(RowReader(tmp_path / 'run' / 'latency.csv'))
    assert [row.timing.sequence for row in rows] == list(range(camera.sent))
    for row in rows:
        if row.timing.outcome == SEGMENTED:
            marks = list(row.timing.marks.values())
            assert len(marks) == 7 and marks == sorted(marks)
            assert row.timing.stamp_ns < row.timing.received_ros_ns < row.delivered_ros_ns
    assert sum(row.image_ros_ns is not None for row in rows) > 0.9 * camera.sent
    assert (tmp_path / 'run' / 'latency.png').stat().st_size > 10000
    assert (tmp_path / 'run' / 'latency.hlog').is_file()


def test_killed_while_recording(graph: Any, observer: Observer, tmp_path: Path) -> None:
    """After kill -9 the recording is readable, a new one keeps it, and a tool makes its report."""
    graph.segmentation()
    recorder = graph('latency_node', output=tmp_path / 'run', plot=False)
    camera, stop = CameraStream(20.0), threading.Event()
    camera.wait_for_listener()
    thread = threading.Thread(target=camera.run, args=(100000, stop))
    thread.start()
    try:
        observer.until(lambda: bool(observer.statuses) and _rows(observer.statuses[-1]) > 20)
        told = _rows(observer.statuses[-1])
        recorder.end(signal.SIGKILL)
        assert len(list(RowReader(tmp_path / 'run' / 'latency.csv'))) >= told
        del observer.statuses[:]
        # A second recorder whose disk is full after a few rows: told, and no end.
        second = graph('latency_node', output=tmp_path / 'run', plot=False)
        observer.until(lambda: (tmp_path / 'run' / 'latency.1.csv').exists())
        resource.prlimit(second.pid, resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        observer.until(lambda: any('not recorded' in status.message for status in observer.statuses))
        assert observer.statuses[-1].level == b'\x02'
        resource.prlimit(second.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    finally:
        stop.set()
        thread.join()
        camera.close()
    third = graph('latency_node', output=tmp_path / 'run', plot=False)      # into the same folder
    assert third.wait(SECONDS) == 2 and 'another process records there' in third.log.read_text()
    assert second.end(signal.SIGTERM) == 1 and 'Traceback' not in second.log.read_text()
    assert 'rows are missing' in second.log.read_text() and 'stands' not in second.log.read_text()
    done = subprocess.run([sys.executable, '-m', 'enet_ros', 'compare_latency', '--report',
                           str(tmp_path / 'run' / 'latency.1.csv')], stdout=subprocess.PIPE)
    assert done.returncode == 0 and b'latency_ms p50' in done.stdout
    assert json.loads((tmp_path / 'run' / 'latency.1.json').read_text())['frames_in'] >= told


@pytest.mark.parametrize('arguments, told', [
    (['-p', 'output:=/proc/nowhere'], 'cannot be written'),
    (['-p', 'window:=0.0'], 'window'),
    (['-p', 'observe_image:=7'], 'observe_image'),
])
def test_bad_parameters_end_in_one_line(ros_env: Any, arguments: List[str], told: str) -> None:
    """Exit code 2 and the name of what is wrong."""
    done = subprocess.run([sys.executable, '-m', 'enet_ros', 'latency_node', '--ros-args'] + arguments,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS)
    lines = done.stderr.decode().strip().splitlines()
    assert done.returncode == 2 and len(lines) == 1 and told in lines[0]


def test_side_by_side_of_what_is_no_recording(tmp_path: Path) -> None:
    """The tool refuses in one line."""
    (tmp_path / 'a.json').write_text('{}')
    done = subprocess.run([sys.executable, '-m', 'enet_ros', 'compare_latency', str(tmp_path / 'a.json')],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 2 and done.stderr.decode().count('\n') == 1 and b'a.json' in done.stderr
