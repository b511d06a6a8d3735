"""Cityscapes (Cordts et al., 2016): leftImg8bit with gtFine (or gtCoarse), nineteen evaluated classes."""

from pathlib import Path
import re
from typing import Dict, Optional, Tuple

import cv2
import numpy as np

from .. import licences
from ..classes import IGNORE, ClassTable
from ..errors import InputError
from ..json_files import read_json
from ..picture_files import MAX_PIXELS, MAX_SIDE
from . import files
from .files import Frame

IMAGE_FOLDER, VIDEO_FOLDER = 'leftImg8bit', 'leftImg8bit_sequence'
RATE_HZ = 17.0          # of the videos that the frame numbers count
_NAME = re.compile(r'^([A-Za-z-]+)_(\d{6})_(\d{6})_leftImg8bit$')
_TRUTHS = ('gtFine', 'gtCoarse')
_KINDS = ('labelIds.png', 'labelTrainIds.png', 'polygons.json')
_MAX_DRAWN = 1 << 31        # pixels in all polygons' boxes

# Names in polygon files that no evaluated class has, with their labelId (cityscapesscripts, labels.py).
_OTHER_IDS: Dict[str, int] = {
    'unlabeled': 0, 'ego vehicle': 1, 'rectification border': 2, 'out of roi': 3, 'static': 4, 'dynamic': 5,
    'ground': 6, 'parking': 9, 'rail track': 10, 'guard rail': 14, 'bridge': 15, 'tunnel': 16,
    'polegroup': 18, 'caravan': 29, 'trailer': 30}
_NOT_DRAWN = 'license plate'         # its id is -1: what lies below shows
_OTHER_INSTANCES = ('caravan', 'trailer')


class Cityscapes(files.FileDataset):
    """Frames of `{leftImg8bit,gtFine}/{split}/{city}/` in order of city, sequence and frame.

    Labels come from `_labelIds.png`, else `_labelTrainIds.png`, else they are drawn from
    `_polygons.json`; label i is trainId i, the rest is ignored. Instances are the file's
    id x 1000 + number of single objects (0 for groups). `split` is train, val or test; None is all. With
    `video` the frames are those of `leftImg8bit_sequence/`: thirty to a snippet, the twentieth annotated.
    Raises InputError for a folder, split or file that is wrong.
    """

    name = 'cityscapes'
    licence = licences.CITYSCAPES

    def __init__(self, root: Path, split: Optional[str] = None, video: bool = False) -> None:
        root = Path(root)
        images = root / (VIDEO_FOLDER if video else IMAGE_FOLDER)
        if not images.is_dir():
            raise InputError(f'{root}: no folder {images.name}, so this is no Cityscapes')
        splits = sorted(path.name for path in images.iterdir() if path.is_dir())
        files.check_split(split, splits, images)
        self.classes, self.split = ClassTable.load('cityscapes'), split
        truth = next((root / name for name in _TRUTHS if (root / name).is_dir()), None)
        self._frames = [_frame(path, images, truth, video)
                        for name in ([split] if split else splits)
                        for path in sorted((images / name).glob('*/*.png'))]
        if not self._frames:
            raise InputError('{}: no images <city>/<city>_<sequence>_<frame>_leftImg8bit.png there'.format(
                images / (split or '')))

    def _truth(self, path: Path) -> Tuple[np.ndarray, Optional[np.ndarray]]:
        if path.suffix == '.json':
            values, instances = draw(path, self.classes)
            return self.classes.id_table()[values], instances
        if path.name.endswith('labelTrainIds.png'):
            count = len(self.classes)
            table = np.where(np.arange(256) < count, np.arange(256), IGNORE).astype(np.uint8)
            labels = files.indices(path, table, list(range(count)) + [IGNORE])
        else:
            labels = files.indices(path, self.classes.id_table(), list(range(34)) + [IGNORE])
        beside = path.with_name(re.sub(r'label(Train)?Ids', 'instanceIds', path.name))
        if not beside.is_file():
            return labels, None
        values = files.ids(beside).astype(np.int32)
        files.check_size(path, labels, beside, values)
        return labels, np.where(values >= 1000, values, 0)


def _frame(image: Path, images: Path, truth: Optional[Path], sparse: bool = False) -> Frame:
    match = _NAME.match(image.stem)
    if match is None:
        raise InputError(f'{image}: not named <city>_<sequence>_<frame>_leftImg8bit.png')
    city, sequence, number = match.groups()
    found = None
    if truth is not None:
        folder = truth / image.parent.relative_to(images)
        stem = f'{city}_{sequence}_{number}_{truth.name}_'
        found = next((folder / (stem + kind) for kind in _KINDS if (folder / (stem + kind)).is_file()), None)
        if found is None and folder.is_dir() and not sparse:
            raise InputError(f'{image}: its annotation {folder / (stem + _KINDS[0])} is missing')
    return Frame(f'{city}_{sequence}_{number}', image, found, f'{city}_{sequence}', int(number) / RATE_HZ)


def draw(path: Path, classes: ClassTable) -> Tuple[np.ndarray, np.ndarray]:
    """Draw a polygon file: labelIds (H, W) uint8 and instances (H, W) int32, later objects on top.

    As the official converter draws them, but for single pixels on the polygons' edges.
    """
    ids = dict(zip(classes.names, classes.ids))
    counted = {name for name, has in zip(classes.names, classes.instances) if has} | set(_OTHER_INSTANCES)
    data = read_json(path, 'polygon file')
    try:
        height, width = int(data['imgHeight']), int(data['imgWidth'])
        if not (0 < height <= 1 << 14 and 0 < width <= 1 << 14 and height * width <= MAX_PIXELS):
            raise ValueError(f'image size {height}x{width}')
        values, instances = np.zeros((height, width), np.uint8), np.zeros((height, width), np.int32)
        numbers: Dict[str, int] = {}
        drawn = 0
        for entry in data['objects']:
            name, polygon = str(entry['label']), np.array(entry['polygon'], np.float64)
            if entry.get('deleted', 0) or name == _NOT_DRAWN:
                continue
            group = name not in _OTHER_IDS and name.endswith('group')
            name = name[:-5] if group else name
            if name not in ids and name not in _OTHER_IDS:
                raise ValueError(f"object '{name}' is not a class of Cityscapes")
            value = ids.get(name, _OTHER_IDS.get(name, 0))
            number = 0
            if name in counted and not group:
                number = value * 1000 + numbers.get(name, 0)
                numbers[name] = numbers.get(name, 0) + 1
            corners = np.clip(np.round(polygon.reshape(-1, 1, 2)), -MAX_SIDE, 2 * MAX_SIDE).astype(np.int32)
            drawn += int(np.prod(np.minimum(np.ptp(corners, axis=(0, 1)) + 1, (width, height))))
            if drawn > _MAX_DRAWN or not np.isfinite(polygon).all():
                raise ValueError('polygons over polygons, or corners that are nowhere')
            cv2.fillPoly(values, [corners], value)
            cv2.fillPoly(instances, [corners], number)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f'{path}: no polygon file of Cityscapes ({error})') from None
    return values, instances
