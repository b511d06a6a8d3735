"""The pickles inside torch's files, read without executing anything they name.

Of all that a pickle can name only tensors, ordered dictionaries and one numpy scalar are let through, and of
pickle's instructions only those that torch writes: the others, and what refers to itself again and again,
can make terabytes of a kilobyte.
"""

from collections import OrderedDict
import io
import pickle
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np

_DTYPES = {'FloatStorage': 'f4', 'DoubleStorage': 'f8', 'HalfStorage': 'f2', 'LongStorage': 'i8',
           'IntStorage': 'i4', 'ShortStorage': 'i2', 'CharStorage': 'i1', 'ByteStorage': 'u1',
           'BoolStorage': '?'}


class Storage:
    """Bytes that tensors are views of; filled when they are reached in the file."""

    def __init__(self, dtype: str, count: int) -> None:
        self.dtype, self.count = np.dtype('<' + dtype), count
        self.values = np.zeros(0, self.dtype)

    def fill(self, data: bytes) -> None:
        """Take the bytes; ValueError where they are not as many as was said."""
        if len(data) != self.count * self.dtype.itemsize:
            raise ValueError('a storage is not as long as it says')
        self.values = np.frombuffer(data, self.dtype)


class Tensor(NamedTuple):
    """A view of a storage; offset and strides in elements."""

    storage: Storage
    offset: int
    size: Tuple[int, ...]
    stride: Tuple[int, ...]

    def array(self) -> np.ndarray:
        """Return a view, after checking that it stays inside its storage."""
        return view(self.storage.values, self.offset, self.size, self.stride)


def view(storage: np.ndarray, offset: int, size: Tuple[int, ...], stride: Tuple[int, ...]) -> np.ndarray:
    """Return a view of a storage, offset and strides in elements; ValueError where it would leave it."""
    if len(size) != len(stride) or min(size + stride + (offset,), default=0) < 0:
        raise ValueError('a tensor has an impossible shape')
    if 0 in size:
        return np.zeros(size, storage.dtype)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride))
    if last >= len(storage) or int(np.prod(size, dtype=object)) > len(storage):
        raise ValueError('a tensor reaches beyond its storage')
    return np.lib.stride_tricks.as_strided(
        storage[offset:], size, [step * storage.dtype.itemsize for step in stride])


class _Dtype:
    """What a pickled numpy dtype becomes: its name and nothing else."""

    def __init__(self, name: str, *_: Any) -> None:
        self.name = name if isinstance(name, str) else ''


def _scalar(dtype: _Dtype, data: Any) -> float:
    if not isinstance(dtype, _Dtype) or dtype.name not in ('f8', 'f4', 'f2', 'i8', 'i4', 'u1', 'b1'):
        raise pickle.UnpicklingError('a numpy scalar of an unusual kind')
    if not isinstance(data, (str, bytes)) or len(data) > 8:
        raise pickle.UnpicklingError('a numpy scalar of an unusual size')
    raw = data.encode('latin1') if isinstance(data, str) else data
    return float(np.frombuffer(raw, '<' + dtype.name)[0])


def _encode(text: str, encoding: str) -> bytes:
    """Bytes as protocol 2 writes them: _codecs.encode(text, 'latin1'), of a scalar."""
    if encoding != 'latin1' or len(text) > 8:
        raise pickle.UnpicklingError('encoded text that is no scalar')
    return text.encode('latin1')


def _ordered(pairs: Any = ()) -> 'OrderedDict':
    """Return an empty dictionary: what it holds comes by instructions of its own (but from Python 2)."""
    if pairs:
        raise pickle.UnpicklingError('a dictionary as Python 2 wrote it: save the weights with Python 3')
    return OrderedDict()


