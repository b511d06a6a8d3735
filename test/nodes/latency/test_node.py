"""latency_node beside a real segmentation_node, over DDS, each in its own process."""

import contextlib
import json
from pathlib import Path
import resource
import signal
import subprocess
import sys
import threading
from typing import Any, Dict, Iterator, List

from camera_stream import CameraStream
from diagnostic_msgs.msg import DiagnosticArray
from harness import Observer, Process, values_of
import pytest
from std_srvs.srv import Trigger

from enet_ros.latency.rows import RowReader
from enet_ros.timing import SEGMENTED


class Graph:
    """A segmentation_node, the nodes started beside it, and what the recorder says of itself."""

    def __init__(self, domain: int, weights: Path) -> None:
        self._domain, self._running = domain, contextlib.ExitStack()
        self.observer = self._running.enter_context(Observer(domain))
        self._heard: List[DiagnosticArray] = self.observer.listen(DiagnosticArray, '/diagnostics')
        self.start('segmentation_node', f'weights:={weights}', 'engine:=openvino',
                   'qos_overrides./image.subscription.depth:=100')

    def start(self, name: str, *parameters: str) -> Process:
        """Start a node in this domain; it ends with the test at the latest."""
        return self._running.enter_context(Process(name, self._domain, parameters))

    def statuses(self) -> List[Any]:
        """Return every status of the recorder heard so far."""
        return [status for message in self._heard for status in message.status
                if status.name == 'latency_node: delay']

    def rows(self) -> int:
        """Return how many rows the recorder reported last, -1 before that."""
        return int(values_of(self.statuses()[-1])['rows']) if self.statuses() else -1

    def forget(self) -> None:
        """Drop what was heard."""
        self._heard.clear()

    def close(self) -> None:
        """End whatever still runs."""
        self._running.close()


@pytest.fixture
def graph(domain_id: int, ros_env: Dict[str, str], random_weights: Path) -> Iterator[Graph]:
    """Return the graph, which the camera of a test joins through the environment."""
    with contextlib.closing(Graph(domain_id, random_weights)) as made:
        yield made


def test_records_every_frame_of_a_real_graph(graph: Graph, tmp_path: Path) -> None:
    """Sent, skipped, dropped and segmented add up exactly; the report comes on demand and at the end."""
    recorder = graph.start('latency_node', f'output:={tmp_path}/run', 'observe_image:=true')
    camera = CameraStream(20.0, skip=lambda index: index > 20 and index % 4 == 1)
    camera.wait_for_listener(count=2)      # the node, and the recorder that observes
    graph.observer.wait(lambda: any('no frame yet' in status.message for status in graph.statuses()))
    thread = threading.Thread(target=camera.run, args=(120,))
    thread.start()
    graph.observer.wait(lambda: graph.rows() > 30, 'thirty rows')
    answer = graph.observer.call(Trigger, 'latency_node/report', Trigger.Request())
    assert answer.success, answer.message
    assert 30 < json.loads((tmp_path / 'run' / 'latency.json').read_text())['frames_in'] <= camera.sent
    thread.join()
    graph.observer.wait(lambda: graph.rows() == camera.sent, 'a row for every frame')
    camera.close()
    assert recorder.interrupt() == 0
    assert 'Traceback' not in recorder.said
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


def test_killed_while_recording(graph: Graph, tmp_path: Path) -> None:
    """After kill -9 the recording is readable, a new one keeps it, and a tool makes its report."""
    parameters = (f'output:={tmp_path}/run', 'plot:=false')
    recorder = graph.start('latency_node', *parameters)
    camera, stop = CameraStream(20.0), threading.Event()
    camera.wait_for_listener()
    thread = threading.Thread(target=camera.run, args=(100000, stop))
    thread.start()
    try:
        graph.observer.wait(lambda: graph.rows() > 20, 'twenty rows')
        reported = graph.rows()
        recorder.interrupt(signal.SIGKILL)
        assert len(list(RowReader(tmp_path / 'run' / 'latency.csv'))) >= reported
        graph.forget()
        # The disk of a second recorder is full after a few rows: it reports that and goes on.
        second = graph.start('latency_node', *parameters)
        graph.observer.wait((tmp_path / 'run' / 'latency.1.csv').exists, 'the second recording')
        pid = second.process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        graph.observer.wait(lambda: any('not recorded' in status.message for status in graph.statuses()))
        assert graph.statuses()[-1].level == b'\x02'
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    finally:
        stop.set()
        thread.join()
        camera.close()
    third = graph.start('latency_node', *parameters)        # into the same folder
    assert third.ends() == 2 and 'another process records there' in third.said
    assert second.interrupt(signal.SIGTERM) == 1 and 'Traceback' not in second.said
    assert 'rows are missing' in second.said and 'stands' not in second.said
    done = subprocess.run([sys.executable, '-m', 'enet_ros', 'compare_latency', '--report',
                           str(tmp_path / 'run' / 'latency.1.csv')], stdout=subprocess.PIPE)
    assert done.returncode == 0 and b'latency_ms p50' in done.stdout
    assert json.loads((tmp_path / 'run' / 'latency.1.json').read_text())['frames_in'] >= reported


@pytest.mark.parametrize('parameter, words', [
    ('output:=/proc/nowhere', 'cannot be written'), ('window:=0.0', 'window'),
    ('observe_image:=7', 'observe_image')])
def test_a_bad_parameter_is_one_line_and_code_2(domain_id: int, parameter: str, words: str) -> None:
    """Exit code 2 and the name of what is wrong."""
    with Process('latency_node', domain_id, [parameter]) as process:
        assert process.ends() == 2
        assert process.said.count('\n') == 0 and words in process.said


def test_side_by_side_of_what_is_no_recording(tmp_path: Path) -> None:
    """The tool refuses in one line."""
    (tmp_path / 'a.json').write_text('{}')
    done = subprocess.run([sys.executable, '-m', 'enet_ros', 'compare_latency', str(tmp_path / 'a.json')],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 2 and done.stderr.decode().count('\n') == 1 and b'a.json' in done.stderr
