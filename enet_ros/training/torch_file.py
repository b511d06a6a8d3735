"""Files of torch.save read as numpy arrays, without torch and without executing anything they name.

Both formats are read: the zip archive (torch 1.6 and later) and the stream of pickles before it. Of all
that a pickle can name only tensors, ordered dictionaries and one numpy scalar are let through.
"""

from collections import OrderedDict
import io
from pathlib import Path
import pickle
from typing import Any, BinaryIO, Callable, Dict, List, NamedTuple, Tuple
import zipfile

import numpy as np

from ..errors import InputError
from ..files import read_bytes

_MAX_FILE_BYTES = 512 << 20
_LEGACY_MAGIC = 0x1950a86a20f9469cfc6c
_LEGACY_PROTOCOL = 1001
_DTYPES = {'FloatStorage': 'f4', 'DoubleStorage': 'f8', 'HalfStorage': 'f2', 'LongStorage': 'i8',
           'IntStorage': 'i4', 'ShortStorage': 'i2', 'CharStorage': 'i1', 'ByteStorage': 'u1',
           'BoolStorage': '?'}


class _Storage:
    """Bytes that tensors are views of; filled when they are reached in the file."""

    def __init__(self, dtype: str, count: int) -> None:
        self.dtype, self.count = np.dtype('<' + dtype), count
        self.values = np.zeros(0, self.dtype)

    def fill(self, data: bytes) -> None:
        if len(data) != self.count * self.dtype.itemsize:
            raise ValueError('a storage is not as long as it says')
        self.values = np.frombuffer(data, self.dtype)


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: Tuple[int, ...]
    stride: Tuple[int, ...]

    def array(self) -> np.ndarray:
        """Return a copy, after checking that the view stays inside its storage."""
        if len(self.size) != len(self.stride) or min(self.size + self.stride + (self.offset,), default=0) < 0:
            raise ValueError('a tensor has an impossible shape')
        last = self.offset + sum((length - 1) * step for length, step in zip(self.size, self.stride))
        if 0 in self.size:
            return np.zeros(self.size, self.storage.dtype)
        if last >= len(self.storage.values) or int(np.prod(self.size, dtype=object)) > self.storage.count:
            raise ValueError('a tensor reaches beyond its storage')
        item = self.storage.dtype.itemsize
        return np.lib.stride_tricks.as_strided(
            self.storage.values[self.offset:], self.size, [step * item for step in self.stride]).copy()


class _Dtype:
    """What a pickled numpy dtype becomes: its name and nothing else."""

    def __init__(self, name: str, *_: Any) -> None:
        self.name = str(name)

    def __setstate__(self, state: Any) -> None:
        """Ignore byte order and alignment: scalars are little-endian everywhere torch runs."""


def _scalar(dtype: _Dtype, data: Any) -> float:
    if not isinstance(dtype, _Dtype) or dtype.name not in ('f8', 'f4', 'f2', 'i8', 'i4', 'u1', 'b1'):
        raise pickle.UnpicklingError('a numpy scalar of an unusual kind')
    raw = data.encode('latin1') if isinstance(data, str) else bytes(data)
    return float(np.frombuffer(raw, '<' + dtype.name)[0])


def _encode(text: str, encoding: str) -> bytes:
    """Bytes as protocol 2 writes them: _codecs.encode(text, 'latin1')."""
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'text in {encoding}')
    return text.encode('latin1')


def _tensor(storage: _Storage, offset: int, size: Any, stride: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError('a tensor without storage')
    return _Tensor(storage, int(offset), tuple(int(n) for n in size), tuple(int(n) for n in stride))


def _parameter(data: _Tensor, *_: Any) -> _Tensor:
    return data


_ALLOWED: Dict[Tuple[str, str], Callable] = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor_v2'): _tensor,
    ('torch._utils', '_rebuild_parameter'): _parameter,
    ('numpy.core.multiarray', 'scalar'): _scalar,
    ('numpy._core.multiarray', 'scalar'): _scalar,
    ('numpy', 'dtype'): _Dtype,
    ('_codecs', 'encode'): _encode,
}


