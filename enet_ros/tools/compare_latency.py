"""Latency recordings: the report of one, or several side by side."""

import argparse
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from .. import cli
from ..errors import InputError
from ..json_files import write_json
from ..latency.files import compare, comparison_text, read_recording, read_summary
from ..latency.histogram import write_histograms
from ..latency.plot import plot_latency
from ..latency.rows import FrameRow
from ..latency.summary import all_delays, summarise


def write_report(recording: Path, camera_rate: Optional[float] = None, longest_gap: float = 10.0,
                 plot: bool = True, **told: Any) -> Dict[str, Any]:
    """Summarise a recording and write its JSON, histogram and plot beside it; return the summary.

    The JSON comes first, so that it stands even if drawing is cut short. What could not be written
    is told in the summary's notes. `told` goes into the summary as it is. InputError where the
    recording cannot be read or the JSON not written.
    """
    rows, torn = read_recording(recording)
    summary = summarise(rows, camera_rate, longest_gap)
    summary.update(told, torn_lines=torn, recording=str(recording))
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


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool."""
    parser = cli.parser('compare_latency', __doc__.splitlines()[0])
    parser.add_argument('recordings', nargs='+', type=Path, metavar='FILE',
                        help="latency_node's .json summaries or .csv recordings")
    parser.add_argument('--report', action='store_true',
                        help='write the summary, histogram and plot beside each .csv (after a crash, say)')
    parser.add_argument('--camera-rate', type=_rate, default=None, metavar='HZ',
                        help="the cameras' schedule, for .csv files (default: found in the stamps)")
    options = parser.parse_args(argv)
    summaries = [_summary(path, options) for path in options.recordings]
    rows = compare(summaries)
    print(comparison_text([str(path) for path in options.recordings], rows))
    for path, summary in zip(options.recordings, summaries):
        for note in summary.get('notes') or []:
            print(f'{path}: {note}')
    if 'json' in options:
        write_json(options.json, {'recordings': [str(path) for path in options.recordings],
                                      'rows': {name: values for name, values in rows}})
    return 0


def _summary(path: Path, options: argparse.Namespace) -> Dict[str, Any]:
    if not options.report:
        return read_summary(path, options.camera_rate)
    if path.suffix != '.csv':
        raise InputError(f'{path}: --report is made from a .csv recording')
    return write_report(path, options.camera_rate)


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < 100000:
        raise argparse.ArgumentTypeError('a rate above 0 Hz is expected')
    return value
