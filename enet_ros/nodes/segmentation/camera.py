"""One camera of segmentation_node: what it receives, and what it publishes."""

from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image

from ...errors import one_line
from ...images import decode_compressed, to_array
from ...overlay import Overlay
from ...segmenter import Segmenter
from ...timing import SEGMENTED, FrameTiming, monotonic_ns
from ..common.camera_subscription import CameraSubscription
from ..common.log_throttle import ThrottledLogger
from ..common.stamps import nanoseconds
from .camera_statistics import CameraStatistics
from .mailbox import Frame, RateLimit
from .publishers import CameraOutputs, TimingOutput

STAMP_JUMP_NS = 10 ** 9     # a step back of this size is logged


class Camera:
    """Receives a camera's images, counts what becomes of each, and publishes what was made of them."""

    def __init__(self, node: LifecycleNode, name: str, prefix: str, topic: str, compressed: bool,
                 encoding: str, timing: TimingOutput, log: ThrottledLogger,
                 put: Callable[[Frame], Optional[Frame]], confidence: bool = False) -> None:
        """`topic` is resolved; outputs go under ``~/<prefix>``; frames to be worked on go to `put`."""
        self.name = name
        self.limit = RateLimit()
        self.statistics = CameraStatistics(name)
        self.outputs = CameraOutputs(node, prefix, timing, encoding, confidence)
        self.subscription = CameraSubscription(
            node, CompressedImage if compressed else Image, topic, self._received,
            self.statistics.camera_changed, apart=True)
        self.overlay: Optional[Overlay] = None
        self.image_bytes = 0    # of the newest image
        self._clock = node.get_clock()
        self._compressed = compressed
        self._timing = timing
        self._log = log
        self._put = put

    def _received(self, message: Any, publication: Optional[int]) -> None:
        """Take one message from the executor: count it, then put it in the mailbox or say why not."""
        now_ns, ros_ns = monotonic_ns(), self._clock.now().nanoseconds
        stamp_ns = nanoseconds(message.header.stamp)
        sequence, back_ns = self.statistics.received(
            now_ns, stamp_ns, ros_ns, publication, self.subscription.publishers > 1)
        if back_ns >= STAMP_JUMP_NS:
            self._log.warn(f'{self.subscription.topic}: stamps went back by {back_ns / 1e9:.1f} s: a bag '
                           'restarted, or a clock was set', 'stamps ' + self.name)
        self.image_bytes = len(message.data)
        frame = Frame(self.name, sequence, message, stamp_ns, now_ns, ros_ns)
        if not self.outputs.heard():
            self.drop(frame, 'no_listener')
        elif self.subscription.more:
            self.drop(frame, 'superseded')
        elif not self.limit.admits(now_ns):
            self.drop(frame, 'rate_limited')
        else:
            loser = self._put(frame)
            if loser is not None:
                self.drop(loser, 'superseded')

    def drop(self, frame: Frame, reason: str, marks: Optional[Dict[str, int]] = None,
             error: str = '') -> None:
        """Count a frame that is not segmented, and publish its timing."""
        self.statistics.settled(reason, monotonic_ns(), error=error)
        self._timing.publish(frame.message.header, FrameTiming(
            self.name, frame.sequence, frame.stamp_ns, reason, marks or {'received': frame.received_ns},
            frame.received_ros_ns))

    def serve(self, segmenter: Segmenter, frame: Frame) -> None:
        """Work on one frame in the worker's thread: decode, segment, publish, count."""
        marks = {'received': frame.received_ns, 'taken': monotonic_ns()}
        wanted = self.outputs.wanted()
        if not any(wanted):
            self.drop(frame, 'no_listener', marks)
            return
        try:
            image, order = self._decode(frame.message)
        except Exception as error:     # hostile data finds more than ImageError
            self._refuse(frame, marks, error)
            return
        marks['decoded'] = monotonic_ns()
        confidence = None
        if wanted.confidence:
            labels, confidence, times = segmenter.confidence(image, order)
        else:
            labels, times = segmenter.timed(image, order)
        marks.update(preprocessed=times.preprocessed, inferred=times.inferred,
                     postprocessed=times.postprocessed)
        if self.overlay is None:
            raise RuntimeError(f'camera {self.name} was not configured')
        marks['published'], published_ros_ns = self.outputs.publish(
            wanted, frame.message.header, image, order, labels, self.overlay, confidence)
        self.statistics.settled(SEGMENTED, marks['published'], (published_ros_ns - frame.stamp_ns) / 1e9)
        self._timing.publish(frame.message.header, FrameTiming(
            self.name, frame.sequence, frame.stamp_ns, SEGMENTED, marks, frame.received_ros_ns,
            published_ros_ns))

    def _decode(self, message: Any) -> Tuple[np.ndarray, str]:
        if self._compressed:
            return decode_compressed(message.data, message.format)
        return to_array(message.data, message.height, message.width, message.encoding, message.step,
                        bool(message.is_bigendian))

    def _refuse(self, frame: Frame, marks: Dict[str, int], error: Exception) -> None:
        text = f'{self.subscription.topic}: image refused: {one_line(str(error))}'
        self._log.warn(text)
        self.drop(frame, 'refused', marks, text)

    def destroy(self) -> None:
        """Unsubscribe and destroy the publishers."""
        self.subscription.close()
        self.outputs.destroy()
