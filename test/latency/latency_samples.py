"""Made-up recordings whose delays are known."""

from typing import Dict, Iterable, List, Optional

from enet_ros.latency import stamp_checks
from enet_ros.latency.rows import FrameRow
from enet_ros.timing import SEGMENTED, STAGES, FrameTiming

EPOCH = 1700000000 * 10**9      # ROS clock
BOOT = 5000 * 10**9             # the monotonic clock at EPOCH
MS = 10**6


def timing(sequence: int, stamp_ms: float, camera: str = 'front', outcome: str = SEGMENTED,
           arrived_ms: float = 1.0, stages_ms: Iterable[float] = (2, 1, 1, 10, 1, 1)) -> FrameTiming:
    """Return the timing of a frame stamped `stamp_ms` after EPOCH, received `arrived_ms` later."""
    received = int((stamp_ms + arrived_ms) * MS)
    marks: Dict[str, int] = {'received': BOOT + received}
    at = received
    if outcome == SEGMENTED:
        for stage, took in zip(STAGES[1:], stages_ms):
            at += int(took * MS)
            marks[stage] = BOOT + at
    published: Optional[int] = EPOCH + at if outcome == SEGMENTED else None
    return FrameTiming(camera, sequence, EPOCH + int(stamp_ms * MS), outcome, marks, EPOCH + received,
                       published)


def row(sequence: int, stamp_ms: float, delay_ms: Optional[float] = None, clock: str = stamp_checks.OK,
        **options: object) -> FrameRow:
    """Return a row whose label was delivered `delay_ms` after the stamp (None: never)."""
    made = timing(sequence, stamp_ms, **options)    # type: ignore[arg-type]
    delivered = None if delay_ms is None else EPOCH + int((stamp_ms + delay_ms) * MS)
    return FrameRow(made, clock, delivered)


def steady(count: int, period_ms: float = 100.0, delay_ms: float = 20.0) -> List[FrameRow]:
    """Return a camera that never falters."""
    return [row(index, index * period_ms, delay_ms) for index in range(count)]
