"""
Cameras' images taken from the middleware by a thread of their own, past rclpy's executor.

The executor waits three times for every message, and for each wait it gathers all services, timers and events
of the node again: several times the processor time that taking the image needs.
"""

import threading
import time
from typing import Any, List, Sequence

from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node

from ...errors import one_line
from ...timing import monotonic_ns
from .camera_subscription import FOLLOW_PERIOD, CameraSubscription
from .log_throttle import ThrottledLogger

_PERIOD_NS = int(FOLLOW_PERIOD * 1e9)
_AFTER_ERROR = 0.05     # seconds of rest: what fails may fail again at once


class Receiver:
    """Calls the callbacks of cameras' subscriptions in its thread, from `start` to `stop`; once."""

    def __init__(self, node: Node, cameras: Sequence[CameraSubscription]) -> None:
        """Prepare to serve `cameras`, which are opened and closed here."""
        self._node = node
        self._cameras = cameras
        self._stopping = False
        self._log = ThrottledLogger(node.get_logger())
        self._wake = GuardCondition(None, None, context=node.context)
        self._served: List[Any] = []    # handles for which the wait set was made
        self._wait_set: Any = None
        self._thread = threading.Thread(target=self._run, name='receiver', daemon=True)

    def start(self) -> None:
        """Subscribe, and begin to receive."""
        for camera in self._cameras:
            camera.open()
        self._thread.start()

    def stop(self) -> None:
        """Unsubscribe; the last callback has ended on return."""
        self._stopping = True
        self._wake.trigger()
        if self._thread.ident is not None:
            self._thread.join()
        self._wake.destroy()
        for camera in self._cameras:
            camera.close()

    def _run(self) -> None:
        look_ns = 0
        while not self._stopping and self._node.context.ok():
            try:
                if monotonic_ns() >= look_ns:
                    look_ns = monotonic_ns() + _PERIOD_NS
                    for camera in self._cameras:
                        camera.follow()
                for camera in self._wait(max(0, look_ns - monotonic_ns())):
                    camera.receive()
            except Exception as error:
                self._log.error(f'images are not received: {type(error).__name__}: {one_line(str(error))}')
                time.sleep(_AFTER_ERROR)

    def _wait(self, timeout_ns: int) -> List[CameraSubscription]:
        """Wait for images; return the cameras that have some."""
        cameras = [camera for camera in self._cameras if camera.handle is not None]
        handles = [camera.handle for camera in cameras]
        if self._wait_set is None or handles != self._served:
            self._served = handles
            context: Any = self._node.context.handle
            with context:
                self._wait_set = _rclpy.WaitSet(len(handles), 1, 0, 0, 0, 0, context)
        self._wait_set.clear_entities()
        for handle in handles:
            self._wait_set.add_subscription(handle)
        self._wait_set.add_guard_condition(self._wake.handle)
        self._wait_set.wait(timeout_ns)
        return [camera for index, camera in enumerate(cameras)
                if self._wait_set.is_ready('subscription', index)]
