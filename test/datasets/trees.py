"""Small data-set trees in the exact official layouts, made of known labels."""

import json
from pathlib import Path
import struct
import zlib

import cv2
import numpy as np

OFFICIAL_COLOURS = """64 128 64\tAnimal
192 0 128\t\tArchway
0 128 192\t\tBicyclist
0 128 64\t\tBridge
128 0 0\t\tBuilding
64 0 128\t\tCar
64 0 192\t\tCartLuggagePram
192 128 64\t\tChild
192 192 128\tColumn_Pole
64 64 128\t\tFence
128 0 192\t\tLaneMkgsDriv
192 0 64\t\tLaneMkgsNonDriv
128 128 64\t\tMisc_Text
192 0 192\t\tMotorcycleScooter
128 64 64\t\tOtherMoving
64 192 128\t\tParkingBlock
64 64 0\t\tPedestrian
128 64 128\t\tRoad
128 128 192\tRoadShoulder
0 0 192\t\tSidewalk
192 128 128\tSignSymbol
128 128 128\tSky
64 128 192\t\tSUVPickupTruck
0 0 64\t\tTrafficCone
0 64 64\t\tTrafficLight
192 64 128\t\tTrain
128 128 0\t\tTree
192 128 192\tTruck_Bus
64 0 64\t\tTunnel
192 192 0\t\tVegetationMisc
0 0 0\t\tVoid
64 192 0\t\tWall
"""


def official_classes():
    """Return (name, (r, g, b)) of the 32 classes, in the alphabetical order of label_colors.txt."""
    rows = [line.split() for line in OFFICIAL_COLOURS.splitlines()]
    return [(row[3], tuple(int(value) for value in row[:3])) for row in rows]


def write(path: Path, pixels: np.ndarray) -> Path:
    """Write an image, RGB where it has three channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


def text(path: Path, content: str) -> Path:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def photo(height: int = 8, width: int = 32) -> np.ndarray:
    """Return a picture whose first pixel is pure red, so that a swap of channels shows."""
    picture = np.random.RandomState(0).randint(0, 255, (height, width, 3), np.uint8)
    picture[0, 0] = (255, 0, 0)
    return picture


def all_classes(height: int = 8) -> np.ndarray:
    """Return the 32 official colours side by side, (height, 32, 3)."""
    return np.broadcast_to(np.array([rgb for _, rgb in official_classes()], np.uint8), (height, 32, 3)).copy()


def palette_png(path: Path, indices: np.ndarray, bits: int = 8) -> Path:
    """Write indices as a PNG with a palette, as PIL's mode P does."""
    height, width = indices.shape
    packed = indices
    if bits < 8:
        expanded = np.unpackbits(indices[..., None].astype(np.uint8), axis=2)[..., 8 - bits:]
        packed = np.packbits(expanded.reshape(height, -1), axis=1)
    rows = b''.join(b'\0' + row.tobytes() for row in packed.astype(np.uint8))
    palette = bytes(range(255, -1, -1)) * 3
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', width, height, bits, 3, 0, 0, 0)),
              (b'PLTE', palette[:3 * (1 << bits)]), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
        for kind, body in chunks))
    return path


def camvid_official(root: Path, names=('0001TP_006690', '0016E5_07961', 'Seq05VD_f00000')) -> Path:
    """Write 701_StillsRaw_full, LabeledApproved_full and label_colors.txt."""
    for name in names:
        write(root / '701_StillsRaw_full' / (name + '.png'), photo())
        write(root / 'LabeledApproved_full' / (name + '_L.png'), all_classes())
    text(root / 'label_colors.txt', OFFICIAL_COLOURS)
    return root


def camvid_segnet(root: Path, split: str = 'train', names=('0001TP_006720', '0001TP_006690')) -> Path:
    """Write a split with its list, whose paths are another machine's and whose order is not by name."""
    values = np.arange(12, dtype=np.uint8)[None].repeat(4, 0)
    for name in names:
        write(root / split / (name + '.png'), photo(4, 12))
        write(root / (split + 'annot') / (name + '.png'), values)
    lines = [f'/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png'
             for name in names]
    text(root / (split + '.txt'), '\n'.join(lines) + '\n')
    return root


