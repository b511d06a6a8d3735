"""The paper's tables of accuracy, with a row of one's own beside the published ones.

Values are percentages as the paper prints them (Paszke et al., ENet, arXiv:1606.02147, Tables 4 to 6).
A row is only comparable where the data set, its split and its size are the same.
"""

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

# Table 5 gives class accuracies (recall), not IoU: its "class average" is their mean.
_TABLE_5 = (('Building', 'Building'), ('Tree', 'Tree'), ('Sky', 'Sky'), ('Car', 'Car'),
            ('Sign', 'SignSymbol'), ('Road', 'Road'), ('Pedestrian', 'Pedestrian'), ('Fence', 'Fence'),
            ('Pole', 'Pole'), ('Sidewalk', 'Pavement'), ('Bicyclist', 'Bicyclist'))


class PaperTable(NamedTuple):
    """One table: its title, its columns, and rows of (name, values in percent, None where not given)."""

    title: str
    columns: Tuple[str, ...]
    rows: Tuple[Tuple[str, Tuple[Optional[float], ...]], ...]


CITYSCAPES = PaperTable(
    'Cityscapes test set (Table 4)', ('Class IoU', 'Class iIoU', 'Category IoU', 'Category iIoU'),
    (('SegNet', (56.1, 34.2, 79.8, 66.4)), ('ENet', (58.3, 34.4, 80.4, 64.0))))
CAMVID = PaperTable(
    'CamVid test set, class accuracies (Table 5)',
    tuple(column for column, _ in _TABLE_5) + ('Class avg.', 'Class IoU'),
    (('SegNet-Basic', (75.0, 84.6, 91.2, 82.7, 36.9, 93.3, 55.0, 47.5, 44.8, 74.1, 16.0, 62.9, None)),
     ('SegNet', (88.8, 87.3, 92.4, 82.1, 20.5, 97.2, 57.1, 49.3, 27.5, 84.4, 30.7, 65.2, 55.6)),
     ('ENet', (74.7, 77.8, 95.1, 82.4, 51.0, 95.1, 67.2, 51.7, 35.4, 86.7, 34.1, 68.3, 51.3))))
SUN_RGBD = PaperTable(
    'SUN RGB-D test set (Table 6)', ('Global avg.', 'Class avg.', 'Mean IoU'),
    (('SegNet', (70.3, 35.6, 26.3)), ('ENet', (59.5, 32.6, 19.7))))


def paper_table(result: Mapping[str, Any], name: str = 'this run') -> Optional[PaperTable]:
    """Return the paper's table for the coding that a result was scored in, with the result as last row.

    None for a coding that the paper has no table for, for truth brought into another coding, and for anything
    but the test split of a data set, which is what the paper's numbers are of. `result` has the
    keys of `Evaluation.to_json`.
    """
    record = result.get('provenance') or {}
    found = paper_row(result)
    if (found is None or result['coding']['truth'] != result['coding']['scores']
            or not result['frames_evaluated'] or record.get('split') != 'test'
            or str(record.get('source')).startswith('synthetic')):
        return None
    table, values = found
    return table._replace(rows=table.rows + ((name, tuple(values)),))


def paper_row(result: Mapping[str, Any]) -> Optional[Tuple[PaperTable, List[Optional[float]]]]:
    """Return the paper's table for the coding of a result, and the result in its columns, percent."""
    coding = result['coding']['scores']
    if coding == 'cityscapes':
        table, values = CITYSCAPES, [result.get(key) for key in (
            'mean_iou', 'mean_class_iiou', 'mean_category_iou', 'mean_category_iiou')]
    elif coding == 'camvid':
        table = CAMVID
        values = [result['class_accuracy'].get(label) for _, label in _TABLE_5]
        values += [result['class_average_accuracy'], result['mean_iou']]
    elif coding == 'sun_rgbd':
        table, values = SUN_RGBD, [result[key] for key in (
            'global_accuracy', 'class_average_accuracy', 'mean_iou')]
    else:
        return None
    return table, [percent(value) for value in values]


def percent(value: Optional[float]) -> Optional[float]:
    """Return a fraction as percentage; None where it is None or NaN."""
    return None if value is None or math.isnan(value) else 100 * value


def cell(value: Optional[float]) -> str:
    """Return a percentage with one decimal, 'n/a' where there is none (None or NaN)."""
    return 'n/a' if value is None or math.isnan(value) else f'{value:.1f}'


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay cells out in columns for a terminal: the first to the left, the others to the right."""
    table = [list(header)] + [list(row) for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = ['  '.join([row[0].ljust(widths[0])] + [
        entry.rjust(width) for entry, width in zip(row[1:], widths[1:])]).rstrip() for row in table]
    return '\n'.join([lines[0], '-' * len(lines[0])] + lines[1:])


def headline(result: Mapping[str, Any]) -> List[Tuple[str, str, Optional[float], Optional[List[float]]]]:
    """Return the main scores as (key, name, percent, [low, high] percent or None), those that there are."""
    names: Dict[str, str] = {
        'mean_iou': 'mean IoU', 'mean_class_iiou': 'mean class iIoU',
        'mean_category_iou': 'mean category IoU', 'mean_category_iiou': 'mean category iIoU',
        'class_average_accuracy': 'class average accuracy',
        'global_accuracy': 'global accuracy', 'frequency_weighted_iou': 'frequency weighted IoU',
        'mean_boundary_iou': 'mean boundary IoU'}
    rows = []
    for key, name in names.items():
        if key == 'mean_iou' or percent(result.get(key)) is not None:
            limits = [percent(limit) for limit in (result.get('intervals') or {}).get(key) or ()]
            shown = [limit for limit in limits if limit is not None]
            rows.append((key, name, percent(result[key]), shown if len(shown) == 2 else None))
    return rows
