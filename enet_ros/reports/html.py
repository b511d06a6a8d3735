"""The report: one HTML file that needs nothing else, not even a network."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from ..classes import ClassTable
from ..evaluation.examples import Example, Examples
from ..files import write_bytes
from . import charts, page, tables
from .comparison import check, compare, labels_before, overview
from .pictures import pictures
from .text import coverage_lines

Others = Sequence[Tuple[str, Mapping[str, Any]]]


def write_report(path: Union[str, Path], result: Mapping[str, Any], examples: Optional[Examples] = None,
                 title: str = '', latency: Optional[Mapping[str, Any]] = None,
                 others: Others = (), changes: Sequence[Examples] = ()) -> None:
    """Write the report of a result (the keys of `evaluation.Evaluation.to_json`), atomically.

    `examples` holds the best and worst frames' pictures; `latency` is a summary of the latency node (its
    JSON) to show beside the score; `others` are earlier results to compare with, by name, and `changes` the
    frames that changed most against each. InputError where the file cannot be written or one of `others`
    cannot be compared.
    """
    text = render(result, examples, title, latency, others, changes)
    write_bytes(path, text.encode('utf-8'), 'the report was')


def render(result: Mapping[str, Any], examples: Optional[Examples] = None, title: str = '',
           latency: Optional[Mapping[str, Any]] = None, others: Others = (),
           changes: Sequence[Examples] = ()) -> str:
    """Return the HTML of `write_report`."""
    check(result, 'result')
    classes = ClassTable.from_dict(result['confusion']['classes'])
    comparisons = [compare(result, other, name) for name, other in others]
    for comparison, (_, other), kept in zip(comparisons, others, changes):
        find = labels_before(other)
        comparison['gallery'] = [
            _change(example, kept, find(example.frame.name, example.truth.shape[:2]), classes)
            for example in kept.worst + kept.best]
    return page.render(
        'report.html', title=title or _source(result), result=dict({'slices': []}, **result),
        coverage=_coverage(result),
        headline=tables.headline(result), classes=charts.class_rows(result),
        confusion=charts.confusion(result['confusion']['counts'], classes.names),
        timeline=charts.timeline(result['timeline']), paper=tables.paper_table(result),
        galleries=_galleries(examples, classes), latencies=_latencies(result, latency),
        provenance=_provenance(result), comparisons=comparisons, overview=overview(comparisons))


def _source(result: Mapping[str, Any]) -> str:
    record = result.get('provenance') or {}
    return str(record.get('source') or record.get('dataset') or record.get('bag') or 'Evaluation')


def _coverage(result: Mapping[str, Any]) -> Dict[str, Any]:
    """Shares of the frames in for the bar, and the sentences below it."""
    evaluated = result['frames_evaluated']
    lost = (result.get('frames_dropped') or 0)
    parts = [('evaluated', evaluated), ('dropped', lost),
             ('without truth', result.get('prediction_without_truth') or 0),
             ('truth without prediction', result.get('truth_without_prediction') or 0)]
    # A dropped frame that was annotated is also truth without a prediction: count it once.
    if lost:
        parts[3] = (parts[3][0], max(0, parts[3][1] - lost))
    total = sum(count for _, count in parts)
    annotated = evaluated + (result.get('truth_without_prediction') or 0)
    return {'parts': [{'name': name, 'count': count, 'share': 100 * count / total}
                      for name, count in parts if count] if total else [],
            'annotated': annotated, 'share': 100 * evaluated / annotated if annotated else None,
            'lines': coverage_lines(result)}


def _galleries(examples: Optional[Examples], classes: ClassTable) -> List[Dict[str, Any]]:
    if examples is None:
        return []
    named = (('Worst frames', examples.worst), ('Best frames', examples.best))
    return [{'name': name, 'frames': [pictures(example, classes) for example in examples]}
            for name, examples in named if examples]


def _change(example: Example, kept: Examples, labels: Optional[np.ndarray],
            classes: ClassTable) -> Dict[str, Any]:
    """Return a frame's pictures, with the labels of the earlier run where it kept them."""
    before = None if labels is None else pictures(example._replace(prediction=labels), classes)['prediction']
    return dict(pictures(example, classes), before=before, change=100 * kept.rank(example.frame))


def _latencies(result: Mapping[str, Any], latency: Optional[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Percentile rows: of this run's segmenting, and of the recording that was given."""
    rows = []
    if result.get('latency_ms'):
        rows.append({'name': 'segmenting, this run', 'values': result['latency_ms']})
    if latency is not None:
        named = (('header stamp to label', 'latency_ms'),
                 ('the same, corrected for drops', 'latency_corrected_ms'))
        rows += [{'name': name, 'values': latency[key]} for name, key in named
                 if isinstance(latency.get(key), dict)]
    return rows


def _provenance(result: Mapping[str, Any]) -> List[Any]:
    """(name, text) pairs: everything that makes the result reproducible."""
    coding = result['coding']
    entries = [('labels / truth / scored in', '{prediction} / {truth} / {scores}'.format(**coding)),
               ('classes absent from both',
                'left out of means' if result.get('absent') == 'skip' else 'count as 0')]
    if result.get('instance_sizes'):
        entries.append(('average instance sizes', result['instance_sizes']))
    intervals = result.get('intervals')
    if intervals:
        entries.append(('intervals', '{:.0f} %, {} resamples of {} units ({}){}'.format(
            100 * intervals['level'], intervals['resamples'], intervals['units'], intervals['unit'],
            '; {}'.format(intervals['caution']) if intervals.get('caution') else '')))
    for name, value in (result.get('provenance') or {}).items():
        if isinstance(value, dict):
            value = ', '.join(f'{key} {entry}' for key, entry in value.items())
        if value not in (None, ''):
            entries.append((name.replace('_', ' '), str(value)))
    return entries
