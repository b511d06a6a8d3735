"""Log lines that say a thing once, not thirty times a second."""

import re
import time
from typing import Any, Callable, Dict, List

REPEAT_SECONDS = 60.0


class ThrottledLogger:
    """Logs each kind of problem when it is new, then once a minute with how often it came meanwhile."""

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell through `logger`, a ROS logger."""
        self._logger = logger
        self._clock = clock
        self._told: Dict[str, List[float]] = {}

    def warn(self, text: str, kind: str = '') -> None:
        """Log a warning; texts that differ only in numbers are one kind unless `kind` says otherwise."""
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
        text = ' '.join(text.split())
        key = kind or re.sub(r'\d+', '#', text)[:200]
        now = self._clock()
        told = self._told.get(key)
        if told is not None and now - told[0] < REPEAT_SECONDS:
            told[1] += 1
            return ''
        if len(self._told) >= 1000:     # hostile input invents kinds without end
            self._told.clear()
        repeated = f' ({int(told[1])} more times in between)' if told and told[1] else ''
        self._told[key] = [now, 0]
        return text + repeated
