"""The files of a latency recording: rows, summary, histogram; and two recordings side by side."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from ..errors import InputError
from ..json_files import read_json
from .rows import FrameRow, RowReader
from .summary import summarise

_COMPARED = ('frames_in', 'frames_segmented', 'frames_dropped', 'frames_missing', 'drop_share', 'rate_hz',
             'jitter_ms')
_QUANTILES = ('p50', 'p90', 'p95', 'p99', 'p99.9', 'max')


def read_recording(path: Union[str, Path]) -> Tuple[List[FrameRow], int]:
    """Return the rows of a CSV recording and how many lines were torn; InputError."""
    reader = RowReader(path)
    return list(reader), reader.torn


def read_summary(path: Union[str, Path], camera_rate: Optional[float] = None) -> Dict[str, Any]:
    """Return a recording's summary: of a JSON summary, or computed from a CSV; InputError."""
    path = Path(path)
    if path.suffix == '.csv':
        rows, torn = read_recording(path)
        summary = summarise(rows, camera_rate)
        summary['torn_lines'] = torn
        return summary
    summary = read_json(path, 'latency summary')
    if not isinstance(summary, dict) or not isinstance(summary.get('latency_ms'), dict):
        raise InputError(f'{path}: no latency summary (it has no latency_ms)')
    return summary


def compare(summaries: Sequence[Dict[str, Any]]) -> List[Tuple[str, List[Optional[float]]]]:
    """Return the figures of several summaries side by side: (name, one value per summary)."""
    rows: List[Tuple[str, List[Optional[float]]]] = [
        (key, [_number(summary.get(key)) for summary in summaries]) for key in _COMPARED]
    tables = [('latency_ms', 'latency_ms'), ('latency_corrected_ms', 'latency_corrected_ms')]
    for title, key in tables:
        rows += [(f'{title} {name}', [_entry(summary, key, name) for summary in summaries])
                 for name in _QUANTILES]
    stages: List[str] = []
    for summary in summaries:
        stages += [name for name in _mapping(summary.get('stages_ms')) if name not in stages]
    rows += [(f'{stage} p50, ms', [_entry(_mapping(summary.get('stages_ms')), stage, 'p50')
                                           for summary in summaries]) for stage in stages]
    return rows


def comparison_text(names: Sequence[str], rows: Sequence[Tuple[str, List[Optional[float]]]]) -> str:
    """Lay the comparison out as a table; the change is that of the last against the first."""
    lines = [[''] + list(names) + (['change'] if len(names) > 1 else [])]
    for title, values in rows:
        line = [title] + ['-' if value is None else f'{value:.6g}' for value in values]
        if len(names) > 1:
            line.append(_change(values[0], values[-1]))
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return '\n'.join('  '.join([line[0].ljust(widths[0])] + [
        cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]).rstrip() for line in lines)


def _change(first: Optional[float], last: Optional[float]) -> str:
    if first is None or last is None or not first:
        return '-'
    return f'{100 * (last - first) / first:+.1f} %'


def _mapping(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _entry(summary: Dict[str, Any], key: str, name: str) -> Optional[float]:
    return _number(_mapping(summary.get(key)).get(name))


def _number(value: Any) -> Optional[float]:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
