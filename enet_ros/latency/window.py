"""The last seconds of a latency recording, cheap enough to look at while it goes on."""

from collections import Counter, deque
from typing import Any, Deque, Dict, List, NamedTuple, Optional

from ..metrics.percentiles import jitter, percentiles, rate
from ..timing import SEGMENTED
from . import stamp_checks
from .rows import FrameRow


class _Entry(NamedTuple):
    now_ns: int
    segmented: bool
    clock: str
    delay_ms: Optional[float]
    queue_ms: Optional[float]


class LatencyWindow:
    """The rows of the last `seconds`; one sort of a few hundred numbers per look."""

    def __init__(self, seconds: float = 30.0) -> None:
        self._span_ns = int(seconds * 1e9)
        self._entries: Deque[_Entry] = deque()

    def add(self, row: FrameRow, now_ns: int) -> None:
        """Take a row; `now_ns` is monotonic."""
        delay, queue = row.delay_ns, row.timing.duration_ns('received', 'taken')
        self._entries.append(_Entry(
            now_ns, row.timing.outcome == SEGMENTED, row.clock,
            None if delay is None else delay / 1e6, None if queue is None else queue / 1e6))

    def describe(self, now_ns: int) -> Dict[str, Any]:
        """Return frames, delays (ms), jitter (ms), label rate (Hz), drop share and clock trouble."""
        while self._entries and self._entries[0].now_ns < now_ns - self._span_ns:
            self._entries.popleft()
        entries = self._entries
        delays = [entry.delay_ms for entry in entries if entry.delay_ms is not None]
        queued: List[float] = [entry.queue_ms for entry in entries
                               if entry.segmented and entry.queue_ms is not None]
        segmented = [entry.now_ns for entry in entries if entry.segmented]
        return {
            'frames': len(entries),
            'drop_share': 1 - len(segmented) / len(entries) if entries else None,
            'latency_ms': percentiles(delays), 'queue_wait_ms': percentiles(queued),
            'jitter_ms': jitter(delays), 'rate_hz': rate(segmented),
            'clock': dict(Counter(entry.clock for entry in entries if entry.clock != stamp_checks.OK)),
        }
