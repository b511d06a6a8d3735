"""When the next image is due: evenly, or once the last one was answered."""

import threading
import time
from typing import Any, Callable, Optional

from ..common.main import Stop
from ..common.stamps import nanoseconds

CLOCK_PERIOD = 0.01     # seconds between /clock messages


class Pace:
    """Waits until a frame is due by its stamp, the first one being due at once."""

    def __init__(self, rate: float, stop: Stop, tell_time: Optional[Callable[[int], None]]) -> None:
        """`tell_time` is called meanwhile with the time of the source, ns, where it is not None."""
        self.late = 0
        self._period = 1.0 / rate
        self._stop = stop
        self._tell_time = tell_time
        self._start: Optional[float] = None
        self._first_ns = 0

    def wait(self, stamp_ns: int) -> bool:
        """Wait for the frame's time; False where the end was asked for.

        A source that cannot keep up plays late, not in bursts: if it is more than a period late, the
        schedule starts over.
        """
        now = time.monotonic()
        due = now if self._start is None else self._start + (stamp_ns - self._first_ns) / 1e9
        if self._start is None or now > due + self._period:
            self.late += self._start is not None
            self._start, self._first_ns, due = now, stamp_ns, now
        while True:
            left = due - time.monotonic()
            if left <= 0:
                return not self._stop.is_set()
            if self._tell_time is not None:
                self._tell_time(stamp_ns - int(left * 1e9))
                left = min(left, CLOCK_PERIOD)
            if self._stop.wait(left):
                return False


class LabelWaiter:
    """Waits for the labels that carry an image's stamp."""

    def __init__(self, stop: Stop) -> None:
        """Expect nothing yet."""
        self._stop = stop
        self._condition = threading.Condition()
        self._expected: Optional[int] = None

    def expect(self, stamp_ns: int) -> None:
        """Name the stamp before its image is published: the answer may be quick."""
        with self._condition:
            self._expected = stamp_ns

    def received(self, message: Any) -> None:
        """Take a label image from the executor."""
        with self._condition:
            if self._expected == nanoseconds(message.header.stamp):
                self._expected = None
                self._condition.notify_all()

    def wait(self, timeout: float) -> bool:
        """Wait for the expected labels; False after `timeout` seconds or when the end was asked for."""
        end = time.monotonic() + timeout
        with self._condition:
            while self._expected is not None:
                left = end - time.monotonic()
                if left <= 0 or self._stop.is_set():
                    return False
                self._condition.wait(min(left, 0.1))
        return True
