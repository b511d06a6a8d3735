"""Pictures from strangers, decoded by OpenCV after a look at their headers.

OpenCV has a dozen decoders and allocates what a header claims: only PNG, JPEG, TIFF and BMP are let through,
and only if they are no larger and no more work than a camera's images.
"""

from pathlib import Path
import struct
from typing import Any, Dict, Sequence, Tuple, Union

import cv2
import numpy as np

from .errors import InputError
from .files import read_bytes

MAX_SIDE = 1 << 14          # beyond any camera; keeps a hostile header from allocating gigabytes
MAX_PIXELS = 1 << 26
MAX_FILE_BYTES = 256 << 20
_MAX_SCANS = 64             # of a JPEG and its thumbnails: progressive ones have about ten
_MAX_WORK = 1 << 28         # scans times pixels
_MAGIC = {'png': (b'\x89PNG\r\n\x1a\n',), 'jpeg': (b'\xff\xd8',), 'tiff': (b'II*\0', b'MM\0*'),
          'bmp': (b'BM',)}
# Tags of TIFF: width, height, and of tiles; then bits of a sample, samples of a pixel.
_TIFF_SIDES, _TIFF_BITS, _TIFF_SAMPLES = (256, 257, 322, 323), 258, 277

Data = Union[bytes, memoryview]


class ImageError(InputError):
    """An image message that contradicts itself or has an unknown encoding."""


def decode(data: Any, flags: int, kinds: Sequence[str] = ('png', 'jpeg')) -> np.ndarray:
    """Decode a picture of one of some kinds ('png', 'jpeg', 'tiff', 'bmp') with OpenCV's `flags`.

    `data` is anything with the buffer protocol. ImageError where it is no such picture, is cut short, or is
    larger or more work than a camera's.
    """
    buffer = np.frombuffer(data, np.uint8)
    found = next((kind for kind in kinds if bytes(buffer[:8]).startswith(_MAGIC[kind])), None)
    height, width = picture_size(buffer.data)
    if not (height <= MAX_SIDE and width <= MAX_SIDE and height * width <= MAX_PIXELS):
        raise ImageError(f'a compressed image of {height}x{width} pixels cannot be segmented')
    if found == 'png' and height and not _chunks_fit(buffer.data):
        raise ImageError('a PNG cut short')
    if found == 'jpeg':
        scans = buffer.tobytes().count(b'\xff\xda')
        if scans > _MAX_SCANS or scans * height * width > _MAX_WORK:
            raise ImageError(f'a JPEG of {scans} scans over {height}x{width} pixels')
    image = None
    if found and height and width:
        try:
            # Stored pixels: a camera's note to show them turned (EXIF) is not known to any label.
            image = cv2.imdecode(buffer, flags | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error:
            pass
    if image is None:
        raise ImageError(f"damaged, or none of {', '.join(kind.upper() for kind in kinds)}")
    return image


def read(path: Union[str, Path], flags: int) -> np.ndarray:
    """Decode a PNG, JPEG, TIFF or BMP file with OpenCV's `flags`; InputError names the file."""
    try:
        return decode(read_bytes(path, MAX_FILE_BYTES, 'image'), flags, tuple(_MAGIC))
    except ImageError as error:
        raise InputError(f'{path}: {error}') from None


def picture_size(head: Data) -> Tuple[int, int]:
    """Return (height, width) from the header of a picture, (0, 0) where it is not there."""
    start = bytes(head[:8])
    if start == _MAGIC['png'][0] and len(head) >= 24:
        return int.from_bytes(head[20:24], 'big'), int.from_bytes(head[16:20], 'big')
    try:
        if start[:4] in _MAGIC['tiff']:
            return _tiff_size(head)
        if start[:2] == b'BM':
            core = struct.unpack_from('<I', head, 14)[0] == 12      # the form of OS/2
            width, height = struct.unpack_from('<HH' if core else '<ii', head, 18)
            return abs(height), abs(width)
    except struct.error:
        return 0, 0
    at = 2
    while start[:2] == b'\xff\xd8' and at + 9 < len(head) and head[at] == 0xff:
        if head[at + 1] == 0xff:    # markers may be padded
            at += 1
            continue
        if 0xc0 <= head[at + 1] <= 0xcf and head[at + 1] not in (0xc4, 0xc8, 0xcc):
            return (int.from_bytes(head[at + 5:at + 7], 'big'), int.from_bytes(head[at + 7:at + 9], 'big'))
        at += 2 + int.from_bytes(head[at + 2:at + 4], 'big')
    return 0, 0


def _tiff_size(data: Data) -> Tuple[int, int]:
    """Return the larger of image and tile, (0, 0) where samples are of an unusual kind; struct.error."""
    order = '<' if bytes(data[:2]) == b'II' else '>'
    at, = struct.unpack_from(order + 'I', data, 4)
    count, = struct.unpack_from(order + 'H', data, at)
    tags: Dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * min(count, 4096), 12):
        tag, kind, number = struct.unpack_from(order + 'HHI', data, entry)
        if tag in _TIFF_SIDES + (_TIFF_BITS, _TIFF_SAMPLES):
            place = entry + 8
            if number * (2 if kind == 3 else 4) > 4:
                place, = struct.unpack_from(order + 'I', data, entry + 8)
            value, = struct.unpack_from(order + ('H' if kind == 3 else 'I'), data, place)
            tags[tag] = max(value, tags.get(tag, 0))
    if tags.get(_TIFF_BITS, 1) > 64 or tags.get(_TIFF_SAMPLES, 1) > 4:
        return 0, 0
    return max(tags.get(257, 0), tags.get(323, 0)), max(tags.get(256, 0), tags.get(322, 0))


def _chunks_fit(data: Data) -> bool:
    """Tell whether a PNG's chunks lie within its data.

    OpenCV allocates what a chunk claims before reading it: a hundred bytes can cost two gigabytes.
    """
    at = 8
    while at + 12 <= len(data):
        if bytes(data[at + 4:at + 8]) == b'IEND':
            return True
        at += 12 + int.from_bytes(data[at:at + 4], 'big')
    return False
