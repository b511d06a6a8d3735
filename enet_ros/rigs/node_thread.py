"""Nodes in programs that are not nodes themselves: spun by a thread of their own, or only sending."""

from contextlib import contextmanager
import threading
import time
from typing import Any, Iterator

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ..nodes.common.fastdds import set_transport_profile


class NodeThread:
    """A plain node with its own context and thread; without signal handlers, so Ctrl-C is the program's."""

    def __init__(self, name: str) -> None:
        """Create `node`, to which subscriptions are added before `start`."""
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node(name, context=self._context)
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)

    def start(self) -> None:
        """Begin to call the node's callbacks."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and destroy the node."""
        rclpy.try_shutdown(context=self._context)
        self._thread.join()
        self.node.destroy_node()

    def _spin(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self.node)
        try:
            executor.spin()
        except ExternalShutdownException:
            pass


@contextmanager
def camera_node(name: str) -> Iterator[Node]:
    """Give a node that only sends, under the package's transport profile; signals are the program's."""
    set_transport_profile()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = Node(name)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def wait_for_listener(publisher: Any, seconds: float) -> None:
    """Wait until somebody subscribes to what `publisher` sends, at most so long."""
    deadline = time.monotonic() + seconds
    while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
        time.sleep(0.005)
