"""Which labels may be placed, and by what: joined by stamp, and never believed when old or out of order."""

from collections import deque
import math
from typing import Any, Callable, Deque, Dict, Mapping, NamedTuple, Optional, Tuple

# Messages of each kind at most that wait for their labels, which take as long as the network; and the most
# bytes of them, but for the newest.
KEPT, KEPT_BYTES = 64, 1 << 28


class Match(NamedTuple):
    """Labels and what belongs to them, by kind."""

    labels: Any
    others: Dict[str, Any]


class Joiner:
    """Joins labels with the message of each other kind that is nearest in stamp, within its tolerance.

    A frame is given out once, or dropped for one of these reasons: 'stale' (its stamp is further from the
    clock than `max_age_ns`), 'late' (newer labels came before), 'unmatched' (it got too old, or newer labels
    came, before all that belongs to it was there).
    """

    def __init__(self, tolerances_ns: Mapping[str, int], max_age_ns: int,
                 drop: Callable[[str], None]) -> None:
        """`drop` hears the reason of every drop."""
        self._tolerances = tolerances_ns
        self._max_age = max_age_ns
        self._drop = drop
        self._waiting: Optional[Tuple[int, Any]] = None
        self._newest = self._placed = -math.inf
        self._others: Dict[str, Deque[Tuple[int, Any]]] = {kind: deque(maxlen=KEPT) for kind in tolerances_ns}

    def labels(self, stamp_ns: int, message: Any, now_ns: int) -> Optional[Match]:
        """Take labels; return what can be placed now."""
        self.expire(now_ns)
        if abs(now_ns - stamp_ns) > self._max_age:
            self._drop('stale')
        elif stamp_ns <= self._newest:
            self._drop('late')
        else:
            self.discard('unmatched')
            self._newest, self._waiting = stamp_ns, (stamp_ns, message)
        return self._match()

    def other(self, kind: str, stamp_ns: int, message: Any, now_ns: int) -> Optional[Match]:
        """Take a message of another kind; return what can be placed now."""
        self.expire(now_ns)
        messages = self._others[kind]
        messages.append((stamp_ns, message))
        while len(messages) > 1 and sum(_size(waiting) for _, waiting in messages) > KEPT_BYTES:
            messages.popleft()
        return self._match()

    def expire(self, now_ns: int) -> None:
        """Drop labels that have waited too long; begin anew where the clock went back, as a bag's does.

        Labels older than those given out stay late as long as these are not ahead of the clock.
        """
        if self._waiting is not None and abs(now_ns - self._waiting[0]) > self._max_age:
            self.discard('unmatched')
        if self._newest > now_ns + self._max_age:
            self._newest = self._placed if self._placed <= now_ns + self._max_age else -math.inf
            for messages in self._others.values():
                messages.clear()
        for kind, messages in self._others.items():
            while messages and messages[0][0] < now_ns - self._max_age - self._tolerances[kind]:
                messages.popleft()

    def discard(self, reason: str) -> None:
        """Drop the labels that wait, if any."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._drop(reason)

    def _match(self) -> Optional[Match]:
        if self._waiting is None:
            return None
        stamp_ns, labels = self._waiting
        found = {}
        for kind, tolerance in self._tolerances.items():
            nearest = min(self._others[kind], key=lambda item: abs(item[0] - stamp_ns), default=None)
            if nearest is None or abs(nearest[0] - stamp_ns) > tolerance:
                return None
            found[kind] = nearest[1]
        self._waiting, self._placed = None, stamp_ns
        return Match(labels, found)


def _size(message: Any) -> int:
    """Return the bytes of an image or a cloud; what else waits is small."""
    return len(getattr(message, 'data', ()))
