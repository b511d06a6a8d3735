"""A latency recording as a picture: how delays are distributed, when, and where the time goes."""

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple, Union

from ..timing import SEGMENTED
from . import stamp_checks
from .rows import FrameRow
from .summary import STAGE_NAMES, stage_times

_STAGE_COLOURS = ('#9aa5b1', '#d9822b', '#f2c14e', '#6c9a8b', '#2f6f9f', '#8f6bb3', '#c0504d', '#4d4d4d')
_MOST_POINTS = 20000


def plot_latency(rows: Sequence[FrameRow], summary: Dict[str, Any], path: Union[str, Path],
                 title: str = 'Delay from header stamp to label') -> Path:
    """Draw the histogram, the time line with drops, and the stages stacked; return the PNG's path.

    Needs matplotlib (ImportError where it is not installed). OSError where the file cannot be
    written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 10))
    FigureCanvasAgg(figure)
    top, middle, bottom = figure.subplots(3, 1)
    figure.suptitle(title)
    _histogram(top, rows, summary)
    start = min((row.timing.received_ros_ns for row in rows), default=0)
    _time_line(middle, rows, start)
    _stacked(bottom, rows, start)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(str(path), dpi=100)
    return Path(path)


def _histogram(axes: Any, rows: Sequence[FrameRow], summary: Dict[str, Any]) -> None:
    delays = [row.delay_ns / 1e6 for row in rows if row.delay_ns is not None]
    if delays:
        axes.hist(delays, bins=min(100, max(10, len(delays) // 5)), color='#2f6f9f')
    percentiles = summary['latency_ms']
    for name, style in (('p50', '-'), ('p90', '--'), ('p99', ':')):
        if percentiles[name] is not None:
            axes.axvline(percentiles[name], color='#c0504d', linestyle=style,
                         label=f'{name} {percentiles[name]:.1f} ms')
    corrected = summary['latency_corrected_ms']
    if corrected['p99'] is not None:
        axes.axvline(corrected['p99'], color='#4d4d4d', linestyle=':',
                     label='p99 corrected {:.1f} ms'.format(corrected['p99']))
    axes.set_xlabel('delay, ms ({} frames that got a label)'.format(percentiles['count']))
    axes.set_ylabel('frames')
    _legend(axes)


def _time_line(axes: Any, rows: Sequence[FrameRow], start: int) -> None:
    rows = rows[::max(1, len(rows) // _MOST_POINTS)]
    good = [(_seconds(row, start), row.delay_ns / 1e6) for row in rows if row.delay_ns is not None]
    axes.plot([when for when, _ in good], [delay for _, delay in good], '.', markersize=3, color='#2f6f9f',
              label='delay')
    height = max((delay for _, delay in good), default=1.0)
    dropped: Dict[str, List[float]] = {}
    for row in rows:
        if row.timing.outcome != SEGMENTED:
            dropped.setdefault(row.timing.outcome, []).append(_seconds(row, start))
        elif row.clock != stamp_checks.OK:
            dropped.setdefault('stamp: ' + row.clock, []).append(_seconds(row, start))
    for index, (reason, times) in enumerate(sorted(dropped.items())):
        axes.plot(times, [height * (1.06 + 0.05 * index)] * len(times), '|', markersize=8,
                  color=_STAGE_COLOURS[(index + 1) % len(_STAGE_COLOURS)],
                  label=f'{reason} ({len(times)})')
    axes.set_ylim(bottom=0)
    axes.set_xlabel('time, s')
    axes.set_ylabel('delay, ms')
    _legend(axes)


def _stacked(axes: Any, rows: Sequence[FrameRow], start: int) -> None:
    segmented = [row for row in rows if row.timing.outcome == SEGMENTED]
    if not segmented:
        axes.text(0.5, 0.5, 'no frame was segmented', ha='center', transform=axes.transAxes)
        return
    times, means = _binned(segmented, start)
    axes.stackplot(times, means, labels=STAGE_NAMES, colors=_STAGE_COLOURS)
    axes.set_ylim(bottom=0)
    axes.set_xlabel('time, s')
    axes.set_ylabel('mean of each stage, ms')
    _legend(axes)


def _binned(rows: Sequence[FrameRow], start: int, bins: int = 120) -> Tuple[List[float], List[List[float]]]:
    """Average each stage over runs of frames: (times in s, one list of ms per stage)."""
    size = max(1, -(-len(rows) // bins))
    times: List[float] = []
    means: List[List[float]] = [[] for _ in STAGE_NAMES]
    for first in range(0, len(rows), size):
        run = rows[first:first + size]
        times.append(_seconds(run[0], start))
        taken = [stage_times(row) for row in run]
        for index, name in enumerate(STAGE_NAMES):
            known = [entry[name] for entry in taken if name in entry]
            means[index].append(max(0.0, sum(known) / len(known) / 1e6) if known else 0.0)
    return times, means


def _legend(axes: Any) -> None:
    """Name the curves above the axes, where they hide nothing."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc='lower left', bbox_to_anchor=(0, 0.99), fontsize='small', ncol=8, frameon=False)


def _seconds(row: FrameRow, start: int) -> float:
    return (row.timing.received_ros_ns - start) / 1e9
