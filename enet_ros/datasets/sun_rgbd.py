"""SUN RGB-D (Song et al., 2015) with its 37 classes, in the two layouts that people have."""

from pathlib import Path
import re
from typing import List, Optional, Tuple

import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from . import files
from .files import Frame

SPLITS = ('train', 'test')
_LABEL_FOLDERS = ('sunrgbd_train_test_labels', 'sunrgbd_labels', 'train_test_labels', 'labels')
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


def recognise(root: Path) -> Optional[str]:
    """Return the layout of a SUN RGB-D folder, None where it is none."""
    root = Path(root)
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
