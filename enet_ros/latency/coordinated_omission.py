"""Coordinated omission: what the frames without an answer did to the delay.

A depth-1 queue and a replay that waits hide stalls: the frames that would have been the latest are
the ones that get no label. Here every frame on the camera's schedule counts: a missing one is as
late as the next label that came, measured from the instant at which it should have been stamped
(G. Tene, 'How NOT to measure latency'; HdrHistogram's corrected recording fills in the same values).
"""

from typing import List, NamedTuple, Optional, Sequence, Tuple

from ..metrics.percentiles import nearest_rank

_FEWEST_GAPS = 8
_LONGEST_MULTIPLE = 8       # longer gaps say too little about the period
_OFF_GRID = 0.15            # of a period
_TRACKING = 0.2             # how far the schedule follows each stamp


class Answer(NamedTuple):
    """A frame on its camera's schedule; `delivered_ns` is None where no label came. ROS clock."""

    stamp_ns: int
    delivered_ns: Optional[int]


class Schedule(NamedTuple):
    """What gaps between stamps say about frames that never arrived."""

    missing: List[int]          # their scheduled stamps, ns
    pauses: int                 # gaps too long to be loss: the camera stood still
    paused_ns: int


def estimate_period(stamps: Sequence[int]) -> Optional[float]:
    """Return the camera's period in ns from the stamps of the frames that arrived, in order.

    Loss makes gaps of several periods; as long as nine gaps in ten lie on multiples of one period,
    the longest such period is found. None where there are too few gaps.
    """
    gaps = [after - before for before, after in zip(stamps, stamps[1:]) if after > before]
    if len(gaps) < _FEWEST_GAPS:
        return None
    median = nearest_rank(sorted(gaps), 0.5)
    for divisor in range(1, _LONGEST_MULTIPLE + 1):
        period = _refine(gaps, median / divisor)
        if period is not None and _explains(gaps, period, divisor):
            # Now that it is known so well, longer gaps can be counted in periods and make it exact.
            return _refine(gaps, period, 8 * _LONGEST_MULTIPLE)
    return _refine(gaps, median) or float(median)


def _multiples(gaps: Sequence[int], period: float, longest: int) -> List[Tuple[int, int]]:
    """Return (gap, multiple) of the gaps that are one to `longest` periods long."""
    pairs = [(gap, int(round(gap / period))) for gap in gaps]
    return [(gap, multiple) for gap, multiple in pairs if 1 <= multiple <= longest]


def _refine(gaps: Sequence[int], period: float, longest: int = _LONGEST_MULTIPLE) -> Optional[float]:
    for _ in range(3):
        pairs = _multiples(gaps, period, longest)
        if not pairs:
            return None
        period = sum(gap for gap, _ in pairs) / sum(multiple for _, multiple in pairs)
    return period


def _explains(gaps: Sequence[int], period: float, divisor: int) -> bool:
    """Tell whether nearly all gaps are whole periods, single ones among them as loss leaves them."""
    near = [gap / period for gap in gaps if gap <= (_LONGEST_MULTIPLE + 0.5) * period]
    hits = [gap for gap in near if gap > 0.5 and abs(gap - round(gap)) <= _OFF_GRID]
    # Of frames lost at random, a median gap of k periods leaves 0.69 / k of the gaps single; half of
    # that is asked for. Jitter, which hits any fine grid, leaves next to none.
    singles = [gap for gap in hits if gap < 1.5]
    return len(hits) >= 0.9 * len(near) and len(singles) * divisor >= 0.35 * len(near)


def find_missing(stamps: Sequence[int], period_ns: float, longest_gap_ns: int) -> Schedule:
    """Place the frames that never arrived on the camera's schedule.

    `stamps` are those of the frames that arrived, strictly rising. The schedule follows the stamps
    slowly, so that one late stamp does not look like a missing frame followed by a surplus one.
    """
    missing: List[int] = []
    pauses = paused_ns = 0
    grid = float(stamps[0]) if stamps else 0.0
    for before, after in zip(stamps, stamps[1:]):
        if after - before > longest_gap_ns:
            pauses, paused_ns, grid = pauses + 1, paused_ns + after - before, float(after)
            continue
        steps = int(round((after - grid) / period_ns))
        missing += [int(grid + step * period_ns) for step in range(1, steps)]
        if steps <= 0 and missing and after - missing[-1] < 4 * period_ns:
            # Two frames in one slot: those before were late, and no slot was empty after all.
            missing.pop()
        grid += steps * period_ns
        grid += _TRACKING * (after - grid)
    return Schedule(missing, pauses, paused_ns)


def corrected_delays(answers: Sequence[Answer]) -> Tuple[List[int], int]:
    """Return every frame's delay in ns, and how many frames at the end no label followed.

    `answers` are all frames on the schedule, missing ones included, by rising stamp. A frame
    without a label waits for the next label.
    """
    delays: List[int] = []
    delivered: Optional[int] = None
    unanswered = 0
    for answer in reversed(answers):
        # Labels of one camera arrive in order; where two do not, the earlier arrival counts.
        if answer.delivered_ns is not None:
            delivered = answer.delivered_ns if delivered is None else min(delivered, answer.delivered_ns)
            delays.append(answer.delivered_ns - answer.stamp_ns)
        elif delivered is None:
            unanswered += 1
        else:
            delays.append(delivered - answer.stamp_ns)
    delays.reverse()
    return delays, unanswered
