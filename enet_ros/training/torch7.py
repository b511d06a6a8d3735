"""Torch7's serialised objects (`torch.save` of Lua) as plain Python, without executing anything.

A file is a stream of little-endian values, each led by its type. Torch objects come as their class name
and what that class wrote: tensors and storages in their own form, everything else as a table.
"""

from pathlib import Path
import struct
from typing import Any, Dict, List, NamedTuple

import numpy as np

from ..errors import InputError
from ..files import read_bytes
from .torch_pickle import view

MAX_BYTES = 64 << 20            # the authors' file has 3 MiB
_MAX_DEPTH = 64
_MAX_COPIED = 1 << 20
_MAX_LAYERS = 10000
_NIL, _NUMBER, _STRING, _TABLE, _TORCH, _BOOLEAN = range(6)
_DTYPES = {'Float': '<f4', 'Cuda': '<f4', 'Double': '<f8', 'CudaDouble': '<f8', 'Long': '<i8', 'Int': '<i4',
           'Short': '<i2', 'Char': 'i1', 'Byte': 'u1', 'CudaLong': '<i8', 'CudaByte': 'u1'}


class Object(NamedTuple):
    """A torch object other than a tensor: its class, and the table that it wrote."""

    kind: str
    fields: Dict[Any, Any]


def recognise(path: Path) -> bool:
    """Tell whether a file begins as Torch7 writes an object: type 4, index 1, a version."""
    try:
        if not Path(path).is_file():        # a pipe would be waited for
            return False
        with Path(path).open('rb') as file:
            return file.read(14) == struct.pack('<iii', _TORCH, 1, 3) + b'V '
    except OSError:
        return False


def load(path: Path) -> Any:
    """Return the object in a file: numbers, text, dictionaries, `Object`s, and arrays where tensors were.

    InputError, in one line that names the file, where it is missing, too large, damaged or holds code.
    """
    data = read_bytes(Path(path), MAX_BYTES, "the authors' weights")
    try:
        return _Reader(data).read()
    except (ValueError, IndexError, KeyError, TypeError, struct.error, UnicodeDecodeError,
            OverflowError) as error:
        raise InputError(f'{path}: no Torch7 file, or damaged: {error}') from None


class _Reader:
    """Reads one stream; every length is checked against what is left of it before anything is made."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0
        self._known: Dict[int, Any] = {}
        self._tensors = 0       # bytes of arrays made so far
        self._copied = 0        # entries of objects' tables

    def read(self, depth: int = 0) -> Any:
        """Read the next value."""
        if depth > _MAX_DEPTH:
            raise ValueError('nested too deeply')
        kind = self._number('<i')
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            return self._number('<d')
        if kind == _STRING:
            return self._text()
        if kind == _BOOLEAN:
            return bool(self._number('<i'))
        if kind not in (_TABLE, _TORCH):
            raise ValueError(f'a value of type {kind}, which may be code, at byte {self._place}')
        index = self._number('<i')
        if index in self._known:
            return self._known[index]
        if kind == _TABLE:
            table: Dict[Any, Any] = {}
            self._known[index] = table
            return self._fill(table, depth)
        return self._object(index, depth)

    def _object(self, index: int, depth: int) -> Any:
        name = self._text()
        if name.startswith('V '):       # a version comes before the name
            name = self._text()
        if not name.startswith(('torch.', 'nn.', 'cudnn.')):
            raise ValueError(f'an object of the unknown class {name[:40]!r}')
        base, _, kind = name.rpartition('.')
        if base == 'torch' and kind.endswith('Storage') and kind[:-7] in _DTYPES:
            self._known[index] = self._storage(np.dtype(_DTYPES[kind[:-7]]))
        elif base == 'torch' and kind.endswith('Tensor') and kind[:-6] in _DTYPES:
            self._known[index] = self._tensor(np.dtype(_DTYPES[kind[:-6]]), depth)
        else:
            self._known[index] = found = Object(name, {})
            fields = self.read(depth + 1)
            if isinstance(fields, dict):
                self._copied += len(fields)
                if self._copied > _MAX_COPIED:
                    raise ValueError('the same table again and again')
                found.fields.update(fields)
        return self._known[index]

    def _fill(self, table: Dict[Any, Any], depth: int) -> Dict[Any, Any]:
        for _ in range(self._count(self._number('<i'), 8)):
            key = self.read(depth + 1)
            value = self.read(depth + 1)
            table[int(key) if isinstance(key, float) and key.is_integer() else key] = value
        return table

    def _storage(self, dtype: np.dtype) -> np.ndarray:
        count = self._count(self._number('<q'), dtype.itemsize)
        return np.frombuffer(self._take(count * dtype.itemsize), dtype)

    def _tensor(self, dtype: np.dtype, depth: int) -> np.ndarray:
        axes = self._count(self._number('<i'), 16)
        if axes > 8:
            raise ValueError(f'a tensor of {axes} axes')
        size, stride = (struct.unpack(f'<{axes}q', self._take(8 * axes)) for _ in range(2))
        offset = self._number('<q') - 1
        storage = self.read(depth + 1)
        if storage is None or not axes:
            return np.zeros(0, dtype)
        if not isinstance(storage, np.ndarray) or storage.dtype != dtype:
            raise ValueError('a tensor without storage')
        tensor = view(storage, offset, size, stride)
        self._tensors += tensor.nbytes
        if self._tensors > MAX_BYTES:
            raise ValueError('its tensors have more bytes than any such file')
        return tensor.copy()

    def _text(self) -> str:
        return self._take(self._count(self._number('<i'), 1)).decode('latin1')

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _count(self, count: int, each: int) -> int:
        """Check a declared count of values of at least `each` bytes."""
        if not 0 <= count * each <= len(self._data) - self._place:
            raise ValueError(f'{count} values are promised where there is no room for them, '
                             f'at byte {self._place}')
        return int(count)

    def _take(self, length: int) -> bytes:
        taken = self._data[self._place:self._place + length]
        if len(taken) < length:
            raise ValueError('it ends too early')
        self._place += length
        return taken


def layers(module: Any) -> List[Object]:
    """Return the layers of a network in the order in which they were put together, containers left out."""
    found: List[Object] = []
    waiting = [module]
    for _ in range(_MAX_LAYERS):        # containers may hold themselves
        if not waiting:
            return found
        layer = waiting.pop()
        if not isinstance(layer, Object):
            raise ValueError('a container holds something that is no layer')
        parts = layer.fields.get('modules')
        if isinstance(parts, dict) and parts:
            waiting += [parts[number] for number in sorted(parts, reverse=True)]
        else:
            found.append(layer)
        if len(waiting) > _MAX_LAYERS:
            break
    raise ValueError(f'a network of more than {_MAX_LAYERS} layers')
