"""Log lines that say a thing once, not thirty times a second."""

import re
import time
from typing import Any, Callable, Dict, List

from ...errors import one_line

REPEAT_SECONDS = 60.0
MAX_KINDS = 50      # logged in REPEAT_SECONDS: hostile senders may invent any number of kinds
# What differs within a kind: numbers, and what a sender wrote, which is in quotes (Python's repr).
_VARYING = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\d+""")


class ThrottledLogger:
    """Logs each kind of problem when it is new, then once a minute with how often it came meanwhile."""

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        """Log through `logger`, a ROS logger."""
        self._logger = logger
        self._clock = clock
        self._logged: Dict[str, List[float]] = {}

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
        if key not in self._logged and len(self._logged) >= MAX_KINDS:
            self._logged = {key: entry for key, entry in self._logged.items()
                            if now - entry[0] < REPEAT_SECONDS}
            if len(self._logged) >= MAX_KINDS:
                key, text = '', f'more than {MAX_KINDS} kinds of problems in a minute, among them: {text}'
        entry = self._logged.get(key)
        if entry is not None and now - entry[0] < REPEAT_SECONDS:
            entry[1] += 1
            return ''
        repeated = f' ({int(entry[1])} more times in between)' if entry and entry[1] else ''
        self._logged[key] = [now, 0]
        return text + repeated
