"""One page about one run: what went in, what came out, how late, how right. Pictures are inside the file."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..classes import ClassTable
from .charts import delays
from .gallery import Footage
from .page import render

REASONS = {
    'superseded': 'superseded by a newer frame', 'rate_limited': 'left out by max_rate',
    'refused': 'refused: not a valid image', 'engine_error': 'lost to an error of the engine',
    'no_listener': 'not asked for by anybody', 'shutdown': 'waiting when the node ended'}


def write_overview(path: Path, title: str, subtitle: str, summary: Dict[str, Any], classes: ClassTable,
                   footage: Optional[Footage] = None, delays_ms: Sequence[Optional[float]] = (),
                   files: Sequence[Tuple[str, str]] = (), command: str = '') -> None:
    """Write the page of a summary (keys as in the tools' JSON).

    `files` are (name, what it holds), `delays_ms` each frame's delay, None where it was dropped.

    `command` is what a person pastes into a shell to make it again.
    """
    page = render(
        'overview.html', command=command, title=title, subtitle=subtitle, figures=figures(summary),
        classes=class_rows(summary, classes), accounts=accounts(summary),
        frames=footage.gallery.frames if footage else [], delays=delays(delays_ms), files=files,
        shares=footage.shares_over_time() if footage else None)
    path.write_text(page, 'utf-8')


def figures(summary: Dict[str, Any]) -> List[Tuple[str, str, str]]:
    """Return the few main numbers: (name, value, note)."""
    late = summary['latency_ms']
    found = [
        ('frames', '{}'.format(summary['frames_in']), '{} segmented'.format(summary['frames_segmented'])),
        ('rate', _number(summary['rate_hz'], '{:.1f} Hz'), 'labels a second'),
        ('delay', _number(late['p50'], '{:.0f} ms'), 'median; ' + _number(late['max'], '{:.0f} ms at most')),
        ('dropped', '{}'.format(summary['frames_dropped']), 'the newest frame wins')]
    if summary.get('mean_iou') is not None:
        found.append(('mean IoU', '{:.1f} %'.format(100 * summary['mean_iou']),
                      'over {} frames'.format(summary['frames_evaluated'])))
    return found


def class_rows(summary: Dict[str, Any], classes: ClassTable) -> List[Tuple[str, str, Optional[float]]]:
    """Return (name, CSS colour, IoU or None) of every class; nothing where nothing was scored."""
    scores = summary.get('class_iou') or {}
    return [(name, 'rgb({}, {}, {})'.format(*colour), scores.get(name))
            for name, colour in zip(classes.names, classes.rgb)] if any(
                value is not None for value in scores.values()) else []


def accounts(summary: Dict[str, Any]) -> List[Tuple[str, str]]:
    """Return where every frame went, in words."""
    rows = [('delivered to the node', summary['frames_in']), ('segmented', summary['frames_segmented'])]
    rows += [('dropped: ' + REASONS.get(reason, reason), count)
             for reason, count in summary['dropped_by'].items() if count]
    for key, text in (('truth_without_prediction', 'annotated frames without labels'),
                      ('prediction_without_truth', 'labels without an annotated frame')):
        if summary.get(key) is not None:
            rows.append((text, summary[key]))
    return [(text, str(count)) for text, count in rows]


def _number(value: Optional[float], form: str) -> str:
    return 'unknown' if value is None else form.format(value)
