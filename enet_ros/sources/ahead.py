"""Works ahead: decoding in a thread of its own while something else is busy."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator, TypeVar

T = TypeVar('T')
_END: Any = object()


def ahead(items: Iterator[T], depth: int = 4) -> Iterator[T]:
    """Yield the items, up to `depth` of them fetched beforehand in one thread; errors come in their turn."""
    with ThreadPoolExecutor(1) as reader:
        waiting = deque(reader.submit(next, items, _END) for _ in range(depth))
        try:
            while True:
                item = waiting.popleft().result()
                if item is _END:
                    return
                waiting.append(reader.submit(next, items, _END))
                yield item
        finally:
            for late in waiting:
                late.cancel()