def camvid_kaggle(root: Path) -> Path:
    """Write train, train_labels and class_dict.csv with the stray spaces that circulate."""
    write(root / 'train' / '0001TP_006690.png', photo())
    write(root / 'train_labels' / '0001TP_006690_L.png', all_classes())
    rows = ['{}, {}, {},{} '.format(name, *rgb) for name, rgb in official_classes()]
    text(root / 'class_dict.csv', 'name, r, g, b\r\n' + '\r\n'.join(rows) + '\r\n')
    return root


def camvid_fastai(root: Path) -> Path:
    """Write images, labels (0..31 in alphabetical order), codes.txt and valid.txt."""
    codes = [name for name, _ in official_classes()]
    codes[codes.index('Void')], codes[codes.index('Wall')] = 'Void', 'Wall'
    values = np.arange(32, dtype=np.uint8)[None].repeat(8, 0)
    for name in ('0001TP_006690', '0016E5_07961'):
        write(root / 'images' / (name + '.png'), photo())
        write(root / 'labels' / (name + '_P.png'), values)
    text(root / 'codes.txt', '\n'.join(codes) + '\n')
    text(root / 'valid.txt', '0016E5_07961.png\n')
    return root


def cityscapes(root: Path, split: str = 'val', city: str = 'frankfurt', kinds=('labelIds', 'instanceIds'),
               size=(32, 64)) -> Path:
    """Write one frame with the asked-for annotation files: ids 0..33, two cars and a car group."""
    stem = f'{city}_000001_002196_'
    write(root / 'leftImg8bit' / split / city / (stem + 'leftImg8bit.png'), photo(*size))
    folder = root / 'gtFine' / split / city
    ids = (np.arange(size[1]) % 34).astype(np.uint8)[None].repeat(size[0], 0)
    instances = ids.astype(np.uint16)
    instances[ids == 26] = 26
    instances[:8, ids[0] == 26] = 26000
    instances[8:16, ids[0] == 26] = 26001
    if 'labelIds' in kinds:
        write(folder / (stem + 'gtFine_labelIds.png'), ids)
    if 'instanceIds' in kinds:
        write(folder / (stem + 'gtFine_instanceIds.png'), instances)
    if 'labelTrainIds' in kinds:
        trains = np.full(256, 255, np.uint8)
        trains[[7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]] = range(19)
        write(folder / (stem + 'gtFine_labelTrainIds.png'), trains[ids])
    if 'polygons' in kinds:
        height, width = size
        text(folder / (stem + 'gtFine_polygons.json'), json.dumps(
            {'imgHeight': height, 'imgWidth': width, 'objects': polygons(height, width)}))
    return root


def polygons(height: int, width: int):
    """Return objects that overlap, a group, a deleted one and a licence plate."""
    def box(label, left, top, right, bottom, **more):
        return dict({'label': label,
                     'polygon': [[left, top], [right, top], [right, bottom], [left, bottom]]}, **more)
    return [box('road', 0, 0, width - 1, height - 1), box('sky', 0, 0, width - 1, height // 4),
            box('car', 2, 10, 20, 24), box('car', 12, 12, 30, 28), box('cargroup', 40, 10, 60, 20),
            box('person', 0, 0, width - 1, height - 1, deleted=1), box('license plate', 14, 20, 18, 22),
            box('polegroup', 34, 2, 36, 30)]


def sun_rgbd(root: Path, layout: str) -> Path:
    """Write two training and two test frames; labels 0..37."""
    values = np.arange(38, dtype=np.uint8)[None].repeat(6, 0)
    for split, first in (('train', 5051), ('test', 1)):
        for number in (1, 2):
            picture = photo(6, 38)
            if layout == 'folders':
                write(root / 'image' / split / f'img-{number:06d}.jpg', picture)
                write(root / 'label37' / split / f'img37labels-{number:06d}.png', values)
            else:
                write(root / f'SUNRGBD-{split}_images' / f'img-{number:06d}.jpg', picture)
                # The frame's number in the first row tells a mixed-up pair.
                marked = values.copy()
                marked[0] = 1 if split == 'train' else 2
                write(root / 'sunrgbd_train_test_labels' / f'img-{first + number - 1:06d}.png',
                      marked)
    return root
