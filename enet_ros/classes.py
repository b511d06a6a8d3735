"""Class tables: names, colours, the ignored value, and mappings between label codings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np

from . import resources
from .errors import InputError
from .yaml_files import read_mapping

IGNORE = 255            # the label of what no class covers, in every image this package makes
MAX_CLASSES = IGNORE    # labels are uint8, and one value is taken by IGNORE
_KEYS = {'name', 'ignore', 'classes', 'mappings'}
_CLASS_KEYS = {'name', 'id', 'colour', 'category', 'instances'}


@dataclass(frozen=True)
class ClassTable:
    """The classes of one label coding; class i is label i.

    `colours` are RGB, 0..255. `ids` are the values that the data set's own label files use.
    `categories` group classes ('' where a class has none); `instances` tells which classes come
    as countable objects. `mappings` name, for other tables, the counterpart here of their classes.
    """

    name: str
    names: Tuple[str, ...]
    rgb: Tuple[Tuple[int, int, int], ...]
    ids: Tuple[int, ...]
    categories: Tuple[str, ...]
    instances: Tuple[bool, ...]
    ignore_id: int
    ignore_name: str
    mappings: Dict[str, Dict[str, str]]

    ignore_index: ClassVar[int] = IGNORE

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.names)

    @property
    def colours(self) -> np.ndarray:
        """The classes' colours, (C, 3) uint8 RGB."""
        return np.array(self.rgb, np.uint8).reshape(-1, 3)

    def index(self, name: str) -> int:
        """Return the label of a class; InputError lists the names where there is no such class."""
        if name not in self.names:
            raise InputError("class table '{}' has no class '{}'; it has: {}".format(
                self.name, name, ', '.join(self.names)))
        return self.names.index(name)

    def palette(self) -> np.ndarray:
        """Return a look-up table label -> colour, (256, 3) uint8 RGB; black where no class is."""
        table = np.zeros((256, 3), np.uint8)
        table[:len(self)] = self.colours
        return table

    def shares(self, labels: np.ndarray) -> np.ndarray:
        """(H, W) uint8 labels -> each class's part of the image, (C + 1,); the last is of what is unknown."""
        counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
        return np.append(counts[:len(self)], counts[len(self):].sum()) / labels.size

    def id_table(self) -> np.ndarray:
        """Return a look-up table file value -> label, (256,) uint8; IGNORE where no class is."""
        table = np.full(256, IGNORE, np.uint8)
        table[list(self.ids)] = np.arange(len(self), dtype=np.uint8)
        return table

    def mapping_to(self, other: 'ClassTable') -> 'CommonCoding':
        """Return the coding in which labels of this table and of `other` can be compared.

        The coarser table is the one whose file maps the other's classes. InputError where neither
        does.
        """
        identity = _lut(range(len(self)))
        if self.names == other.names:
            return CommonCoding(self, identity, identity)
        if other.name in self.mappings:
            return CommonCoding(self, identity, self._counterparts(other))
        if self.name in other.mappings:
            return CommonCoding(other, other._counterparts(self), _lut(range(len(other))))
        raise InputError(f"labels coded as '{self.name}' and '{other.name}' cannot be compared: neither "
                         'class table maps the other (key `mappings`)')

    def _counterparts(self, other: 'ClassTable') -> np.ndarray:
        mapping = self.mappings[other.name]
        return _lut(self.index(mapping[name]) if name in mapping else IGNORE for name in other.names)

    def to_dict(self) -> Dict[str, Any]:
        """Return what `from_dict` reads: plain types, as in the YAML file."""
        classes = [
            {'name': name, 'id': id_, 'colour': list(rgb), 'category': category, 'instances': instances}
            for name, id_, rgb, category, instances in zip(
                self.names, self.ids, self.rgb, self.categories, self.instances)]
        return {'name': self.name, 'ignore': {'name': self.ignore_name, 'id': self.ignore_id},
                'classes': classes, 'mappings': self.mappings}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], origin: str = 'class table') -> 'ClassTable':
        """Build a table from plain types; InputError (beginning with `origin`) where they are wrong."""
        try:
            return _parse(data)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            reason = f'misses {error}' if isinstance(error, KeyError) else error
            raise InputError(f'{origin}: {reason}; see config/classes/camvid.yaml for the form') from None

    @classmethod
    def load(cls, name: Union[str, Path]) -> 'ClassTable':
        """Read a shipped table by name ('camvid', 'cityscapes', 'sun_rgbd') or a YAML file by path.

        Raises InputError for a missing, foreign or malformed file.
        """
        path = Path(name)
        if path.suffix not in ('.yaml', '.yml'):
            path = resources.find('config', f'classes/{name}.yaml')
        return cls.from_dict(read_mapping(path), str(path))


class CommonCoding(NamedTuple):
    """Where two codings meet: the coarser table and each side's look-up table into it."""

    classes: ClassTable
    source: np.ndarray      # (256,) uint8, for labels of the table asked; IGNORE where undefined
    target: np.ndarray      # (256,) uint8, for labels of the other table


def _parse(data: Mapping[str, Any]) -> ClassTable:
    _check_keys(data, _KEYS)
    entries: List[Mapping[str, Any]] = list(data['classes'])
    if not 1 <= len(entries) <= MAX_CLASSES:
        raise ValueError(f'1 to {MAX_CLASSES} classes are possible, not {len(entries)}')
    for entry in entries:
        _check_keys(entry, _CLASS_KEYS)
    names = tuple(str(entry['name']) for entry in entries)
    ids = tuple(_byte(entry.get('id', index)) for index, entry in enumerate(entries))
    ignore: Mapping[str, Any] = data.get('ignore') or {}
    ignore_id = _byte(ignore.get('id', IGNORE))
    _check_unique('class name', names)
    _check_unique('id', ids + (ignore_id,))
    mappings = {str(other): {str(theirs): str(ours) for theirs, ours in classes.items()}
                for other, classes in (data.get('mappings') or {}).items()}
    for other, classes in mappings.items():
        unknown = sorted(set(classes.values()) - set(names))
        if unknown:
            raise ValueError('mapping of {} names no class of this table: {}'.format(
                other, ', '.join(unknown)))
    return ClassTable(
        str(data['name']), names, tuple(_colour(entry['colour']) for entry in entries), ids,
        tuple(str(entry.get('category') or '') for entry in entries),
        tuple(bool(entry.get('instances', False)) for entry in entries),
        ignore_id, str(ignore.get('name', 'unlabelled')), mappings)


def _check_keys(data: Mapping[str, Any], known: 'set') -> None:
    unknown = sorted(str(key) for key in set(data) - known)
    if unknown:
        raise ValueError('unknown key {} (known: {})'.format(
            ', '.join(unknown), ', '.join(sorted(known))))


def _check_unique(what: str, values: Tuple[Any, ...]) -> None:
    doubled: Optional[Any] = next((value for value in values if values.count(value) > 1), None)
    if doubled is not None:
        raise ValueError(f'{what} {doubled!r} is there twice')


def _byte(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise ValueError(f'{value!r} is no whole number from 0 to 255')
    return value


def _colour(value: Any) -> Tuple[int, int, int]:
    channels = tuple(_byte(channel) for channel in value)
    if len(channels) != 3:
        raise ValueError(f'a colour is [red, green, blue], not {value!r}')
    return channels[0], channels[1], channels[2]


def _lut(values: Any) -> np.ndarray:
    table = np.full(256, IGNORE, np.uint8)
    values = list(values)
    table[:len(values)] = values
    return table
