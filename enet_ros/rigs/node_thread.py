"""A node in a program that is not a node itself, spun by its own thread."""

import threading

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


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
