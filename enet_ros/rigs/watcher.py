"""A segmentation node seen from outside: whether it runs, what it has done, what it publishes."""

import threading
from typing import Callable, Dict, Optional, Tuple

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from ..images import to_array
from ..timing import DROP_REASONS, SEGMENTED
from .node_thread import NodeThread

_GRAPH_PERIOD = 0.1     # seconds between looks at the graph: rclpy has no event for a new subscription


class Watcher:
    """Counts the frames of a segmentation node and keeps its newest overlay, in a thread of its own.

    Used as a context manager.
    """

    def __init__(self, segmentation: str = 'segmentation_node') -> None:
        """Listen to `segmentation`'s timing and overlay."""
        self._changed = threading.Condition()
        self._outcomes: Dict[str, int] = {}
        self._overlay: Optional[Image] = None
        self._spinning = NodeThread('watcher')
        self._node = self._spinning.node
        self._node.create_subscription(DiagnosticArray, segmentation + '/timing', self._on_timing, 100)
        self._node.create_subscription(Image, segmentation + '/overlay', self._on_overlay, 1)
        self._node.create_timer(_GRAPH_PERIOD, self._notify)
        self._spinning.start()

    @property
    def outcomes(self) -> Dict[str, int]:
        """Frames by what became of them: 'segmented' or the reason why not."""
        with self._changed:
            return dict(self._outcomes)

    @property
    def segmented(self) -> int:
        """Frames that became labels."""
        return self.outcomes.get(SEGMENTED, 0)

    @property
    def seen(self) -> int:
        """Frames whose fate is known."""
        return sum(self.outcomes.values())

    def overlay(self) -> Optional[Tuple]:
        """Return the newest overlay as ((H, W, 3) uint8, 'rgb' or 'bgr'); None before the first."""
        with self._changed:
            message = self._overlay
        if message is None:
            return None
        return to_array(message.data, message.height, message.width, message.encoding, message.step)

    def listens(self, topic: str, node: str) -> bool:
        """Whether a node has subscribed to a topic."""
        return any(info.node_name == node for info in self._node.get_subscriptions_info_by_topic(
            self._node.resolve_topic_name(topic)))

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition holds, looking again whenever something happened; False on timeout."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def _on_timing(self, message: DiagnosticArray) -> None:
        with self._changed:
            for status in message.status:
                if status.message == SEGMENTED or status.message in DROP_REASONS:   # no stranger's words
                    self._outcomes[status.message] = self._outcomes.get(status.message, 0) + 1
            self._changed.notify_all()

    def _on_overlay(self, message: Image) -> None:
        with self._changed:
            self._overlay = message
            self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Stop listening."""
        self._spinning.close()

    def __enter__(self) -> 'Watcher':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
