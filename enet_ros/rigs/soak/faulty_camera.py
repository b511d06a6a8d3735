"""A camera that sends good and bad images as fast as asked, and writes down every one."""

import argparse
from pathlib import Path
import random
import signal
import threading
import time
from typing import Any, Iterator, List, Optional, TextIO

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from ...timing import monotonic_ns
from ..node_thread import camera_node, wait_for_listener
from .faults import PlannedFrame, frame_id, plan

_BURST = 5
_LISTENER_SECONDS = 20.0


class FaultyCamera:
    """Publishes a plan's frames on `<name>/image` until `stopped` is set."""

    def __init__(self, node: Node, name: str, rate: float, frames: Iterator[PlannedFrame],
                 log: TextIO, best_effort: bool = False) -> None:
        self._node, self._name, self._period = node, name, 1.0 / rate
        self._plan = frames
        self._log = log
        self._best_effort = best_effort
        self._message = Image()
        self._pixels = random.Random(name)
        self._previous_ns = 0
        self.stopped = threading.Event()
        self._publisher: Any = None

    def run(self, seconds: float) -> None:
        """Send for that long, once somebody listens.

        Late frames are not skipped but sent at once: the camera's rate holds.
        """
        self._publish_anew()
        due = time.monotonic()
        end = due + seconds
        burst = 0
        while time.monotonic() < end and not self.stopped.is_set():
            frame = next(self._plan)
            self._best_effort ^= frame.fault == 'new_reliability'
            if frame.restart:
                self._publish_anew()
                due = time.monotonic()
            if frame.pause_s:
                self.stopped.wait(frame.pause_s)
                due = time.monotonic()
            burst = _BURST if frame.burst else burst - 1
            if burst <= 0:
                due += self._period
                time.sleep(max(0.0, due - time.monotonic()))
            self._send(frame)
        self._let_go()

    def _publish_anew(self) -> None:
        """Create the publisher, after an old one has delivered what it sent, and wait to be heard."""
        self._let_go()
        self._publisher = self._node.create_publisher(Image, self._name + '/image', QoSProfile(
            depth=10, reliability=ReliabilityPolicy.BEST_EFFORT if self._best_effort
            else ReliabilityPolicy.RELIABLE))
        wait_for_listener(self._publisher, _LISTENER_SECONDS)
        time.sleep(0.5)         # until the subscriber, too, knows the publisher

    def _let_go(self) -> None:
        """Destroy the publisher once what it sent has arrived."""
        if self._publisher is not None:
            self._publisher.wait_for_all_acked(Duration(seconds=2))
            time.sleep(0.5)     # for the subscriber to take what was delivered
            self._node.destroy_publisher(self._publisher)

    def _send(self, frame: PlannedFrame) -> None:
        message = self._message
        now_ns = self._node.get_clock().now().nanoseconds
        stamp_ns = {'now': now_ns, 'zero': 0, 'previous': self._previous_ns}[frame.stamp]
        stamp_ns += frame.stamp_shift_ns
        if not frame.fault.startswith('stamp'):
            self._previous_ns = stamp_ns
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        message.header.frame_id = frame_id(self._name, frame.number, frame.padding_id)
        message.height, message.width, message.step = frame.height, frame.width, frame.step
        message.encoding = frame.encoding
        if len(message.data) != frame.size:
            del message.data[:]
            message.data.frombytes(np.full(frame.size, self._pixels.randrange(256), np.uint8).data)
        self._log.write('{} {} {} {} {} {:d}\n'.format(
            frame.number, monotonic_ns(), frame.fault or '-', frame.height, frame.width, frame.decodable))
        self._publisher.publish(message)


def main(argv: Optional[List[str]] = None) -> int:
    """Run the camera; started by the soak tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('name')
    parser.add_argument('log', type=Path)
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--seconds', type=float, default=60.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--share', type=float, default=0.05)
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--best-effort', action='store_true')
    options = parser.parse_args(argv)
    name = 'faulty_' + options.log.stem.replace('.', '_')
    with camera_node(name) as node, options.log.open('w', buffering=1) as log:
        frames = plan(options.seed, options.share, options.first)
        camera = FaultyCamera(node, options.name, options.rate, frames, log, options.best_effort)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: camera.stopped.set())
        camera.run(options.seconds)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
