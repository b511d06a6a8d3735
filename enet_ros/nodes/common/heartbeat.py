"""A file that says that a node is active, for a container's health check (docker/healthcheck.sh)."""

import contextlib
import os
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

#: Names the file; the container sets it. Elsewhere nothing is written.
ENVIRONMENT = 'ENET_HEARTBEAT'
PERIOD = 1.0    # seconds


class Heartbeat:
    """Touches $ENET_HEARTBEAT once a second in the node's executor: a node that hangs falls silent."""

    def __init__(self, node: Node) -> None:
        """Prepare; nothing is written before `start`."""
        self._node = node
        self._named = os.environ.get(ENVIRONMENT, '')
        self._timer: Any = None

    def start(self) -> None:
        """Touch the file now and from now on."""
        if self._named and self._timer is None and self._beat():
            self._timer = self._node.create_timer(
                PERIOD, self._beat, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def stop(self) -> None:
        """Remove the file."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
            with contextlib.suppress(OSError):
                os.remove(self._named)

    def _beat(self) -> bool:
        try:
            Path(self._named).touch()
        except OSError as error:
            self._node.get_logger().error(
                f'{ENVIRONMENT}={self._named}: {error.strerror}; a health check will find the node dead',
                throttle_duration_sec=60)
            return False
        return True