class _Restricted(pickle.Unpickler):
    """An unpickler that knows the few names above and refuses every other."""

    def __init__(self, stream: BinaryIO, storages: Dict[str, _Storage]) -> None:
        super().__init__(stream, encoding='latin1')
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name in the file; UnpicklingError for any name but the few."""
        if module == 'torch' and name in _DTYPES:
            return name
        if (module, name) in _ALLOWED:
            return _ALLOWED[(module, name)]
        raise pickle.UnpicklingError(f'it wants to use {module}.{name}, which no weights need')

    def persistent_load(self, reference: Any) -> _Storage:
        """Return the storage that a reference ('storage', type, key, location, count) names."""
        kind, name, key, _, count = reference[:5]
        if kind != 'storage' or name not in _DTYPES:
            raise pickle.UnpicklingError('an unknown kind of storage')
        storage = self._storages.setdefault(str(key), _Storage(_DTYPES[name], int(count)))
        view = reference[5] if len(reference) > 5 else None
        if view is not None:
            raise pickle.UnpicklingError('a view of a storage, as torch before 0.4 wrote')
        return storage


def load(path: Path) -> Any:
    """Return what torch.save wrote: dictionaries, lists, numbers, and arrays where tensors were.

    InputError, in one line that names the file, where it is missing, too large, damaged, no such file,
    or names anything beyond tensors and numbers.
    """
    path = Path(path)
    data = read_bytes(path, _MAX_FILE_BYTES, "ENet's weights")
    try:
        return _arrays(_read_zip(data) if data[:2] == b'PK' else _read_stream(data))
    except InputError:
        raise
    except Exception as error:      # a damaged pickle raises nearly anything; none of it is the user's affair
        raise InputError('{}: no weights saved by torch, or damaged or unsafe: {}'.format(
            path, ' '.join(str(error).split()) or type(error).__name__)) from None


def _read_zip(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        if sum(info.file_size for info in infos.values()) > _MAX_FILE_BYTES:
            raise ValueError(f'unpacks to more than {_MAX_FILE_BYTES >> 20} MiB')
        names = [name for name in infos if name.endswith('/data.pkl')]
        if len(names) != 1:
            raise ValueError('holds no data.pkl')
        root = names[0][:-len('data.pkl')]
        storages: Dict[str, _Storage] = {}
        result = _Restricted(io.BytesIO(archive.read(names[0])), storages).load()
        if root + 'byteorder' in infos and archive.read(root + 'byteorder') != b'little':
            raise ValueError('saved on a big-endian machine')
        for key, storage in storages.items():
            storage.fill(archive.read(f'{root}data/{key}'))
        return result


def _read_stream(data: bytes) -> Any:
    stream = io.BytesIO(data)
    storages: Dict[str, _Storage] = {}
    magic, protocol = (_Restricted(stream, {}).load() for _ in range(2))
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        raise ValueError('no torch file')
    if not _Restricted(stream, {}).load().get('little_endian', True):
        raise ValueError('saved on a big-endian machine')
    result = _Restricted(stream, storages).load()
    keys: List[str] = _Restricted(stream, {}).load()
    for key in keys:
        count = int.from_bytes(stream.read(8), 'little')
        storage = storages[str(key)]
        if count != storage.count:
            raise ValueError('a storage is not as long as it says')
        storage.fill(stream.read(count * storage.dtype.itemsize))
    return result


def _arrays(value: Any, depth: int = 0) -> Any:
    """Replace tensors by arrays throughout."""
    if depth > 32:
        raise ValueError('nested too deeply')
    if isinstance(value, _Tensor):
        return value.array()
    if isinstance(value, dict):
        return {key: _arrays(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_arrays(entry, depth + 1) for entry in value]
    return value
