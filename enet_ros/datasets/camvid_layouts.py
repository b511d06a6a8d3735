"""Where CamVid's images and annotations lie in each layout, and how its annotations are coded."""

from pathlib import Path, PurePosixPath
import re
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from . import files
from .files import Frame

SPLITS = ('train', 'val', 'test')
NAME = re.compile(r'^(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)')
RATE_HZ = 30.0          # of the video that the frame numbers count

# The 32 official classes merged into eleven, by their names in label_colors.txt.
_MERGED: Dict[str, Tuple[str, ...]] = {
    'Sky': ('Sky',),
    'Building': ('Building', 'Archway', 'Bridge', 'Tunnel', 'Wall'),
    'Pole': ('Column_Pole', 'TrafficCone'),
    'Road': ('Road', 'LaneMkgsDriv', 'LaneMkgsNonDriv'),
    'Pavement': ('Sidewalk', 'ParkingBlock', 'RoadShoulder'),
    'Tree': ('Tree', 'VegetationMisc'),
    'SignSymbol': ('SignSymbol', 'Misc_Text', 'TrafficLight'),
    'Fence': ('Fence',),
    'Car': ('Car', 'SUVPickupTruck', 'Truck_Bus', 'Train', 'OtherMoving'),
    'Pedestrian': ('Pedestrian', 'Child', 'CartLuggagePram', 'Animal'),
    'Bicyclist': ('Bicyclist', 'MotorcycleScooter'),
    '': ('Void',),
}
_COLOURS: Dict[str, Tuple[int, int, int]] = {
    'Sky': (128, 128, 128), 'Building': (128, 0, 0), 'Archway': (192, 0, 128), 'Bridge': (0, 128, 64),
    'Tunnel': (64, 0, 64), 'Wall': (64, 192, 0), 'Column_Pole': (192, 192, 128), 'TrafficCone': (0, 0, 64),
    'Road': (128, 64, 128), 'LaneMkgsDriv': (128, 0, 192), 'LaneMkgsNonDriv': (192, 0, 64),
    'Sidewalk': (0, 0, 192), 'ParkingBlock': (64, 192, 128), 'RoadShoulder': (128, 128, 192),
    'Tree': (128, 128, 0), 'VegetationMisc': (192, 192, 0), 'SignSymbol': (192, 128, 128),
    'Misc_Text': (128, 128, 64), 'TrafficLight': (0, 64, 64), 'Fence': (64, 64, 128), 'Car': (64, 0, 128),
    'SUVPickupTruck': (64, 128, 192), 'Truck_Bus': (192, 128, 192), 'Train': (192, 64, 128),
    'OtherMoving': (128, 64, 64), 'Pedestrian': (64, 64, 0), 'Child': (192, 128, 64),
    'CartLuggagePram': (64, 0, 192), 'Animal': (64, 128, 64), 'Bicyclist': (0, 128, 192),
    'MotorcycleScooter': (192, 0, 192), 'Void': (0, 0, 0)}
_INDEX = {fine: ours for ours, group in _MERGED.items() for fine in group}

Reader = Callable[[Path], np.ndarray]
Opened = Tuple[List[Frame], Reader]


def sequence_and_stamp(name: str) -> Tuple[str, Optional[float]]:
    """Return a frame's drive and its time in seconds (frame number / 30 Hz); ('', None) for other names."""
    match = NAME.match(name)
    return (match.group(1), int(match.group(2)) / RATE_HZ) if match else ('', None)


def split_of(name: str) -> Optional[str]:
    """Return the split that SegNet's lists put a frame into, by its name alone; None for other names.

    train: 0006R0, the first half of 0001TP, 0016E5 without the 15 Hz piece 7959..8159, which is val;
    test: Seq05VD and the rest of 0001TP.
    """
    match = NAME.match(name)
    if match is None:
        return None
    sequence, number = match.group(1), int(match.group(2))
    if sequence == 'Seq05VD' or (sequence == '0001TP' and number > 8520):
        return 'test'
    return 'val' if sequence == '0016E5' and 7959 <= number <= 8159 else 'train'


def recognise(root: Path) -> Optional[str]:
    """Return the layout of a CamVid folder, None where it is none."""
    root = Path(root)
    if (root / '701_StillsRaw_full').is_dir():
        return 'official'
    if any((root / (split + 'annot')).is_dir() for split in SPLITS):
        return 'segnet'
    if (root / 'class_dict.csv').is_file():
        return 'kaggle'
    if (root / 'codes.txt').is_file() and (root / 'images').is_dir():
        return 'fastai'
    return None


