"""Listens to a segmentation node under soak, in a thread of its own, and keeps the ledger."""

from pathlib import Path
import threading
import time
from typing import Any, List, Optional, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from ...timing import SEGMENTED, FrameTiming
from ..node_thread import NodeThread
from .faults import parse_frame_id
from .ledger import Ledger
from .summary import Delay

QUEUE = 5000        # timings that may wait here while this process is starved


class SoakWatcher:
    """Feeds a Ledger from ~/timing, ~/labels and /diagnostics; calls the node's lifecycle services.

    Every report goes into the file `log` as well: camera, number, outcome, sequence, received_ns.
    """

    def __init__(self, cameras: Sequence[str], log: Path, segmentation: str = 'segmentation_node') -> None:
        self.ledger = Ledger()
        self.log = log
        self._raw = log.open('w', buffering=1)
        self.delays: List[Delay] = []      # of segmented frames
        self._lock = threading.Lock()
        self._spinning = NodeThread('soak_watcher')
        self._node = self._spinning.node
        self._node.create_subscription(
            DiagnosticArray, segmentation + '/timing', self._on_timing, QoSProfile(depth=QUEUE))
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 100)
        for camera in cameras:
            self._node.create_subscription(Image, f'{segmentation}/{camera}/labels',
                                           self._on_labels, QoSProfile(depth=100))
        self._clients = {kind: self._node.create_client(kind, f'{segmentation}/{service}')
                         for kind, service in ((ChangeState, 'change_state'), (GetState, 'get_state'),
                                               (SetParameters, 'set_parameters'))}
        self._spinning.start()

    def state(self, timeout: float = 2.0) -> str:
        """Return the node's lifecycle state, '' where it does not answer."""
        answer = self._call(GetState, GetState.Request(), timeout)
        return answer.current_state.label if answer is not None else ''

    def change(self, transition: int, timeout: float = 20.0) -> bool:
        """Ask for a lifecycle transition; return whether it was made."""
        request = ChangeState.Request()
        request.transition.id = transition
        answer = self._call(ChangeState, request, timeout)
        return answer is not None and answer.success

    def limit(self, seconds: float) -> bool:
        """Let through one label a second for a while; tell whether the node took the limit."""
        taken = []
        for rate in (1.0, 0.0):
            value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=rate)
            answer = self._call(SetParameters, SetParameters.Request(
                parameters=[Parameter(name='max_rate', value=value)]), 5.0)
            taken.append(answer is not None and answer.results[0].successful)
            time.sleep(seconds if rate else 0.0)
        return all(taken)

    def visit(self, topic: str, seconds: float) -> None:
        """Subscribe for a while, then vanish."""
        visitor = self._node.create_subscription(Image, topic, lambda _: None, QoSProfile(depth=1))
        time.sleep(seconds)
        self._node.destroy_subscription(visitor)

    def close(self) -> None:
        """Stop listening."""
        self._spinning.close()
        self._raw.close()

    def _call(self, kind: Any, request: Any, timeout: float) -> Optional[Any]:
        if not self._clients[kind].wait_for_service(timeout):
            return None
        done = threading.Event()
        future = self._clients[kind].call_async(request)
        future.add_done_callback(lambda _: done.set())
        return future.result() if done.wait(timeout) else None

    def _on_timing(self, message: DiagnosticArray) -> None:
        key = parse_frame_id(message.header.frame_id)
        with self._lock:
            for status in message.status:
                timing = FrameTiming.from_items(
                    status.name, status.message, [(item.key, item.value) for item in status.values])
                received_ns = timing.marks['received']
                self._raw.write(f'{key[0]} {key[1]} {timing.outcome} {timing.sequence} {received_ns}\n')
                self.ledger.report(key, timing.outcome, timing.sequence, received_ns / 1e9)
                if timing.outcome == SEGMENTED:
                    self.delays.append(Delay(timing.age_ns or 0 if timing.stamp_ns else 0,
                                              timing.duration_ns('taken', 'published') or 0))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._lock:
            for status in message.status:
                values = {item.key: item.value for item in status.values}
                if 'lost_in_transport' in values:
                    self.ledger.count(status.name.split(': ')[-1], values)

    def _on_labels(self, message: Image) -> None:
        with self._lock:
            self.ledger.label(parse_frame_id(message.header.frame_id), message.height, message.width,
                              len(message.data))
