"""The time that a training has taken, over all its runs."""

import time
from typing import Dict, Optional


class Clock:
    """Counts seconds, and apart from them those spent compiling, which are no progress."""

    def __init__(self, hours: Optional[float]) -> None:
        self.hours, self.compiling = hours, 0.0
        self._before, self._started = 0.0, time.monotonic()

    def seconds(self) -> float:
        """Return the seconds spent so far, over all runs."""
        return self._before + time.monotonic() - self._started

    def share(self) -> float:
        """Return the share of the hours that is gone, less what compiling took; 0 without hours."""
        if not self.hours:
            return 0.0
        left = 3600 * self.hours - self.compiling
        return (self.seconds() - self.compiling) / left if left > 0 else 1.0

    def state_dict(self) -> Dict[str, float]:
        """Return what `load_state_dict` takes."""
        return {'seconds': self.seconds(), 'compiling': self.compiling}

    def load_state_dict(self, state: Dict[str, float]) -> None:
        """Go on from a saved state, from now."""
        self._before, self.compiling = state['seconds'], state['compiling']
        self._started = time.monotonic()
