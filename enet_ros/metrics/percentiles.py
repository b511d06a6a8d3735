"""Percentiles of delays, and how many samples each needs before it means anything."""

import math
from typing import Any, Dict, List, Optional, Sequence

QUANTILES = {'p50': 0.5, 'p90': 0.9, 'p95': 0.95, 'p99': 0.99, 'p99.9': 0.999}

# A percentile is given when the chance that every sample lies below the true one is at most this
# (three standard deviations, one-sided): 64 samples for p90, 662 for p99. The median is always given.
_CHANCE_OF_MISSING_THE_TAIL = 0.0013


def floor_of(quantile: float) -> int:
    """Return how many samples the percentile at `quantile` (0..1, exclusive) needs."""
    if quantile <= 0.5:
        return 1
    return math.ceil(math.log(_CHANCE_OF_MISSING_THE_TAIL) / math.log(quantile))


def nearest_rank(ordered: Sequence[float], quantile: float) -> float:
    """Return the smallest of the sorted values that at least `quantile` of them do not exceed.

    It is always a value that was measured; no interpolation invents one.
    """
    # The tolerance keeps 0.99 x 100 at rank 99 although the product is a hair above it.
    rank = math.ceil(quantile * len(ordered) - 1e-9)
    return ordered[max(rank, 1) - 1]


def percentiles(values: Sequence[float]) -> Dict[str, Any]:
    """Describe delays: `count`, p50 to p99.9, `max`, and the names that are `insufficient`.

    A percentile below its floor of samples is None and is listed in `insufficient`. Values and
    answers have the same unit.
    """
    ordered = sorted(values)
    result: Dict[str, Any] = {'count': len(ordered)}
    insufficient: List[str] = []
    for name, quantile in QUANTILES.items():
        enough = len(ordered) >= floor_of(quantile)
        result[name] = nearest_rank(ordered, quantile) if enough else None
        if not enough:
            insufficient.append(name)
    result['max'] = ordered[-1] if ordered else None
    result['insufficient'] = insufficient
    return result


def jitter(values: Sequence[float]) -> Optional[float]:
    """Return the mean absolute difference of consecutive delays (RFC 3550's D); None below two."""
    if len(values) < 2:
        return None
    return sum(abs(after - before) for before, after in zip(values, values[1:])) / (len(values) - 1)


def rate(times_ns: Sequence[int]) -> Optional[float]:
    """Return events per second from their times, ns in order; None where they span no time."""
    if len(times_ns) < 2 or times_ns[-1] <= times_ns[0]:
        return None
    return (len(times_ns) - 1) * 1e9 / (times_ns[-1] - times_ns[0])
