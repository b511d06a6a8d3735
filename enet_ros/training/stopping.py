"""How a training is stopped between two steps: Ctrl-C, SIGTERM, or the end of its time."""

import signal
import time
from typing import Any, Callable, Dict, Optional


class Stop:
    """Turns true at the first SIGINT or SIGTERM, or after `minutes`; a second signal interrupts at once."""

    def __init__(self, say: Callable[[str], None], minutes: Optional[float] = None) -> None:
        self._say, self._signalled = say, False
        self._end = time.monotonic() + 60 * minutes if minutes else float('inf')
        self._previous: Dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self._signalled or time.monotonic() > self._end

    def __enter__(self) -> 'Stop':
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._handle)
            except ValueError:      # not the main thread, which keeps its own handlers
                break
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, *_: Any) -> None:
        if self._signalled:
            raise KeyboardInterrupt
        self._signalled = True
        self._say('stopping after this step, with a checkpoint; Ctrl-C again stops at once')
