"""A result as a terminal shows it."""

import math
from typing import Any, List, Mapping

from .tables import cell, headline, paper_table, percent, text_table

REASONS = {'not_seen': 'image never met the segmentation node', 'label_lost': 'label lost on the way',
           'unknown': 'reason unknown'}
MUCH_UNANNOTATED = 0.2      # beyond it, the score covers too little of the picture


def summary(result: Mapping[str, Any]) -> str:
    """Return classes, main scores with their intervals, the paper's table, and coverage, as lines."""
    parts = [_classes(result), _scores(result)]
    if result.get('slices'):
        parts.append(text_table(['slice', 'frames', 'mean IoU', 'accuracy'], [
            ['{by}: {value}'.format(**row), str(row['frames']), cell(percent(row['mean_iou'])),
             cell(percent(row['global_accuracy']))] for row in result['slices']]))
    if result.get('reliability'):
        parts.append(text_table(['confidence, %', 'right', 'of the pixels'], [
            [cell(percent(row[key])) for key in ('confidence', 'accuracy', 'share')]
            for row in result['reliability']])
            + f"\nexpected calibration error: {result['expected_calibration_error']:.4f}")
    table = paper_table(result)
    if table is not None:
        # Across the page there is no room for CamVid's thirteen columns: one line a column.
        rows = [[column] + [cell(values[index]) for _, values in table.rows]
                for index, column in enumerate(table.columns)]
        parts.append(text_table([table.title] + [name for name, _ in table.rows], rows))
    return '\n\n'.join(parts + ['\n'.join(coverage_lines(result))])


def _classes(result: Mapping[str, Any]) -> str:
    columns = [('class', None), ('IoU', 'class_iou'), ('accuracy', 'class_accuracy')]
    columns += [(name, key) for name, key in (('boundary IoU', 'class_boundary_iou'), ('iIoU', 'class_iiou'))
                if key in result]
    rows = [[name] + [cell(percent(result[key].get(name))) for _, key in columns[1:] if key]
            for name in result['class_iou']]
    return text_table([name for name, _ in columns], rows)


def _scores(result: Mapping[str, Any]) -> str:
    rows = [[name, cell(value), '{:.1f} .. {:.1f}'.format(*limits) if limits else '']
            for _, name, value, limits in headline(result)]
    caution = (result.get('intervals') or {}).get('caution')
    return text_table(['score, %', '', '95 % interval'], rows) + (f'\n({caution})' if caution else '')


def coverage_lines(result: Mapping[str, Any]) -> List[str]:
    """Return how many frames the scores cover, and what became of the others."""
    lines = ['{} frames evaluated'.format(result['frames_evaluated'])]
    if result.get('frames_in') is not None:
        lines[0] += ' of {} in'.format(result['frames_in'])
    for key, text in (('frames_dropped', 'dropped'), ('truth_without_prediction', 'truth without prediction'),
                      ('prediction_without_truth', 'prediction without truth')):
        if result.get(key):
            lines.append(f'{text}: {result[key]}')
    for key, text in (('dropped_by', 'dropped by '), ('truth_without_prediction_by', 'without prediction: ')):
        reasons = {reason: count for reason, count in (result.get(key) or {}).items() if count}
        if reasons:
            lines.append(text + ', '.join(f'{REASONS.get(reason, reason)}: {count}'
                                          for reason, count in sorted(reasons.items())))
    unannotated = result.get('unannotated')
    if unannotated is not None and not math.isnan(unannotated):
        warning = 'warning: ' if unannotated > MUCH_UNANNOTATED else ''
        lines.append(f'{warning}{100 * unannotated:.1f} % of the pixels are not annotated and not scored')
    for problem in result.get('problems') or ():
        times = ' ({} times)'.format(problem['count']) if problem['count'] > 1 else ''
        lines.append('note: ' + problem['text'] + times)
    matching = result.get('matching') or {}
    if matching.get('by') == 'nearest' and 'within_ms' in matching:
        lines.append('truth matched by the nearest stamp within {within_ms:g} ms; the largest difference is '
                     '{residual_ms_max:.3f} ms'.format(**matching))
    coding = result['coding']
    if coding['prediction'] != coding['truth']:
        lines.append('labels of {prediction} against truth of {truth}, scored as {scores}'.format(**coding))
    return lines
