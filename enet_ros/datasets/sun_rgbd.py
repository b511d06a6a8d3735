"""SUN RGB-D (Song et al., 2015) with its 37 classes, in the three layouts that people have."""

import io
from pathlib import Path, PurePosixPath
import re
import struct
from typing import Any, Iterator, List, Optional, Tuple
import zlib

import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from ..files import read_bytes
from ..libraries import need
from ..picture_files import MAX_PIXELS, MAX_SIDE
from . import files
from .files import Frame
from .sample import Sample

SPLITS = ('train', 'test')
_LABEL_FOLDERS = ('sunrgbd_train_test_labels', 'sunrgbd_labels', 'train_test_labels', 'labels')
_META, _SEGMENTS, _SPLIT = (Path('SUNRGBDtoolbox') / name for name in (
    'Metadata/SUNRGBDMeta.mat', 'Metadata/SUNRGBD2Dseg.mat', 'traintestSUNRGBD/allsplit.mat'))
_COMPRESSED = 15                # an element of a MATLAB file, by its number
_MAX_MATLAB_BYTES = 1 << 30     # of a list of frames, as it is in memory
_TEST_FRAMES = 5050     # in the joint label folder frames 1..5050 are test, 5051..10335 train


class SunRGBD(files.FileDataset):
    """Frames `<split>-<file>` by split and number; label i is file value i + 1, value 0 is ignored.

    Layouts: 'folders' (`image/{train,test}/img-N.jpg`, `label37/{train,test}/img37labels-N.png`) and
    'tarballs' (`SUNRGBD-{train,test}_images/img-N.jpg` with one folder of labels `img-N.png`, in which
    1..5050 are the test frames and 5051..10335 the training frames). Raises InputError for a folder,
    split or file that is wrong.
    """

    name = 'sun_rgbd'

    def __init__(self, root: Path, split: Optional[str] = None, layout: Optional[str] = None) -> None:
        root = Path(root)
        self.classes, self.split, layout = ClassTable.load('sun_rgbd'), split, layout or recognise(root)
        files.check_split(split, SPLITS, root)
        if layout not in _LAYOUTS:
            raise InputError('{}: not a layout of SUN RGB-D; known are: {}'.format(
                layout or root, ', '.join(_LAYOUTS)))
        self._frames = [frame for name in ([split] if split else SPLITS)
                        for frame in _LAYOUTS[layout](root, name)]

    def _truth(self, path: Path) -> Tuple[np.ndarray, None]:
        known = self.classes.ids + (self.classes.ignore_id, IGNORE)
        return files.indices(path, self.classes.id_table(), known), None


class Original(SunRGBD):
    """The authors' own tree: `SUNRGBD/` with the images, and `SUNRGBDtoolbox/` with its MATLAB files.

    `SUNRGBDMeta.mat` lists the frames, `allsplit.mat` their split, and `SUNRGBD2Dseg.mat` (HDF5) holds the
    labels in the same order. A frame is named by its folder. Needs SciPy and h5py.
    """

    def __init__(self, root: Path, split: Optional[str] = None) -> None:
        need('the original SUN RGB-D', ['scipy', 'h5py'])
        self.classes, self.split = ClassTable.load('sun_rgbd'), split
        files.check_split(split, SPLITS, root)
        self._frames, self._rows = [], []
        try:
            wanted = _matlab(root / _SPLIT)
            place_of = {_inside(path): name for name in ([split] if split else SPLITS)
                        for path in np.atleast_1d(wanted[f'all{name}']).tolist()}
            for row, frame in enumerate(np.atleast_1d(_matlab(root / _META)['SUNRGBDMeta'])):
                folder = _inside(frame.sequenceName)
                if folder in place_of:
                    self._rows.append(row)
                    image = root / 'SUNRGBD' / folder / 'image' / Path(str(frame.rgbname)).name
                    name = place_of[folder] + '-' + folder.replace('/', '_')
                    self._frames.append(Frame(name, image, root / _SEGMENTS))
        except InputError:
            raise
        except Exception as error:      # SciPy's reader fails in many ways
            raise InputError(f'{root}: its SUNRGBDtoolbox cannot be read: {error!r}') from None

    def annotation(self, index: int) -> Sample:
        """Return a sample without its image."""
        import h5py
        frame = self._frames[index]
        try:
            with h5py.File(str(frame.label), 'r') as file:
                references = file['SUNRGBD2Dseg']['seglabel']
                _check_chunks(references)
                stored = file[references[self._rows[index], 0]]
                if stored.ndim != 2 or max(stored.shape) > MAX_SIDE or stored.size > MAX_PIXELS:
                    raise ValueError(f'labels of shape {stored.shape}')
                if stored.dtype.kind not in 'uif':
                    raise ValueError(f'labels of type {stored.dtype}')
                _check_chunks(stored)
                values = np.array(stored).T     # MATLAB counts columns first
        except (KeyError, TypeError, ValueError, OSError, IndexError, AttributeError) as error:
            raise InputError(f'{frame.label}: no labels of {frame.name}: {error}') from None
        if values.size and not 0 <= values.min() <= values.max() <= len(self.classes):
            raise InputError(f'{frame.label}: {frame.name} has values beyond 0 to {len(self.classes)}')
        return Sample(frame.name, None, self.classes.id_table()[values.astype(np.uint8)])


