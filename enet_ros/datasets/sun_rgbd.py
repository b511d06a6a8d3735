"""SUN RGB-D (Song et al., 2015) with its 37 classes, in the two layouts that people have."""

from pathlib import Path
import re
from typing import List, NamedTuple, Optional

from ..classes import IGNORE, ClassTable
from ..errors import InputError, did_you_mean
from . import files
from .sample import Dataset, Sample

SPLITS = ('train', 'test')
_LABEL_FOLDERS = ('sunrgbd_train_test_labels', 'sunrgbd_labels', 'train_test_labels', 'labels')
_TEST_FRAMES = 5050     # in the joint label folder frames 1..5050 are test, 5051..10335 train


class Pair(NamedTuple):
    """An image, its annotation and the split that both belong to."""

    image: Path
    label: Path
    split: str


class SunRGBD(Dataset):
    """Frames by split and number; label i is file value i + 1, value 0 is ignored.

    Layouts: 'folders' (`image/{train,test}/img-N.jpg`, `label37/{train,test}/img37labels-N.png`) and
    'tarballs' (`SUNRGBD-{train,test}_images/img-N.jpg` with one folder of labels `img-N.png`, in which
    1..5050 are the test frames and 5051..10335 the training frames). Raises InputError for a folder,
    split or file that is wrong.
    """

    name = 'sun_rgbd'

    def __init__(self, root: Path, split: Optional[str] = None, layout: Optional[str] = None) -> None:
        root = Path(root)
        self.classes = ClassTable.load('sun_rgbd')
        self.split = split
        self.layout = layout or recognise(root)
        if split is not None and split not in SPLITS:
            raise InputError("{}: split '{}' does not exist; there are: {}".format(
                root, split, ', '.join(SPLITS)) + did_you_mean(split, SPLITS))
        if self.layout not in _LAYOUTS:
            raise InputError('{}: not a layout of SUN RGB-D; known are: {}'.format(
                root if self.layout is None else self.layout, ', '.join(_LAYOUTS)))
        self._pairs: List[Pair] = []
        for name in [split] if split else SPLITS:
            self._pairs += _LAYOUTS[self.layout](root, name)

    def __len__(self) -> int:
        return len(self._pairs)

    def names(self) -> List[str]:
        """Return the frames' names, `<split>-<number>` as in the file."""
        return [f'{pair.split}-{pair.image.stem}' for pair in self._pairs]

    def __getitem__(self, index: int) -> Sample:
        pair = self._pairs[index]
        picture, sample = files.image(pair.image), self.annotation(index)
        files.check_size(pair.image, picture, pair.label, sample.label)
        return sample._replace(image=picture)

    def annotation(self, index: int) -> Sample:
        """Return a sample without its image."""
        pair = self._pairs[index]
        known = self.classes.ids + (self.classes.ignore_id, IGNORE)
        labels = files.indices(pair.label, self.classes.id_table(), known)
        return Sample(f'{pair.split}-{pair.image.stem}', None, labels)


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


def _folders(root: Path, split: str) -> List[Pair]:
    labels = root / 'label37' / split
    return [Pair(path, files.annotation(labels, f'img37labels-{_number(path):06d}', path), split)
            for path in files.images(root / 'image' / split)]


def _tarballs(root: Path, split: str) -> List[Pair]:
    images = files.images(root / f'SUNRGBD-{split}_images')
    labels = next((root / name for name in _LABEL_FOLDERS if (root / name).is_dir()), None)
    if labels is None:
        raise InputError('{}: no folder of labels; one of {} is expected'.format(
            root, ', '.join(_LABEL_FOLDERS)))
    # Some copies number the training images from 1, some go on after the test images.
    numbers = [_number(path) for path in images]
    offset = _TEST_FRAMES if split == 'train' and min(numbers) <= _TEST_FRAMES else 0
    return [Pair(path, files.annotation(labels, f'img-{number + offset:06d}', path), split)
            for path, number in zip(images, numbers)]


_LAYOUTS = {'folders': _folders, 'tarballs': _tarballs}
