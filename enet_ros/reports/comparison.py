"""Two results side by side: two weights, two engines, before and after."""

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..classes import ClassTable
from ..datasets.label_files import Predictions, file_name
from ..errors import InputError
from ..metrics import bootstrap, scores
from ..metrics.bootstrap import BlockCounts
from .tables import cell, headline, percent, text_table

MOST = 5        # frames that gained, and that lost
# What a JSON file that is no result brings about.
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def compare(result: Mapping[str, Any], other: Mapping[str, Any], name: str = 'other') -> Dict[str, Any]:
    """Return {'name', 'rows', 'classes', 'frames', 'interval', 'notes', 'gallery'}: percent, and differences.

    A difference is `result` minus `other`. `interval` is [low, high] for the difference of the mean IoU (each
    class has its own), by a paired bootstrap over the same frames, and None where the frames differ. `frames`
    are those that lost and gained most (in long runs blocks, by their first frame). `notes` name what makes
    the comparison uneven; a report fills `gallery`. InputError where the two were not scored in the same
    classes, or where `other`, which comes from a file, is no result.
    """
    check(other, name)
    with _reading(name):
        return _compare(result, other, name)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(f'{name}: not a result of an evaluation ({error!r})') from None


def _compare(result: Mapping[str, Any], other: Mapping[str, Any], name: str) -> Dict[str, Any]:
    if list(result['class_iou']) != list(other['class_iou']):
        raise InputError('{}: scored in {} and not in {}: there is nothing to compare'.format(
            name, other['coding']['scores'], result['coding']['scores']))
    theirs = {key: value for key, _, value, _ in headline(other)}
    rows = [_row(label, value, theirs.get(key)) for key, label, value, _ in headline(result) if key in theirs]
    intervals = paired_intervals(result, other)
    points = {key: [100 * limit for limit in limits] for key, limits in (intervals or {}).items()}
    rows[0]['interval'] = points.get('mean_iou')
    classes = [dict(_row(label, percent(value), percent(other['class_iou'][label])),
                    interval=points.get(f'class_iou.{label}'))
               for label, value in result['class_iou'].items()]
    notes = []
    if result['frames_evaluated'] != other['frames_evaluated']:
        notes.append('{} frames evaluated against {}'.format(
            result['frames_evaluated'], other['frames_evaluated']))
    if intervals is None:
        notes.append('not the same frames: no interval can be given for the difference')
    for key in ('weights', 'engine'):
        if result.get(key) != other.get(key):
            notes.append('{}: {} against {}'.format(
                key, result.get(key) or 'unknown', other.get(key) or 'unknown'))
    latency = [_latency(one) for one in (result, other)]
    if None not in latency:
        rows.append(dict(_row('latency p50, ms', *latency), lower_is_better=True))
    return {'name': name, 'rows': rows, 'classes': classes, 'frames': _changed(result, other),
            'interval': points.get('mean_iou'), 'notes': notes, 'gallery': []}


def overview(comparisons: Sequence[Mapping[str, Any]]) -> List[Tuple[str, List[Optional[float]]]]:
    """Return the scores of several comparisons with one result: (name, its value and each other's)."""
    rows: Dict[str, List[Optional[float]]] = {}
    for place, comparison in enumerate(comparisons):
        for row in comparison['rows'] + comparison['classes']:
            values = rows.setdefault(row['name'], [row['mine']] + [None] * len(comparisons))
            values[place + 1] = row['other']
    return list(rows.items())


def before(other: Mapping[str, Any], name: str) -> Dict[Tuple[str, str], float]:
    """Return an earlier result's mean IoU by (sequence, name), of the frames that it lists one by one.

    InputError names the result where its timeline is broken.
    """
    with _reading(name):
        return {(point['sequence'], point['name']): float(point['mean_iou']) for point in other['timeline']
                if point['frames'] == 1 and percent(point['mean_iou']) is not None}


