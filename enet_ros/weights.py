"""Checkpoints: named arrays and a JSON record in one .npz file, without pickle and without torch."""

import hashlib
import io
import json
import os
from pathlib import Path
import re
from typing import Any, Dict, Mapping, Optional, Tuple, Union
import zipfile

import numpy as np
from numpy.lib import format as npy

from . import files, resources
from .classes import ClassTable
from .errors import InputError, one_line
from .json_files import parse_json
from .zip_files import BoundedZip

FORMAT = 1
NORMALISATION = 'x/255'     # what every network here is trained on: RGB bytes over 255
_MAX_BYTES = 256 << 20          # of the file and of what it unpacks to; SegNet in fp32 takes 118 MB
_MAX_MEMBERS = 4096
_MAX_RECORD_BYTES = 4 << 20
_MAX_PIXELS = 1 << 23           # of a frame that is segmented: 3840x2160 is just below
_RECORD = 'metadata'
_REQUIRED = ('format', 'network', 'classes', 'input_size', 'normalisation')
_DTYPES = ('float16', 'float32')


class WeightsError(InputError):
    """A weights file that is missing, damaged, foreign or made for something else."""


class Checkpoint:
    """A trained network: `arrays` by state-dict name and `metadata`, plain JSON types.

    Metadata keys: format (1), network ('enet', 'segnet', 'segnet-basic'), variant, classes (a class
    table), input_size [height, width], normalisation ('x/255'), training, scores, version; where known,
    licence and temperature.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any],
                 origin: str = 'checkpoint') -> None:
        """Check the record; WeightsError (naming `origin`) where a key is missing or wrong."""
        self.arrays: Dict[str, np.ndarray] = dict(arrays)
        self.metadata: Dict[str, Any] = dict(metadata)
        self.origin = origin
        self._sha256: Optional[str] = None
        _check_metadata(self.metadata, origin)
        self.classes = ClassTable.from_dict(self.metadata['classes'], origin)
        num_classes = self.metadata.get('num_classes', len(self.classes))
        if num_classes != len(self.classes):
            raise WeightsError(f"{origin}: the network gives {num_classes} classes, but class table "
                               f"'{self.classes.name}' has {len(self.classes)}")

    @property
    def network(self) -> str:
        """Name of the network: 'enet', 'segnet' or 'segnet-basic'."""
        return str(self.metadata['network'])

    @property
    def variant(self) -> str:
        """Variant of the network, 'authors' where the record names none."""
        return str(self.metadata.get('variant') or 'authors')

    @property
    def input_size(self) -> Tuple[int, int]:
        """Return the (height, width) that the network was trained at."""
        height, width = self.metadata['input_size']
        return int(height), int(width)

    @property
    def licence(self) -> str:
        """Under which licence the weights may be used, with that of their data; '' where it is not known."""
        return str(self.metadata.get('licence', ''))

    @property
    def temperature(self) -> float:
        """What logits are divided by for a softmax that is calibrated; 1.0 where it was not fitted."""
        return float(self.metadata.get('temperature', 1.0))

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, as `sha256sum` prints it; of the bytes to be written where there is none."""
        if self._sha256 is None:
            self._sha256 = hashlib.sha256(_pack(self)).hexdigest()
        return self._sha256


def load(name: Union[str, Path]) -> Checkpoint:
    """Read a shipped checkpoint by name ('camvid', 'synthetic') or any .npz by its path.

    Sizes are checked before anything is unpacked and nothing in the file is executed. Raises
    WeightsError, which names the file, where it is missing, truncated, foreign, too large or
    contradicts itself.
    """
    path = _locate(name)
    try:
        packed = files.read_bytes(path, _MAX_BYTES, 'weights file of this package')
    except InputError as error:
        raise WeightsError(f'{error}; give a shipped name or a path to .npz') from None
    try:
        archive = BoundedZip(packed, _MAX_MEMBERS, _MAX_BYTES)
        members = {re.sub(r'\.npy$', '', name): _read_array(archive.read(name), name)
                   for name in archive.members}
    except Exception as error:  # zipfile, zlib and numpy's header parser raise a dozen kinds
        raise WeightsError(f'{path}: truncated, or no weights file of this package '
                           f'({one_line(str(error), 300) or type(error).__name__})') from None
    metadata = _read_record(members, str(path))
    checkpoint = Checkpoint(members, metadata, str(path))
    checkpoint._sha256 = hashlib.sha256(packed).hexdigest()
    return checkpoint


