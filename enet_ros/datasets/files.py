"""Data sets made of image files, label images and lists; what is wrong is one line that names the file."""

from pathlib import Path
import struct
from typing import Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple
import zlib

import cv2
import numpy as np

from .. import picture_files
from ..errors import InputError, did_you_mean
from ..files import read_bytes
from .sample import Dataset, Sample

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff')
_PNG = b'\x89PNG\r\n\x1a\n'
_MAX_LIST_BYTES = 32 << 20


class Frame(NamedTuple):
    """An image file, its annotation file (None: it has none) and where the frame belongs."""

    name: str
    image: Path
    label: Optional[Path] = None
    sequence: str = ''
    stamp: Optional[float] = None


class FileDataset(Dataset):
    """Samples of image files, each with the annotation file that belongs to it."""

    _frames: List[Frame]

    def __len__(self) -> int:
        return len(self._frames)

    def names(self) -> List[str]:
        """Return the frames' names in order."""
        return [frame.name for frame in self._frames]

    def __getitem__(self, index: int) -> Sample:
        frame = self._frames[index]
        picture, sample = image(frame.image), self.annotation(index)
        if frame.label is not None and sample.label is not None:
            check_size(frame.image, picture, frame.label, sample.label)
        return sample._replace(image=picture)

    def annotation(self, index: int) -> Sample:
        """Return a sample without its image."""
        frame = self._frames[index]
        if frame.label is not None and not frame.label.exists():
            raise InputError(f'{frame.image}: its annotation {frame.label} is missing')
        labels, instances = (None, None) if frame.label is None else self._truth(frame.label)
        return Sample(frame.name, None, labels, instances, frame.sequence, frame.stamp)

    def _truth(self, path: Path) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        """Read an annotation: labels, and instances where there are any."""
        raise NotImplementedError


def check_split(split: Optional[str], known: Sequence[str], origin: Path) -> None:
    """Raise InputError where a split (None: all) is not one of those that a data set has."""
    if split is not None and split not in known:
        raise InputError("{}: split '{}' does not exist; there are: {}{}".format(
            origin, split, ', '.join(known) or 'none', did_you_mean(split, known)))