def _segnet(root: Path, split: Optional[str], classes: ClassTable) -> Opened:
    frames = []
    for name in _splits(root, split):
        listed = root / (name + '.txt')
        if listed.is_file():
            frames += [_listed(root, name, listed, line) for line in files.lines(listed)]
        else:
            frames += _pairs(files.images(root / name), root / (name + 'annot'), '')
    table, known = classes.id_table(), classes.ids + (classes.ignore_id, IGNORE)
    return frames, lambda path: files.indices(path, table, known)


def _splits(root: Path, split: Optional[str]) -> List[str]:
    return [split] if split else [name for name in SPLITS if (root / name).is_dir()]


def _frame(image: Path, label: Optional[Path]) -> Frame:
    return Frame(image.stem, image, label, *sequence_and_stamp(image.name))


def _pairs(images: List[Path], folder: Path, suffix: str) -> List[Frame]:
    """Pair images with annotations; a folder that is not there at all is a split without truth."""
    there = folder.is_dir()
    return [_frame(image, files.annotation(folder, image.stem + suffix, image) if there else None)
            for image in images]


def _listed(root: Path, split: str, listed: Path, line: str) -> Frame:
    """Read one line 'image annotation'; of both paths only the file's name holds on another machine."""
    parts = line.split()
    if len(parts) != 2:
        raise InputError(f"{listed}: '{line[:80]}' does not name an image and an annotation")
    image, label = (PurePosixPath(part.replace('\\', '/')).name for part in parts)
    return _frame(root / split / image, root / (split + 'annot') / label)


def _official(root: Path, split: Optional[str], classes: ClassTable) -> Opened:
    folder, listing = root / '701_StillsRaw_full', root / 'label_colors.txt'
    images = files.images(folder)
    if split:
        listed = root / (split + '.txt')
        if listed.is_file():
            wanted = {PurePosixPath(line.split()[0]).stem for line in files.lines(listed)}
            images = [path for path in images if path.stem in wanted]
        else:
            images = [path for path in images if split_of(path.name) == split]
        if not images:
            raise InputError(f"{folder}: none of its images belongs to split '{split}'")
    colours = _label_colors(listing) if listing.is_file() else _COLOURS
    return _pairs(images, root / 'LabeledApproved_full', '_L'), _colour_reader(colours, classes, listing)


def _kaggle(root: Path, split: Optional[str], classes: ClassTable) -> Opened:
    frames, table = [], root / 'class_dict.csv'
    for name in _splits(root, split):
        frames += _pairs(files.images(root / name), root / (name + '_labels'), '_L')
    return frames, _colour_reader(_class_dict(table), classes, table)


def _fastai(root: Path, split: Optional[str], classes: ClassTable) -> Opened:
    images, origin = files.images(root / 'images'), root / 'codes.txt'
    if split == 'test':
        raise InputError(f'{root}: this layout has the splits train and val only')
    if split:
        held = {PurePosixPath(line).stem for line in files.lines(root / 'valid.txt')}
        images = [path for path in images if (path.stem in held) == (split == 'val')]
    codes = files.lines(origin)
    if len(codes) > IGNORE:
        raise InputError(f'{origin}: more than {IGNORE} classes')
    table = np.full(256, IGNORE, np.uint8)
    table[:len(codes)] = [_merged(name, classes, origin) for name in codes]
    known = range(len(codes))
    return _pairs(images, root / 'labels', '_P'), lambda path: files.indices(path, table, known)


def _colour_reader(colours: Dict[str, Tuple[int, int, int]], classes: ClassTable, origin: Path) -> Reader:
    return files.ColourCoding({rgb: _merged(name, classes, origin) for name, rgb in colours.items()}).read


def _merged(name: str, classes: ClassTable, origin: Path) -> int:
    """Return the label that one of the 32 official classes is merged into."""
    if name not in _INDEX:
        raise InputError(f"{origin}: '{name}' is none of CamVid's 32 classes")
    merged = _INDEX[name]
    return classes.index(merged) if merged else IGNORE


def _label_colors(path: Path) -> Dict[str, Tuple[int, int, int]]:
    """Read 'R G B<tab>Name' lines."""
    return {line.split()[-1]: _rgb(line.split()[:3], path, line) for line in files.lines(path)}


def _class_dict(path: Path) -> Dict[str, Tuple[int, int, int]]:
    """Read 'name,r,g,b' lines under a heading, with spaces wherever they stray."""
    colours = {}
    for line in files.lines(path)[1:]:
        name, *rgb = [part.strip() for part in line.split(',')]
        colours[name] = _rgb(rgb, path, line)
    return colours


def _rgb(parts: List[str], path: Path, line: str) -> Tuple[int, int, int]:
    try:
        red, green, blue = (int(part) for part in parts[:3])
        bytes((red, green, blue))       # 0 to 255
    except ValueError:
        raise InputError(f"{path}: '{line[:80]}' names no colour") from None
    return red, green, blue


LAYOUTS = {'segnet': _segnet, 'official': _official, 'kaggle': _kaggle, 'fastai': _fastai}
