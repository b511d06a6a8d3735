"""Listens to a segmentation node under soak, in a thread of its own, and keeps the ledger."""

import threading
from typing import Any, List, Optional, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from ...timing import SEGMENTED, FrameTiming
from ..node_thread import NodeThread
from .faults import parse_frame_id
from .ledger import Ledger

QUEUE = 5000        # timings that may wait here while this process is starved


class SoakWatcher:
    """Feeds a Ledger from ~/timing and ~/labels; calls the node's lifecycle services."""

    def __init__(self, cameras: Sequence[str], segmentation: str = 'segmentation_node') -> None:
        self.ledger = Ledger()
        self.timings: List[FrameTiming] = []        # of segmented frames
        self._lock = threading.Lock()
        self._spinning = NodeThread('soak_watcher')
        self._node = self._spinning.node
        self._node.create_subscription(
            DiagnosticArray, segmentation + '/timing', self._on_timing, QoSProfile(depth=QUEUE))
        for camera in cameras:
            self._node.create_subscription(Image, f'{segmentation}/{camera}/labels',
                                           self._on_labels, QoSProfile(depth=100))
        self._visitor: Any = None
        self._clients = {kind: self._node.create_client(kind, f'{segmentation}/{service}')
                         for kind, service in ((ChangeState, 'change_state'), (GetState, 'get_state'))}
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

    def visit(self, topic: str) -> None:
        """Subscribe for a while: a second call, or `leave`, ends it abruptly."""
        self.leave()
        self._visitor = self._node.create_subscription(Image, topic, lambda _: None, QoSProfile(depth=1))

    def leave(self) -> None:
        """End a visit."""
        if self._visitor is not None:
            self._node.destroy_subscription(self._visitor)
            self._visitor = None

    def close(self) -> None:
        """Stop listening."""
        self._spinning.close()

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
                self.ledger.report(key, timing.outcome, timing.sequence)
                if timing.outcome == SEGMENTED:
                    self.timings.append(timing)

    def _on_labels(self, message: Image) -> None:
        with self._lock:
            self.ledger.label(parse_frame_id(message.header.frame_id), message.height, message.width,
                              len(message.data))
