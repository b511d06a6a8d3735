"""Who hears a segmentation node's outputs, as that node itself tells in ``/diagnostics``.

A subscription that one node sees in the graph may not be known yet to the node that sends to it, and what
is sent before is lost. Only the sender knows.
"""

import re
from typing import Callable, Dict, Optional, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

LISTENERS = 'listeners'     # the status whose values are topics and how many listeners they have
_COUNT = re.compile('[0-9]{1,9}$')     # anybody may write to /diagnostics


class ListenerCounts:
    """Compares, for a few topics, what their sender tells with what this node sees."""

    def __init__(self, node: Node, topics: Sequence[str],
                 changed: Optional[Callable[[], None]] = None) -> None:
        """Listen to ``/diagnostics`` for `node`; `changed` is called after each message."""
        self._node = node
        self._changed = changed
        self._told: Dict[str, Optional[int]] = {node.resolve_topic_name(topic): None for topic in topics}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._received, 100)

    def _received(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith(': ' + LISTENERS):
                self._told.update((item.key, int(item.value)) for item in status.values
                                  if item.key in self._told and _COUNT.match(item.value))
        if self._changed is not None:
            self._changed()

    def complete(self) -> bool:
        """Whether every listener that this node sees, if any, is known to the sender."""
        return all((told or 0) >= self._node.count_subscribers(topic) for topic, told in self._told.items())

    def in_words(self) -> str:
        """Return how many of the listeners that are seen here the sender knows."""
        return '; '.join('the sender of {} knows {} of its {} listeners'.format(
            topic, 'none' if told is None else told, self._node.count_subscribers(topic))
            for topic, told in self._told.items())
