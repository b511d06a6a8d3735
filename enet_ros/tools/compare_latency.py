"""Latency recordings: the report of one, or several side by side."""

import argparse
from pathlib import Path
from typing import Any, Dict, List, Optional

from .. import cli
from ..errors import InputError
from ..json_files import write_json
from ..latency.files import compare, comparison_text, read_summary
from ..latency.report import write_report


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool."""
    parser = cli.parser('compare_latency', __doc__.splitlines()[0], {'report': ['matplotlib']})
    parser.add_argument('recordings', nargs='+', type=Path, metavar='FILE',
                        help="latency_node's .json summaries or .csv recordings")
    parser.add_argument('--report', action='store_true',
                        help='write the summary, histogram and plot beside each .csv (after a crash, say)')
    parser.add_argument('--camera-rate', type=cli.rate, metavar='HZ',
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