def _check_chunks(stored: Any) -> None:
    """Raise ValueError where HDF5 would unpack far more than it is asked for."""
    if np.prod(stored.chunks or (1,), dtype=object) > MAX_PIXELS or stored.dtype.itemsize > 16:
        raise ValueError(f'chunks of shape {stored.chunks} and type {stored.dtype}')


def _matlab(path: Path) -> Any:
    """Read the variables of a MATLAB 5 file; InputError, ValueError and whatever SciPy may raise."""
    from scipy.io import loadmat
    data = read_bytes(path, _MAX_MATLAB_BYTES, 'list of frames')
    order, at, size = '<' if data[126:128] == b'IM' else '>', 128, 0
    while at + 8 <= len(data):      # SciPy unpacks as much as there is
        kind, length = struct.unpack_from(order + 'II', data, at)
        if kind == _COMPRESSED:
            for part in _unpacked(data[at + 8:at + 8 + length]):
                size += len(part)
                if size > _MAX_MATLAB_BYTES:
                    raise InputError(f'{path}: unpacked, it has over {_MAX_MATLAB_BYTES >> 20} MiB')
        at += 8 + length
    return loadmat(io.BytesIO(data), squeeze_me=True, struct_as_record=False)


def _unpacked(packed: bytes) -> Iterator[bytes]:
    stream = zlib.decompressobj()
    while packed and not stream.eof:
        yield stream.decompress(packed, 1 << 20)
        packed = stream.unconsumed_tail


def _inside(path: str) -> str:
    """Return a frame's folder below SUNRGBD, whatever the authors' disk is called; ValueError."""
    folder = PurePosixPath(str(path).rpartition('SUNRGBD/')[2])
    if folder.is_absolute() or '..' in folder.parts or not folder.parts:
        raise ValueError(f'{path} names no folder of the data set')
    return str(folder)


def recognise(root: Path) -> Optional[str]:
    """Return the layout of a SUN RGB-D folder, None where it is none."""
    root = Path(root)
    if (root / _META).is_file():
        return 'original'
    if (root / 'label37').is_dir() and (root / 'image').is_dir():
        return 'folders'
    if any((root / f'SUNRGBD-{split}_images').is_dir() for split in SPLITS):
        return 'tarballs'
    return None


def _number(path: Path) -> int:
    match = re.search(r'(\d+)$', path.stem)
    if match is None:
        raise InputError(f'{path}: its name ends in no number')
    return int(match.group(1))


def _frame(image: Path, split: str, folder: Path, stem: str) -> Frame:
    return Frame(f'{split}-{image.stem}', image, files.annotation(folder, stem, image))


def _folders(root: Path, split: str) -> List[Frame]:
    return [_frame(path, split, root / 'label37' / split, f'img37labels-{_number(path):06d}')
            for path in files.images(root / 'image' / split)]


def _tarballs(root: Path, split: str) -> List[Frame]:
    images = files.images(root / f'SUNRGBD-{split}_images')
    labels = next((root / name for name in _LABEL_FOLDERS if (root / name).is_dir()), None)
    if labels is None:
        raise InputError('{}: no folder of labels; one of {} is expected'.format(
            root, ', '.join(_LABEL_FOLDERS)))
    # Some copies number the training images from 1, some go on after the test images.
    numbers = [_number(path) for path in images]
    offset = _TEST_FRAMES if split == 'train' and min(numbers) <= _TEST_FRAMES else 0
    return [_frame(path, split, labels, f'img-{number + offset:06d}')
            for path, number in zip(images, numbers)]


_LAYOUTS = {'folders': _folders, 'tarballs': _tarballs}
