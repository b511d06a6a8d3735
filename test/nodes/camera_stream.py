"""A camera that keeps its schedule, in a thread and a ROS context of its own."""

import threading
import time
from typing import Callable, Optional

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image


class CameraStream:
    """Publishes (height, width) rgb8 images on `topic` at `rate` Hz, each stamped with its scheduled time.

    `skip(index)` tells which slots of the schedule stay empty. `sent` and `skipped` count them.
    """

    def __init__(self, rate: float, height: int = 96, width: int = 128, topic: str = 'image',
                 skip: Optional[Callable[[int], bool]] = None) -> None:
        self.sent = self.skipped = 0
        self._rate, self._skip = rate, skip or (lambda _: False)
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('camera_stream', context=self._context)
        self._publisher = self._node.create_publisher(Image, topic, QoSProfile(depth=100))
        self._message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
        self._message.header.frame_id = 'camera'
        pixels = np.random.RandomState(0).randint(0, 256, height * width * 3).astype(np.uint8)
        self._message.data.frombytes(pixels.data)

    def wait_for_listener(self, count: int = 1, timeout: float = 60.0) -> None:
        """Wait until so many subscribe."""
        deadline = time.monotonic() + timeout
        while self._publisher.get_subscription_count() < count:
            assert time.monotonic() < deadline, 'too few subscribe to the camera'
            time.sleep(0.02)

    def run(self, slots: int, stop: Optional[threading.Event] = None) -> None:
        """Walk through that many slots of the schedule."""
        began = time.time()
        for index in range(slots):
            due = began + index / self._rate
            time.sleep(max(0.0, due - time.time()))
            if stop is not None and stop.is_set():
                return
            if self._skip(index):
                self.skipped += 1
                continue
            seconds, nanoseconds = divmod(int(due * 1e9), 10**9)
            self._message.header.stamp.sec, self._message.header.stamp.nanosec = seconds, nanoseconds
            self._publisher.publish(self._message)
            self.sent += 1

    def close(self) -> None:
        """Stop being a camera."""
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)
