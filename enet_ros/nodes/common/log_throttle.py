"""Log lines that say a thing once, not thirty times a second."""

import re
import time
from typing import Any, Callable, Dict, List

from ...errors import one_line

REPEAT_SECONDS = 60.0
MAX_KINDS = 50      # told in REPEAT_SECONDS: hostile senders invent kinds without end
# What differs within a kind: numbers, and what a sender wrote, which stands in quotes (of Python's repr).
_VARYING = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\d+""")


class ThrottledLogger:
    """Logs each kind of problem when it is new, then once a minute with how often it came meanwhile."""

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell through `logger`, a ROS logger."""
        self._logger = logger
        self._clock = clock
        self._told: Dict[str, List[float]] = {}

    def warn(self, text: str, kind: str = '') -> None:
        """Log a warning; texts that differ in numbers and quotes only, or have one `kind`, are one kind."""
        news = self._news(text, kind)
        if news:
            self._logger.warning(news)

    def error(self, text: str, kind: str = '') -> None:
        """Log an error, as `warn` does."""
        news = self._news(text, kind)
        if news:    # a line of its own: rclpy raises where one line logs at two severities
            self._logger.error(news)

    def _news(self, text: str, kind: str) -> str:
        """Return the line to log; empty where it was said less than a minute ago."""
        text = one_line(text)
        key = kind or _VARYING.sub('#', text)[:200]
        now = self._clock()
        if key not in self._told and len(self._told) >= MAX_KINDS:
            self._told = {key: told for key, told in self._told.items() if now - told[0] < REPEAT_SECONDS}
            if len(self._told) >= MAX_KINDS:
                key, text = '', f'more than {MAX_KINDS} kinds of problems in a minute, among them: {text}'
        told = self._told.get(key)
        if told is not None and now - told[0] < REPEAT_SECONDS:
            told[1] += 1
            return ''
        repeated = f' ({int(told[1])} more times in between)' if told and told[1] else ''
        self._told[key] = [now, 0]
        return text + repeated
