"""Who hears a segmentation node's outputs, as that node itself tells in ``/diagnostics``.

A subscription that one node sees in the graph may not be known yet to the node that sends to it, and what
is sent before is lost. Only the sender knows.
"""

from typing import Callable, Dict, Optional

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

LISTENERS = 'listeners'     # the status whose values are topics and how many listeners they have


class ListenerCounts:
    """Compares what segmentation nodes tell with what this node sees."""

    def __init__(self, node: Node, changed: Optional[Callable[[], None]] = None) -> None:
        """Listen to ``/diagnostics`` for `node`; `changed` is called after each one."""
        self._node = node
        self._changed = changed
        self._told: Dict[str, int] = {}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._received, 100)

    def _received(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith(': ' + LISTENERS):
                self._told.update((item.key, int(item.value)) for item in status.values
                                  if item.value.isdigit() and len(item.value) < 10)
        if self._changed is not None:
            self._changed()

    def complete(self, *topics: str) -> bool:
        """Whether every listener that this node sees on these topics, if any, is known to their sender."""
        names = [self._node.resolve_topic_name(topic) for topic in topics]
        return all(self._told.get(name, 0) >= self._node.count_subscribers(name) for name in names)

    def in_words(self, topic: str) -> str:
        """Return how many of the listeners that are seen here the sender of a topic knows."""
        name = self._node.resolve_topic_name(topic)
        return 'the sender of {} knows {} of its {} listeners'.format(
            name, self._told.get(name, 'none'), self._node.count_subscribers(name))
