"""Files of torch.save read as numpy arrays, without torch and without executing anything they name.

Both formats are read: the zip archive (torch 1.6 and later) and the stream of pickles before it.
"""

from pathlib import Path
from typing import Any, Dict

from ..errors import InputError, one_line
from ..files import read_bytes
from ..zip_files import BoundedZip
from .torch_pickle import RestrictedUnpickler, Storage, Tensor

_MAX_BYTES = 128 << 20      # of the file, of what it unpacks to, and of all tensors
_MAX_PICKLE_BYTES = 4 << 20
_MAX_MEMBERS = 1 << 16
_MAX_VALUES = 1 << 18
_LEGACY_MAGIC = 0x1950a86a20f9469cfc6c
_LEGACY_PROTOCOL = 1001


def load(path: Path) -> Any:
    """Return what torch.save wrote: dictionaries, lists, numbers, and arrays where tensors were.

    InputError, in one line that names the file, where it is missing, too large, damaged, no such file,
    or names anything beyond tensors and numbers.
    """
    path = Path(path)
    data = read_bytes(path, _MAX_BYTES, "ENet's weights")
    try:
        return _Arrays().of(_read_zip(data) if data[:2] == b'PK' else _read_stream(data))
    except InputError:
        raise
    except Exception as error:      # a damaged pickle raises nearly anything; none of it is the user's affair
        raise InputError(f'{path}: no weights saved by torch, or damaged or unsafe: '
                         f'{one_line(str(error), 300) or type(error).__name__}') from None


def _read_zip(data: bytes) -> Any:
    archive = BoundedZip(data, _MAX_MEMBERS, _MAX_BYTES)
    names = [name for name in archive.members if name.endswith('/data.pkl')]
    if len(names) != 1 or archive.members[names[0]].file_size > _MAX_PICKLE_BYTES:
        raise ValueError('holds no data.pkl, or one of over 4 MiB')
    root = names[0][:-len('data.pkl')]
    storages: Dict[str, Storage] = {}
    result = RestrictedUnpickler(archive.read(names[0]), storages).load()
    if root + 'byteorder' in archive.members and archive.read(root + 'byteorder') != b'little':
        raise ValueError('saved on a big-endian machine')
    for key, storage in storages.items():
        storage.fill(archive.read(f'{root}data/{key}'))
    return result


def _read_stream(data: bytes) -> Any:
    storages: Dict[str, Storage] = {}
    at, values = 0, []
    for _ in range(5):      # magic, protocol, system, the content, the storages' keys
        pickled = RestrictedUnpickler(data[at:at + _MAX_PICKLE_BYTES], storages)
        values.append(pickled.load())
        at += pickled.length
        if values[0] != _LEGACY_MAGIC:
            raise ValueError('no torch file')
    _, protocol, system, result, keys = values
    if protocol != _LEGACY_PROTOCOL or not system.get('little_endian', True):
        raise ValueError('of an unknown version, or saved on a big-endian machine')
    for key in keys:
        if not isinstance(key, str):
            raise ValueError('a storage without a name')
        count, storage = int.from_bytes(data[at:at + 8], 'little'), storages.pop(key)
        if count != storage.count:
            raise ValueError('a storage is not as long as it says')
        end = at + 8 + count * storage.dtype.itemsize
        storage.fill(data[at + 8:end])
        at = end
    return result


class _Arrays:
    """Replaces tensors by arrays throughout, up to a number of values and bytes."""

    def __init__(self) -> None:
        self._values = self._bytes = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return the value with arrays in it; ValueError where that is too much."""
        self._values += 1
        if isinstance(value, Tensor):
            array = value.array()
            self._bytes += array.nbytes
        if depth > 32 or self._values > _MAX_VALUES or self._bytes > _MAX_BYTES:
            raise ValueError('nested too deeply, or the same things again and again')
        if isinstance(value, Tensor):
            return array.copy()
        if isinstance(value, dict):
            return {key: self.of(entry, depth + 1) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(entry, depth + 1) for entry in value]
        return value
