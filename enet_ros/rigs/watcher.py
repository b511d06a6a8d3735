"""A segmentation node seen from outside: whether it runs, what it has done, what it publishes."""

from collections import deque
import threading
import time
from typing import Any, Callable, Deque, Dict, Optional, Tuple

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from sensor_msgs.msg import Image

from ..errors import InputError
from ..images import to_array
from ..nodes.common.listeners import ListenerCounts
from ..timing import SEGMENTED, FrameTiming
from .node_thread import NodeThread

_GRAPH_PERIOD = 0.1     # seconds between looks at the graph: rclpy has no event for a new subscription
_RATE_SECONDS = 3.0     # that the rate is of
_IMAGES = 30            # that may wait for their labels

#: Called with an image (H, W, 3) uint8, its order, and its labels (H, W) uint8.
OnFrame = Callable[[np.ndarray, str, np.ndarray], None]


class Watcher:
    """Counts the frames of a segmentation node and keeps its newest output, in a thread of its own.

    Used as a context manager.
    """

    def __init__(self, segmentation: str = 'segmentation_node', on_frame: Optional[OnFrame] = None) -> None:
        """Listen to `segmentation`'s timing, overlay and labels; `on_frame` is for `listen_to_images`."""
        self._changed = threading.Condition()
        self._outcomes: Dict[str, int] = {}
        self._overlay: Optional[Image] = None
        self._labels: Optional[np.ndarray] = None
        self._times: Deque[float] = deque(maxlen=1000)      # of labels
        self._images: 'Deque[Image]' = deque(maxlen=_IMAGES)
        self._on_frame = on_frame
        self.overlays = 0
        self.delay_ms: Optional[float] = None       # of the newest frame, from its stamp to its label
        self._spinning = NodeThread('watcher')
        self._node = self._spinning.node
        self._node.create_subscription(DiagnosticArray, segmentation + '/timing', self._on_timing, 100)
        self._node.create_subscription(Image, segmentation + '/overlay', self._on_overlay, 1)
        self._node.create_subscription(Image, segmentation + '/labels', self._on_labels, 10)
        self._listeners = ListenerCounts(
            self._node, [segmentation + '/timing', segmentation + '/labels'], self._notify)
        self._node.create_timer(_GRAPH_PERIOD, self._notify)
        self._spinning.start()

    def listen_to_images(self) -> None:
        """Listen to `image` too, and call `on_frame`."""
        self._node.create_subscription(Image, 'image', self._on_image, 10)

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

    def rate(self) -> Optional[float]:
        """Labels a second of the last seconds; None where there were none."""
        with self._changed:
            recent = [at for at in self._times if at > time.monotonic() - _RATE_SECONDS]
        return (len(recent) - 1) / max(recent[-1] - recent[0], 1e-3) if len(recent) > 1 else None

    def labels(self) -> Optional[np.ndarray]:
        """Return the newest labels, (H, W) uint8; None before the first."""
        with self._changed:
            return self._labels

    def overlay(self) -> Optional[Tuple]:
        """Return the newest overlay as ((H, W, 3) uint8, 'rgb' or 'bgr'); None before the first."""
        with self._changed:
            message = self._overlay
        return None if message is None else _pixels(message)

    def listens(self, topic: str, node: str) -> bool:
        """Whether a node has subscribed to a topic."""
        return any(info.node_name == node for info in self._node.get_subscriptions_info_by_topic(
            self._node.resolve_topic_name(topic)))

    def reaches_all(self) -> bool:
        """Whether the segmentation node knows all listeners of its timing and labels that are seen here."""
        return self._listeners.complete()

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition holds, looking again whenever something happened; False on timeout."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def _on_timing(self, message: DiagnosticArray) -> None:
        with self._changed:
            for status in message.status:
                try:
                    timing = FrameTiming.from_items(status.name, status.message, [
                        (pair.key, pair.value) for pair in status.values])
                except InputError:      # a stranger's words
                    continue
                self._outcomes[timing.outcome] = self._outcomes.get(timing.outcome, 0) + 1
                if timing.age_ns is not None:
                    self.delay_ms = timing.age_ns / 1e6
                    self._times.append(time.monotonic())
            self._changed.notify_all()

    def _on_overlay(self, message: Image) -> None:
        with self._changed:
            self._overlay = message
            self.overlays += 1
            self._changed.notify_all()

    def _on_image(self, message: Image) -> None:
        self._images.append(message)

    def _on_labels(self, message: Image) -> None:
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        labels = rows[:, :message.width]
        with self._changed:
            self._labels = labels
        for image in list(self._images) if self._on_frame is not None else ():
            if image.header.stamp == message.header.stamp and self._on_frame is not None:
                self._on_frame(*_pixels(image), labels)

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


def _pixels(message: Image) -> Tuple[Any, str]:
    return to_array(message.data, message.height, message.width, message.encoding, message.step)
