"""A report written beside a running recording, in a process of its own so as not to disturb it."""

import multiprocessing
import os
import signal
import threading
from typing import Any, Callable, Dict, Optional


class ReportProcess:
    """Calls one function at a time in a child process; `stop` ends it and what it is doing."""

    def __init__(self) -> None:
        self._pool: Optional[Any] = None
        self._lock = threading.Lock()

    def start(self, function: Callable[..., Any], arguments: tuple, options: Dict[str, Any],
              done: Callable[[Any], None], failed: Callable[[BaseException], None]) -> bool:
        """Call `function` there; `done` or `failed` hears of the end from another thread.

        Return False while another call is under way.
        """
        with self._lock:
            if self._pool is not None:
                return False
            # Spawned, not forked: a fork of a process full of middleware threads may hang.
            self._pool = multiprocessing.get_context('spawn').Pool(1, initializer=_be_quiet)
            self._pool.apply_async(function, arguments, options,
                                   callback=lambda result: self._end(done, result),
                                   error_callback=lambda error: self._end(failed, error))
            self._pool.close()
            return True

    def stop(self) -> None:
        """End a call under way; neither of its callbacks is called any more."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()
            pool.join()

    def _end(self, tell: Callable[[Any], None], what: Any) -> None:
        with self._lock:
            if self._pool is None:
                return
            self._pool = None
        tell(what)


def _be_quiet() -> None:
    """Leave Ctrl-C to the parent, and the processor to the frames."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)
