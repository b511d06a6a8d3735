"""Scores of parts of the frames: by a tag that a table gives them, weather or light for example."""

import csv
import io
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple, Union

import numpy as np

from ..errors import InputError
from ..files import read_bytes
from . import scores

UNTAGGED = '(no tag)'
MAX_VALUES = 200                    # of one tag: a column of free text is none
_MAX_BYTES = 64 << 20

Tags = Mapping[str, Mapping[str, str]]      # frame -> tag -> value
Slice = Tuple[str, str, int, np.ndarray]    # tag, value, frames, (C, C + 1) counts


def read_tags(path: Union[str, Path]) -> Dict[str, Dict[str, str]]:
    """Read a CSV file with a column `frame`, the frames' names, and one column a tag; InputError names it."""
    found: Dict[str, Dict[str, str]] = {}
    try:
        rows = csv.DictReader(io.StringIO(read_bytes(path, _MAX_BYTES, 'table of tags').decode('utf-8-sig')))
        names = [name for name in rows.fieldnames or () if name != 'frame']
        if not names or 'frame' not in (rows.fieldnames or ()):
            raise InputError(f'{path}: its first line must name the column frame and tags: '
                             'frame,weather,light')
        for row in rows:
            found[row['frame'] or ''] = {name: row[name] or UNTAGGED for name in names}
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f'{path}: not a CSV file: {error}') from None
    for name in names:
        if len({tags[name] for tags in found.values()}) > MAX_VALUES:
            raise InputError(f'{path}: column {name} has over {MAX_VALUES} values, too many for a tag')
    return found


class Slices:
    """Confusion counts for every value of every tag; mergeable."""

    def __init__(self, tags: Tags) -> None:
        """Start empty; frames that `tags` does not name count as untagged."""
        self._tags = tags
        self._names = list(next(iter(tags.values()), {}))
        self._counts: Dict[Tuple[str, str], Tuple[int, np.ndarray]] = {}

    def add(self, frame: str, counts: np.ndarray) -> None:
        """Count a frame, (C, C + 1), under each of its tags."""
        tags = self._tags.get(frame, {})
        for name in self._names:
            self._add(name, tags.get(name, UNTAGGED), 1, counts)

    def _add(self, name: str, value: str, frames: int, counts: np.ndarray) -> None:
        before = self._counts.get((name, value), (0, 0))
        self._counts[name, value] = (before[0] + frames, before[1] + counts)

    def merge(self, other: 'Slices') -> 'Slices':
        """Add another part's counts; return self."""
        for name, value, frames, counts in other.parts():
            self._add(name, value, frames, counts)
        return self

    def parts(self) -> List[Slice]:
        """Return (tag, value, frames, counts), by tag and value."""
        return [key + entry for key, entry in sorted(self._counts.items())]

    @classmethod
    def restore(cls, data: Iterable[Sequence[Any]], shape: Tuple[int, ...]) -> 'Slices':
        """Restore what `parts` gave, from a JSON file; ValueError where the counts are not of `shape`."""
        made = cls({})
        for name, value, frames, counts in data:
            array = np.asarray(counts, np.int64)
            if array.shape != shape:
                raise ValueError('its slices have another number of classes')
            made._add(str(name), str(value), int(frames), array)
        return made


def table(parts: Iterable[Slice], names: Sequence[str]) -> List[Dict[str, Any]]:
    """Return the scores of each slice as JSON-ready rows."""
    return [{'by': by, 'value': value, 'frames': frames, 'mean_iou': float(scores.mean_iou(counts)),
             'global_accuracy': float(scores.global_accuracy(counts)),
             'class_iou': dict(zip(names, scores.class_iou(counts).tolist()))}
            for by, value, frames, counts in parts]
