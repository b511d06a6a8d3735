"""SUN RGB-D (Song et al., 2015) with its 37 classes, in the three layouts that people have."""

from pathlib import Path, PurePosixPath
import re
from typing import List, Optional, Tuple

import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from ..libraries import need
from ..picture_files import MAX_SIDE
from . import files
from .files import Frame
from .sample import Sample

SPLITS = ('train', 'test')
_LABEL_FOLDERS = ('sunrgbd_train_test_labels', 'sunrgbd_labels', 'train_test_labels', 'labels')
_META, _SEGMENTS, _SPLIT = (Path('SUNRGBDtoolbox') / name for name in (
    'Metadata/SUNRGBDMeta.mat', 'Metadata/SUNRGBD2Dseg.mat', 'traintestSUNRGBD/allsplit.mat'))
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
        from scipy.io import loadmat
        self.classes, self.split = ClassTable.load('sun_rgbd'), split
        files.check_split(split, SPLITS, root)
        self._frames, self._rows = [], []
        try:
            wanted = loadmat(str(root / _SPLIT), squeeze_me=True)
            place_of = {_inside(path): name for name in ([split] if split else SPLITS)
                        for path in np.atleast_1d(wanted[f'all{name}']).tolist()}
            frames = loadmat(str(root / _META), squeeze_me=True, struct_as_record=False)['SUNRGBDMeta']
            for row, frame in enumerate(np.atleast_1d(frames)):
                folder = _inside(frame.sequenceName)
                if folder in place_of:
                    self._rows.append(row)
                    image = root / 'SUNRGBD' / folder / 'image' / Path(str(frame.rgbname)).name
                    name = place_of[folder] + '-' + folder.replace('/', '_')
                    self._frames.append(Frame(name, image, root / _SEGMENTS))
        except Exception as error:      # SciPy's reader fails in many ways
            raise InputError(f'{root}: its SUNRGBDtoolbox cannot be read: {error!r}') from None

    def annotation(self, index: int) -> Sample:
        """Return a sample without its image."""
        import h5py
        frame = self._frames[index]
        try:
            with h5py.File(str(frame.label), 'r') as file:
                stored = file[file['SUNRGBD2Dseg']['seglabel'][self._rows[index]][0]]
                if stored.ndim != 2 or max(stored.shape) > MAX_SIDE:
                    raise ValueError(f'labels of shape {stored.shape}')
                values = np.array(stored).T     # MATLAB counts columns first
        except (KeyError, TypeError, ValueError, OSError, IndexError, AttributeError) as error:
            raise InputError(f'{frame.label}: no labels of {frame.name}: {error}') from None
        if values.size and not 0 <= values.min() <= values.max() <= len(self.classes):
            raise InputError(f'{frame.label}: {frame.name} has values beyond 0 to {len(self.classes)}')
        return Sample(frame.name, None, self.classes.id_table()[values.astype(np.uint8)])


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