def labels_before(other: Mapping[str, Any]) -> Callable[[str, Tuple[int, int]], Optional[np.ndarray]]:
    """Return what finds, by a frame's name, the labels that an earlier run kept; None without them.

    They are in the classes of its scores, resized to (height, width) by the nearest pixel.
    """
    def find(name: str, size: Tuple[int, int]) -> Optional[np.ndarray]:
        try:
            labels = cv2.LUT(kept.read(file_name(name)), lut)
        except InputError:
            return None
        return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)
    try:
        predicted, true = (ClassTable.from_dict(other['parts'][side]) for side in ('predicted', 'true'))
        kept, lut = Predictions(other['provenance']['labels'], predicted), predicted.mapping_to(true).source
    except _BROKEN + (OSError,):    # InputError is a ValueError
        return lambda name, size: None
    return find


def _changed(result: Mapping[str, Any], other: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return up to 2 MOST rows of the frames whose mean IoU changed most, the loss first; none unchanged."""
    before = {(point['sequence'], point['name'], point['frames']): point['mean_iou']
              for point in other['timeline']}
    rows = []
    for point in result['timeline']:
        theirs = before.get((point['sequence'], point['name'], point['frames']))
        row = _row('{sequence} {name}'.format(**point).strip(), percent(point['mean_iou']), percent(theirs))
        if row['difference']:
            rows.append(row)
    rows.sort(key=lambda row: row['difference'])
    return rows[:MOST] + rows[MOST:][-MOST:]


def check(result: Any, name: str) -> None:
    """Raise InputError where a JSON file's content is not the result of an evaluation."""
    needed = ('class_iou', 'class_accuracy', 'mean_iou', 'coding', 'frames_evaluated', 'confusion',
              'timeline')
    missing = [key for key in needed if key not in result] if isinstance(result, dict) else needed
    if missing:
        raise InputError('{}: not a result of an evaluation (it has no {})'.format(name, ', '.join(missing)))


def paired_intervals(result: Mapping[str, Any],
                     other: Mapping[str, Any]) -> Optional[Dict[str, List[float]]]:
    """Return [low, high] of the differences of `mean_iou` and each `class_iou.NAME`; None for other frames.

    Both are resampled alike, which cancels what is hard or easy for both. A class that
    never occurs has no entry.
    """
    if 'parts' not in result or 'parts' not in other:
        return None
    blocks = [BlockCounts.restore(one['parts']['blocks']) for one in (result, other)]
    names = [[(block.sequence, block.name, block.frames) for block in one.blocks] for one in blocks]
    length = max(one.length()[0] for one in blocks)
    units = [one.units(length)[1] for one in blocks]
    if names[0] != names[1] or len(units[0]) < 2:
        return None
    drawn = [bootstrap.resample(counts, 1000) for counts in units]
    mine, theirs = ([scores.mean_iou(counts)] + list(scores.class_iou(counts).T) for counts in drawn)
    found = {}
    keys = ['mean_iou'] + [f'class_iou.{name}' for name in result['class_iou']]
    for key, first, second in zip(keys, mine, theirs):
        if not np.isnan(first - second).all():
            found[key] = bootstrap.limits(first - second)
    return found


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Return the comparison for a terminal."""
    rows = [[row['name'], cell(row['mine']), cell(row['other']), signed(row['difference']),
             '{} .. {}'.format(*map(signed, row['interval'])) if row['interval'] else '']
            for row in comparison['rows'] + comparison['classes'] + comparison['frames']]
    lines = [text_table(['', 'this', comparison['name'], 'difference', '95 % interval'], rows)]
    if comparison['interval'] is not None:
        lines.append('difference of mean IoU, 95 % interval: {} .. {}'.format(
            *map(signed, comparison['interval'])))
    return '\n'.join(lines + ['note: ' + note for note in comparison['notes']])


def signed(value: Optional[float]) -> str:
    """Return a difference with its sign, 'n/a' where there is none."""
    return 'n/a' if value is None else f'{value:+.1f}'


def _row(name: str, mine: Optional[float], other: Optional[float]) -> Dict[str, Any]:
    difference = None if mine is None or other is None else mine - other
    return {'name': name, 'mine': mine, 'other': other, 'difference': difference, 'lower_is_better': False,
            'interval': None}


def _latency(result: Mapping[str, Any]) -> Optional[float]:
    return (result.get('latency_ms') or {}).get('p50')
