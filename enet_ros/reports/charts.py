"""Geometry of the report's charts: numbers to SVG coordinates and colours. The template draws them."""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from .tables import percent

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 220, 46, 26      # of the chart of IoU over time, in SVG units


def timeline(points: Sequence[Mapping[str, Any]]) -> Optional[Dict[str, Any]]:
    """Return lines, sequence marks and dots for IoU over the frames, in their order; None below two."""
    known = [(index, point) for index, point in enumerate(points) if percent(point['mean_iou']) is not None]
    if len(known) < 2:
        return None
    width = max(len(points) - 1, 1)

    def place(index: int, value: float) -> Tuple[float, float]:
        return (round(LEFT + (WIDTH - LEFT - 6) * index / width, 1),
                round(8 + (HEIGHT - BOTTOM - 8) * (1 - value), 1))

    lines: List[List[Tuple[float, float]]] = []
    marks: List[Dict[str, Any]] = []
    for position, (index, point) in enumerate(known):
        before = known[position - 1][1] if position else None
        if before is None or before['sequence'] != point['sequence']:
            lines.append([])
            marks.append({'x': place(index, 0)[0], 'name': point['sequence']})
        lines[-1].append(place(index, point['mean_iou']))
    # Names closer than their own width would lie over each other.
    room = -1e9
    for mark in marks:
        mark['named'] = mark['x'] - room > 8 + 6.5 * len(mark['name'])
        room = mark['x'] + 6.5 * len(mark['name']) if mark['named'] else room
    return {
        'width': WIDTH, 'height': HEIGHT, 'left': LEFT, 'bottom': HEIGHT - BOTTOM,
        'lines': [' '.join('{},{}'.format(*pair) for pair in line) for line in lines],
        'dots': [dict(zip('xy', place(index, point['mean_iou'])), title='{} {}: {:.1f} %'.format(
            point['sequence'], point['name'], 100 * point['mean_iou']))
                 for index, point in known] if len(known) <= 400 else [],
        'marks': marks if len(marks) <= 60 else [],
        'grid': [{'y': place(0, value)[1], 'text': f'{100 * value:.0f}'}
                 for value in (0, 0.25, 0.5, 0.75, 1)],
        'frames_per_point': max(point['frames'] for point in points)}


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str]) -> List[Dict[str, Any]]:
    """Return rows of the matrix: the true class, and per predicted class (then void) its share and shade."""
    rows = []
    for index, (name, row) in enumerate(zip(names, counts)):
        total = sum(row)
        cells = []
        for column, count in enumerate(row):
            share = count / total if total else math.nan
            cells.append({
                'text': '' if not total or share < 0.005 else f'{100 * share:.0f}',
                'title': '{} as {}: {} pixels'.format(
                    name, names[column] if column < len(names) else 'void', count),
                # A square root, so that confusions of a few per cent are seen.
                'shade': round(math.sqrt(share), 3) if total else 0.0, 'right': column == index})
        rows.append({'name': name, 'pixels': total, 'cells': cells})
    return rows


def class_rows(result: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return one row a class: scores in percent, interval, colour, and share of the true pixels."""
    classes = result['confusion']['classes']['classes']
    counts = result['confusion']['counts']
    total = sum(sum(row) for row in counts)
    limits = (result.get('intervals') or {}).get('class_iou') or {}
    rows = []
    for entry, row in zip(classes, counts):
        name = entry['name']
        low, high = [percent(limit) for limit in limits.get(name) or (None, None)]
        rows.append({
            'name': name, 'colour': 'rgb({}, {}, {})'.format(*entry['colour']),
            'iou': percent(result['class_iou'].get(name)), 'low': low, 'high': high,
            'accuracy': percent(result['class_accuracy'].get(name)),
            'boundary': percent((result.get('class_boundary_iou') or {}).get(name)),
            'instance': percent((result.get('class_iiou') or {}).get(name)),
            'share': 100 * sum(row) / total if total else None})
    return rows


def delays(values: Sequence[Optional[float]]) -> Optional[Dict[str, Any]]:
    """Return a dot for each frame's delay in ms, in their order, and a mark for each that has none.

    None where no frame has one.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    most = max(*known, 1.0)
    step = 10 ** math.floor(math.log10(most))
    top = step * math.ceil(most / step)
    bottom, width = HEIGHT - 12, max(len(values) - 1, 1)
    places = [round(LEFT + (WIDTH - LEFT - 6) * index / width, 1) for index in range(len(values))]
    return {'width': WIDTH, 'height': HEIGHT, 'left': LEFT, 'bottom': bottom,
            'dots': [(x, round(bottom - (bottom - 8) * value / top, 1), f'frame {index}: {value:.1f} ms')
                     for index, (x, value) in enumerate(zip(places, values)) if value is not None],
            'dropped': [x for x, value in zip(places, values) if value is None],
            'grid': [{'y': round(bottom - (bottom - 8) * part, 1), 'text': f'{top * part:g}'}
                     for part in (0, 0.5, 1)]}


def shares_over_time(shares: Sequence[np.ndarray], names: Sequence[str], colours: Sequence[str],
                     most: int = 240) -> Optional[Dict[str, Any]]:
    """Return areas stacked upon each other: each frame's (C,) parts of the image, in the frames' order.

    Frames are averaged to at most `most` points; classes that never come are left out. None below two.
    """
    if len(shares) < 2:
        return None
    parts = np.array_split(np.asarray(shares), min(len(shares), most))
    points = np.stack([part.mean(axis=0) for part in parts])
    tops = np.cumsum(points, axis=1)
    x = np.linspace(LEFT, WIDTH - 6, len(points))
    y = 8 + (HEIGHT - 16) * (1 - np.hstack([np.zeros((len(points), 1)), tops]))
    areas = []
    for index in np.flatnonzero(points.sum(axis=0) > 0):
        outline = [*zip(x, y[:, index + 1]), *zip(x[::-1], y[::-1, index])]
        areas.append({'name': names[index], 'colour': colours[index],
                      'points': ' '.join(f'{across:.1f},{down:.1f}' for across, down in outline)})
    return {'width': WIDTH, 'height': HEIGHT, 'left': LEFT, 'areas': areas,
            'grid': [{'y': 8 + (HEIGHT - 16) * (1 - part), 'text': f'{100 * part:.0f}'}
                     for part in (0, 0.5, 1)]}