def _tensor(storage: Storage, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    numbers = [offset, *tuple(size[:32]), *tuple(stride[:32])]
    if not isinstance(storage, Storage) or not all(isinstance(number, int) for number in numbers):
        raise pickle.UnpicklingError('a tensor without storage or shape')
    return Tensor(storage, offset, tuple(size[:32]), tuple(stride[:32]))


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


_ALLOWED: Dict[Tuple[str, str], Callable] = {
    ('collections', 'OrderedDict'): _ordered,
    ('torch._utils', '_rebuild_tensor'): _tensor,        # torch before 0.4
    ('torch._utils', '_rebuild_tensor_v2'): _tensor,
    ('torch._utils', '_rebuild_parameter'): _parameter,
    ('numpy.core.multiarray', 'scalar'): _scalar,
    ('numpy._core.multiarray', 'scalar'): _scalar,
    ('numpy', 'dtype'): _Dtype,
    ('_codecs', 'encode'): _encode,
}
# What protocol 2 of pickle needs for dictionaries, lists, tuples, numbers and text.
_INSTRUCTIONS = (
    'PROTO STOP MARK EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND APPENDS SETITEM '
    'SETITEMS NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE BINSTRING '
    'SHORT_BINSTRING BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL REDUCE BUILD BINPERSID').split()


_Unpickler: Any = getattr(pickle, '_Unpickler')     # the one written in Python


class RestrictedUnpickler(_Unpickler):
    """An unpickler that knows the few names and instructions above and refuses every other.

    In Python, whose memo is a dictionary: the one in C allocates as many places as a file names.
    """

    def __init__(self, data: bytes, storages: Dict[str, Storage]) -> None:
        self._stream = io.BytesIO(data)
        super().__init__(self._stream, encoding='latin1')
        self._storages = storages

    @property
    def length(self) -> int:
        """How many bytes were read."""
        return self._stream.tell()

    def find_class(self, module: str, name: str) -> Any:
        """Return our function for a name in the file; UnpicklingError for any other name."""
        if module == 'torch' and name in _DTYPES:
            return name
        if (module, name) in _ALLOWED:
            return _ALLOWED[(module, name)]
        raise pickle.UnpicklingError(f'it wants to use {module}.{name}, which no weights need')

    def persistent_load(self, reference: Any) -> Storage:
        """Return the storage that a reference ('storage', type, key, location, count) names."""
        kind, name, key, _, count, *view = reference[:6]
        # Only text and numbers are compared: a tuple that holds itself often enough takes for ever.
        if not (kind == 'storage' and isinstance(name, str) and name in _DTYPES
                and isinstance(key, (str, int)) and isinstance(count, int)):
            raise pickle.UnpicklingError('an unknown kind of storage')
        if view not in ([], [None]):
            raise pickle.UnpicklingError('a view of a storage, as torch before 0.4 wrote')
        return self._storages.setdefault(str(key), Storage(_DTYPES[name], count))

    def _reduce(self) -> None:
        """Call one of the functions above."""
        arguments = self.stack.pop()
        if len(arguments) > 16:
            raise pickle.UnpicklingError('a call with too many arguments')
        self.stack[-1] = self.stack[-1](*arguments)

    def _build(self) -> None:
        """Leave out attributes: those of a dictionary tell versions, those of a dtype the byte order."""
        self.stack.pop()

    def _set_item(self) -> None:
        pair = self.stack[-2:]
        del self.stack[-2:]
        self._put(pair)

    def _set_items(self) -> None:
        self._put(self.pop_mark())

    def _put(self, pairs: List[Any]) -> None:
        if not all(isinstance(key, (str, int)) for key in pairs[::2]):      # hashed, so as above
            raise pickle.UnpicklingError('a key that is neither text nor a number')
        self.stack[-1].update(zip(pairs[::2], pairs[1::2]))

    dispatch = {getattr(pickle, name)[0]: _Unpickler.dispatch[getattr(pickle, name)[0]]
                for name in _INSTRUCTIONS}
    dispatch.update({pickle.REDUCE[0]: _reduce, pickle.BUILD[0]: _build, pickle.SETITEM[0]: _set_item,
                     pickle.SETITEMS[0]: _set_items})