def save(path: Union[str, Path], checkpoint: Checkpoint, dtype: Any = np.float16) -> None:
    """Write a checkpoint atomically: the same content gives the same bytes.

    Matrices and kernels are stored as `dtype` (float16 or float32); vectors, such as the statistics
    of a batch norm, always as float32: they are few, and a small variance would be lost in float16.
    WeightsError where a value is not finite as it would be stored, or the file cannot be written.
    """
    with np.errstate(over='ignore'):
        stored = {name: array.astype(dtype if array.ndim > 1 else np.float32)
                  for name, array in checkpoint.arrays.items()}
    broken = [name for name, array in stored.items() if not np.isfinite(array).all()]
    if broken:
        raise WeightsError(f'{path}: not written: {broken[0]} holds values that are not finite or too '
                           f'large for {np.dtype(dtype).name}')
    packed = _pack(Checkpoint(stored, checkpoint.metadata, str(path)))
    try:
        files.write_bytes(path, packed, 'the weights were')
    except InputError as error:
        raise WeightsError(str(error)) from None


def _locate(name: Union[str, Path]) -> Path:
    path = Path(name)
    if path.suffix == '.npz' or len(path.parts) > 1 or os.path.isfile(str(path)):
        return path
    return resources.find('models', f'enet_{name}.npz')


def _read_array(member: bytes, name: str) -> np.ndarray:
    """Read one .npy; the header may not promise more than the member holds (no allocation on trust)."""
    stream = io.BytesIO(member)
    version = npy.read_magic(stream)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject:
        raise ValueError(f'{name} holds Python objects, which are never loaded')
    count = 1
    for length in shape:
        count *= int(length)
    if count * dtype.itemsize != len(member) - stream.tell():
        raise ValueError(f'{name} is not as long as its header says')
    stream.seek(0)
    return npy.read_array(stream, allow_pickle=False)


def _read_record(members: Dict[str, np.ndarray], origin: str) -> Dict[str, Any]:
    record = members.pop(_RECORD, None)
    if record is None or record.dtype != np.uint8 or record.size > _MAX_RECORD_BYTES:
        raise WeightsError(f'{origin}: holds arrays but no record of this package; if these are weights of '
                           'PyTorch-ENet, convert them with `enet_ros import_weights`')
    try:
        metadata = parse_json(record.tobytes(), f'{origin}: its record')
    except InputError as error:
        raise WeightsError(str(error)) from None
    if not isinstance(metadata, dict):
        raise WeightsError(f'{origin}: its record is no mapping')
    foreign = [name for name, array in members.items() if array.dtype.name not in _DTYPES]
    if foreign:
        raise WeightsError(f'{origin}: {foreign[0]} is {members[foreign[0]].dtype}, not float16 or float32')
    broken = [name for name, array in members.items() if not np.isfinite(array).all()]
    if broken:
        raise WeightsError(f'{origin}: {broken[0]} holds values that are not finite')
    return metadata


def _check_metadata(metadata: Mapping[str, Any], origin: str) -> None:
    missing = [key for key in _REQUIRED if key not in metadata]
    if missing:
        raise WeightsError(f'{origin}: its record lacks {", ".join(missing)}')
    if metadata['format'] != FORMAT:
        raise WeightsError(f'{origin}: format {metadata["format"]!r}, but this version reads format {FORMAT}')
    if metadata['normalisation'] != NORMALISATION:
        raise WeightsError(f'{origin}: wants input normalised as {metadata["normalisation"]!r}; '
                           f'this package feeds {NORMALISATION!r}')
    temperature = metadata.get('temperature', 1.0)
    if not isinstance(temperature, (int, float)) or not 0.01 <= temperature <= 100:
        raise WeightsError(f'{origin}: temperature {temperature!r} is no number between 0.01 and 100')
    size = metadata['input_size']
    if not (isinstance(size, (list, tuple)) and len(size) == 2
            and all(isinstance(side, int) and 0 < side <= 1 << 14 and side % 8 == 0 for side in size)
            and size[0] * size[1] <= _MAX_PIXELS):
        raise WeightsError(f'{origin}: input_size {size!r} is no [height, width] in multiples of 8 '
                           f'of at most {_MAX_PIXELS} pixels')


def _pack(checkpoint: Checkpoint) -> bytes:
    record = json.dumps(checkpoint.metadata, sort_keys=True, ensure_ascii=False).encode('utf-8')
    members = dict(checkpoint.arrays)
    members[_RECORD] = np.frombuffer(record, np.uint8)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            member = io.BytesIO()
            npy.write_array(member, np.ascontiguousarray(members[name]), allow_pickle=False)
            # A fixed date, so that equal content is equal to the byte.
            archive.writestr(zipfile.ZipInfo(name + '.npy'), member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
