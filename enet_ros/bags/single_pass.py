"""Several topics read side by side in one pass through a bag."""

from collections import deque
from typing import Callable, Deque, Dict, Iterator, Optional, Sequence, Set

from .messages import Message

LIMIT_BYTES = 64 << 20      # that wait for their reader, together


class Shared:
    """One pass that feeds a stream per topic; a topic that nobody fetches gets a pass of its own.

    `read(topics)` begins a pass. What one stream meets of another's topic waits, as long as all that waits
    is no more than `LIMIT_BYTES`.
    """

    def __init__(self, read: Callable[[Sequence[str]], Iterator[Message]], topics: Sequence[str]) -> None:
        """Begin nothing yet."""
        self._read = read
        self._source = read(list(topics))
        self._waiting: Dict[str, Deque[Message]] = {topic: deque() for topic in topics}
        self._cast_off: Set[str] = set()
        self._bytes = 0

    def stream(self, topic: str) -> Iterator[Message]:
        """Yield the messages of one of the topics; to be called once for each."""
        waiting, given = self._waiting[topic], 0
        while topic not in self._cast_off:
            if waiting:
                message = waiting.popleft()
                self._bytes -= len(message.data)
            else:
                fetched = self._fetch(topic)
                if fetched is None:
                    return
                message = fetched
            given += 1
            yield message
        for place, message in enumerate(self._read([topic])):
            if place >= given:
                yield message

    def _fetch(self, topic: str) -> Optional[Message]:
        for message in self._source:
            if message.topic == topic:
                return message
            if message.topic in self._cast_off:
                continue
            self._waiting[message.topic].append(message)
            self._bytes += len(message.data)
            if self._bytes > LIMIT_BYTES:
                self._cast(max(self._waiting, key=lambda name: sum(len(m.data) for m in self._waiting[name])))
        return None

    def _cast(self, topic: str) -> None:
        self._cast_off.add(topic)
        self._bytes -= sum(len(message.data) for message in self._waiting[topic])
        self._waiting[topic].clear()
