"""Delays as an HDR histogram file, which HdrHistogram's own tools merge and plot."""

import math
from pathlib import Path
import time
from typing import Iterator, List, Mapping, Sequence, Tuple

from ..metrics.percentiles import nearest_rank

_HIGHEST_US = 3600 * 10**6
_DIGITS = 3
_TICKS_PER_HALF_DISTANCE = 5


def write_histograms(recording: Path, delays_ms: Mapping[str, Sequence[float]],
                     span: Tuple[float, float]) -> Path:
    """Write the delays of each tag (name -> delays in ms) beside a recording; return the file.

    With the hdrhistogram library: .hlog, a compressed log (microseconds, three digits) that merges
    with others. Without it: .hgrm, the exact percentile distribution of the first tag as text.
    `span` is when the recording began and ended, seconds since the epoch. OSError where it cannot be written.
    """
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError:
        path = recording.with_suffix('.hgrm')
        path.write_text(percentile_distribution(next(iter(delays_ms.values()))), encoding='ascii')
        return path
    path = recording.with_suffix('.hlog')
    lines = ['#[Header delays in microseconds from the header stamp to the label in a subscriber]',
             '#[Histogram log format version 1.3]',
             '#[StartTime: {:.3f} (seconds since epoch), {}]'.format(
                 span[0], time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(span[0]))),
             '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"']
    for tag, delays in delays_ms.items():
        histogram = HdrHistogram(1, _HIGHEST_US, _DIGITS)
        for delay in delays:
            histogram.record_value(min(max(int(round(delay * 1e3)), 1), _HIGHEST_US))
        lines.append('Tag={},{:.3f},{:.3f},{:.3f},{}'.format(
            tag, span[0], span[1] - span[0], max(delays, default=0.0), histogram.encode().decode('ascii')))
    path.write_text('\n'.join(lines) + '\n', encoding='ascii')
    return path


def percentile_distribution(delays_ms: Sequence[float]) -> str:
    """Return the text that HdrHistogram's plotter reads (.hgrm), from exact values in ms."""
    ordered = sorted(delays_ms)
    titles = ('Value', 'Percentile', 'TotalCount', '1/(1-Percentile)')
    lines = ['{:>12} {:>14} {:>10} {:>14}'.format(*titles), '']
    for level in _levels() if ordered else ():
        value = nearest_rank(ordered, level)
        count = sum(1 for other in ordered if other <= value)
        if count == len(ordered):
            break
        lines.append(f'{value:12.3f} {level:.12f} {count:10d} {1 / (1 - level):14.2f}')
    if ordered:
        lines.append(f'{ordered[-1]:12.3f} {1.0:.12f} {len(ordered):10d}')
    lines += _moments(ordered)
    return '\n'.join(lines) + '\n'


def _levels() -> Iterator[float]:
    """Yield quantiles, five in each halving of the distance to one."""
    level = 0.0
    while True:
        yield level
        half_distance = 2 ** (int(math.log2(1 / (1 - level))) + 1)
        level += 1 / (_TICKS_PER_HALF_DISTANCE * half_distance)


def _moments(ordered: Sequence[float]) -> List[str]:
    count = len(ordered)
    mean = sum(ordered) / count if count else 0.0
    deviation = math.sqrt(sum((value - mean) ** 2 for value in ordered) / count) if count else 0.0
    return [f'#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]',
            f'#[Max     = {max(ordered, default=0.0):12.3f}, TotalCount     = {count:12d}]']