def image(path: Path) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB."""
    return cv2.cvtColor(picture_files.read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def label(path: Path) -> np.ndarray:
    """Read a label image: (H, W) integers as the file stores them, or (H, W, 3) uint8 RGB colours.

    A palette PNG is read as its indices, not as its colours: that is how label files use palettes.
    """
    data = read_bytes(path, picture_files.MAX_FILE_BYTES, 'image')
    depth = _palette_depth(data)
    if depth:
        grey = _decode(path, _without_palette(data))
        return grey // (255 // ((1 << depth) - 1))      # fewer than 8 bits come stretched to 0..255
    decoded = _decode(path, data)
    if decoded.ndim == 2:
        if decoded.dtype.kind not in 'ui' or decoded.max(initial=0) > 65535:
            raise InputError(f'{path}: holds {decoded.dtype} that are no class numbers')
        return decoded
    if decoded.dtype != np.uint8:
        raise InputError(f'{path}: a label image has one channel or 8-bit colours, not {decoded.shape[2]} '
                         f'of {decoded.dtype}')
    return cv2.cvtColor(decoded[..., :3], cv2.COLOR_BGR2RGB)


def ids(path: Path) -> np.ndarray:
    """Read a label image of class numbers, (H, W) integers; InputError where it is a colour image."""
    values = label(path)
    if values.ndim != 2:
        if (values == values[..., :1]).all():       # grey saved as colour
            return np.ascontiguousarray(values[..., 0])
        raise InputError(f'{path}: a single-channel image of class numbers is expected, not colours')
    return values


def indices(path: Path, table: np.ndarray, known: Iterable[int]) -> np.ndarray:
    """Read class numbers and look them up, (H, W) uint8; a number that is not `known` is refused."""
    values = ids(path)
    accepted = np.zeros(max(int(values.max(initial=0)) + 1, 256), bool)
    accepted[list(known)] = True
    if values.dtype == np.uint8 and values.size and not cv2.countNonZero(
            cv2.LUT(values, (~accepted[:256]).astype(np.uint8))):
        return cv2.LUT(values, table)       # far quicker than numpy's indexing
    if values.min(initial=0) < 0 or not accepted[values].all():
        odd = values[(values < 0) | ~accepted[np.maximum(values, 0)]]
        raise InputError(f'{path}: value {int(odd.flat[0])} ({odd.size} pixels) is no class number of this '
                         'data set')
    return table[values.astype(np.uint8)]


class ColourCoding:
    """A table RGB colour -> class index for colour-coded label images."""

    _UNKNOWN = 254      # no table has that many classes with colours

    def __init__(self, colours: Mapping[Tuple[int, int, int], int]) -> None:
        """Take the label (0..253, or IGNORE) of every colour there may be."""
        self._table = np.full(1 << 24, self._UNKNOWN, np.uint8)
        for (red, green, blue), index in colours.items():
            self._table[(red << 16) | (green << 8) | blue] = index

    def read(self, path: Path) -> np.ndarray:
        """Read a colour-coded label image as (H, W) uint8; a colour not in the table is refused."""
        rgb = label(path)
        if rgb.ndim != 3:
            raise InputError(f'{path}: colours are expected, but it has one channel')
        packed = (rgb.astype(np.int32) * (1 << 16, 1 << 8, 1)).sum(2)
        labels = self._table[packed]
        unknown = packed[labels == self._UNKNOWN]
        if unknown.size:
            colour = int(unknown[0])
            raise InputError(f'{path}: colour {colour >> 16},{colour >> 8 & 255},{colour & 255} is not in '
                             f'the colour table ({unknown.size} such pixels)')
        return labels


def check_size(image_path: Path, picture: np.ndarray, label_path: Path, values: np.ndarray) -> None:
    """Raise InputError where an annotation has another size than its image."""
    if picture.shape[:2] != values.shape[:2]:
        raise InputError('{}: is {}x{}, but its image {} is {}x{}'.format(
            label_path, *values.shape[:2], image_path, *picture.shape[:2]))


def lines(path: Path) -> List[str]:
    """Return the non-empty lines of a text file."""
    try:
        text = read_bytes(path, _MAX_LIST_BYTES, 'list').decode('utf-8-sig')
        return [line.strip() for line in text.splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise InputError(f'{path}: no text') from None


def images(folder: Path) -> List[Path]:
    """Return the image files of a folder by name; InputError where there is none."""
    found = sorted(path for path in folder.glob('*') if path.suffix.lower() in IMAGE_SUFFIXES) \
        if folder.is_dir() else []
    if not found:
        raise InputError(f'{folder}: no images there')
    return found


def beside(folder: Path, stem: str, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> Optional[Path]:
    """Return the file of that stem in a folder, None where there is none."""
    for suffix in suffixes:
        path = folder / (stem + suffix)
        if path.is_file():
            return path
    return None


def annotation(folder: Path, stem: str, image_path: Path) -> Path:
    """Return the annotation file of an image; InputError names both where it is missing."""
    found = beside(folder, stem)
    if found is None:
        raise InputError('{}: its annotation {} is missing'.format(image_path, folder / (stem + '.png')))
    return found


def _decode(path: Path, data: bytes) -> np.ndarray:
    try:
        return picture_files.decode(data, cv2.IMREAD_UNCHANGED, ('png', 'jpeg', 'tiff', 'bmp'))
    except picture_files.ImageError as error:
        raise InputError(f'{path}: {error}') from None


def _palette_depth(data: bytes) -> int:
    """Return the bits per pixel of a palette PNG, 0 for everything else."""
    return data[24] if len(data) > 26 and data[:8] == _PNG and data[25] == 3 else 0


def _without_palette(data: bytes) -> bytes:
    """Declare a palette PNG grey and leave its palette out, so that OpenCV gives the indices."""
    parts, place = [_PNG], 8
    while place + 12 <= len(data):
        length, kind = struct.unpack('>I4s', data[place:place + 8])
        body = data[place + 8:place + 8 + length]
        if kind == b'IHDR':
            body = body[:9] + b'\0' + body[10:]
        if kind in (b'IHDR', b'IDAT', b'IEND'):
            parts.append(struct.pack('>I', len(body)) + kind + body
                         + struct.pack('>I', zlib.crc32(kind + body)))
        place += 12 + length
    return b''.join(parts)
