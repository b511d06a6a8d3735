"""The report of a latency recording: summary, histogram and plot beside it."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..json_files import write_json
from .files import read_recording
from .histogram import write_histograms
from .plot import plot_latency
from .rows import FrameRow
from .summary import all_delays, summarise

SCHEMA = 'enet_ros/latency 1'   # counted up where a key changes its meaning


def write_report(recording: Path, camera_rate: Optional[float] = None, longest_gap: float = 10.0,
                 plot: bool = True, **extra: Any) -> Dict[str, Any]:
    """Summarise a recording and write its JSON, histogram and plot beside it; return the summary.

    The JSON comes first, so that it is there even if drawing is cut short. What could not be written
    is listed in the summary's notes. `extra` is added to the summary as it is. InputError where the
    recording cannot be read or the JSON not written.
    """
    rows, torn = read_recording(recording)
    summary = summarise(rows, camera_rate, longest_gap)
    summary.update(extra, schema=SCHEMA, torn_lines=torn, recording=str(recording))
    write_json(recording.with_suffix('.json'), summary)
    delays = all_delays(rows, camera_rate, longest_gap)
    writers: Dict[str, Callable[[], Path]] = {
        'histogram': lambda: write_histograms(recording, delays, _span(rows))}
    if plot:
        writers['plot'] = lambda: plot_latency(rows, summary, recording.with_suffix('.png'))
    for what, write in writers.items():
        try:
            summary[what] = str(write())
        except (ImportError, OSError) as error:
            summary[what] = None
            summary['notes'].append(f'no {what}: {error}')
    write_json(recording.with_suffix('.json'), summary)
    return summary


def _span(rows: List[FrameRow]) -> Tuple[float, float]:
    """Return when the recording began and ended, s since the epoch."""
    times = [row.timing.received_ros_ns / 1e9 for row in rows]
    return (min(times), max(times)) if times else (0.0, 0.0)
