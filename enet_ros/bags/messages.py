"""Image messages as they lie in a bag, read without ROS and without copying pixels.

The encoding is CDR (OMG DDSI-RTPS 2.2, chapter 10), of which these messages need headers, numbers,
strings and byte sequences; the layouts are sensor_msgs/msg/Image and CompressedImage.
"""

import struct
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np

from .. import picture_files
from ..classes import IGNORE, ClassTable
from ..errors import InputError
from ..images import ImageError, decode_compressed, to_array, to_labels

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'
LABEL_ENCODINGS = ('mono8', '8UC1')
INSTANCE_ENCODINGS = ('mono16', '16UC1')
MAX_MESSAGE_BYTES = 256 << 20       # no image of MAX_PIXELS is larger; what claims more is not believed

Tell = Callable[[str], None]


class MessageError(InputError):
    """A message whose bytes do not match its type."""


class Message(NamedTuple):
    """A message as it lies in the bag; `log_ns` is when it was recorded, `data` is CDR."""

    topic: str
    type: str
    log_ns: int
    data: bytes


class Header(NamedTuple):
    """std_msgs/Header: stamp in ns since the epoch, and the frame's name."""

    stamp_ns: int
    frame_id: str


class _Cursor:
    """Reads aligned CDR values from a message; MessageError where it ends early."""

    def __init__(self, data: Union[bytes, memoryview]) -> None:
        self._data = memoryview(data)
        if len(self._data) < 4 or self._data[1] not in (0, 1) or self._data[0] != 0:
            raise MessageError('message is not plain CDR')
        self._order = '<' if self._data[1] else '>'
        self._at = 4

    def numbers(self, code: str) -> Tuple[Any, ...]:
        """Read numbers of one size, aligned to it (the encapsulation's four bytes keep alignment)."""
        size = struct.calcsize(code[0])
        self._at += -self._at % size
        form = struct.Struct(self._order + code)
        try:
            values = form.unpack_from(self._data, self._at)
        except struct.error:
            raise MessageError('message ends early') from None
        self._at += form.size
        return values

    def bytes(self) -> memoryview:
        """Read a byte sequence as a view."""
        length, = self.numbers('I')
        view = self._data[self._at:self._at + length]
        if len(view) < length:
            raise MessageError(f'message ends early: {len(view)} of {length} bytes')
        self._at += length
        return view

    def text(self) -> str:
        """Read a string without its closing zero."""
        return bytes(self.bytes()).rstrip(b'\0').decode('utf-8', 'replace')

    def header(self) -> Header:
        """Read a std_msgs/Header."""
        seconds, nanoseconds = self.numbers('iI')
        return Header(seconds * 10**9 + nanoseconds, self.text())


class ImageMessage:
    """A camera or label image: its header now, its pixels when asked for."""

    def __init__(self, topic: str, type_: str, log_ns: int, data: Union[bytes, memoryview]) -> None:
        """Read the header; MessageError where the message is broken."""
        self.topic, self.type, self.log_ns, self.data = topic, type_, log_ns, data
        self._cursor = _Cursor(data)
        self.size = len(data)
        self.header = self._cursor.header()
        self._fields: Optional[Tuple[Any, ...]] = None

    @property
    def stamp_ns(self) -> int:
        """The header's stamp, ns."""
        return self.header.stamp_ns

    def _read(self) -> Tuple[Any, ...]:
        """Return (height, width, encoding, big endian, step, data), or (format, data) if compressed."""
        if self._fields is None:
            cursor = self._cursor
            if self.type == COMPRESSED:
                self._fields = (cursor.text(), cursor.bytes())
            else:
                height, width = cursor.numbers('II')
                encoding = cursor.text()
                big_endian, = cursor.numbers('B')
                step, = cursor.numbers('I')
                self._fields = (height, width, encoding, bool(big_endian), step, cursor.bytes())
        return self._fields

    def image(self) -> Tuple[np.ndarray, str]:
        """Return (H, W, 3) uint8 and its order, 'rgb' or 'bgr'; MessageError or ImageError."""
        fields = self._read()
        if self.type == COMPRESSED:
            return decode_compressed(fields[1], fields[0])
        height, width, encoding, big_endian, step, data = fields
        return to_array(data, height, width, encoding, step, big_endian)

    def labels(self, classes: ClassTable) -> np.ndarray:
        """Return (H, W) uint8 labels: values as they are, or colours looked up in `classes`."""
        fields = self._read()
        if self.type == COMPRESSED:
            return _compressed_labels(fields[1], fields[0], classes)
        height, width, encoding, _, step, data = fields
        if encoding in LABEL_ENCODINGS:
            return to_labels(data, height, width, step)
        if '8' not in encoding or 'bayer' in encoding or 'yuv' in encoding:
            raise ImageError(f"{self.topic}: '{encoding}' is no encoding of labels (mono8 or 8UC1; rgb8 for "
                             "colours)")
        return from_colours(*self.image(), classes=classes)

    def instances(self) -> np.ndarray:
        """Return (H, W) int32 numbers of objects, from one channel of 8 or 16 bits; ImageError."""
        fields = self._read()
        if self.type == COMPRESSED:
            values = picture_files.decode(fields[1], cv2.IMREAD_UNCHANGED, ('png',))
        elif fields[2] in LABEL_ENCODINGS + INSTANCE_ENCODINGS:
            height, width, encoding, big_endian, step, data = fields
            values = to_labels(data, height, width, step, encoding, big_endian)
        else:
            raise ImageError(f"{self.topic}: '{fields[2]}' is no encoding of instances (16UC1)")
        if values.ndim != 2:
            raise ImageError(f'{self.topic}: instances have one channel')
        return values.astype(np.int32)


def class_names(data: Union[bytes, memoryview]) -> Dict[int, str]:
    """Return the names by class id of a serialized vision_msgs/LabelInfo; MessageError where it is broken."""
    cursor = _Cursor(data)
    cursor.header()
    names: Dict[int, str] = {}
    for _ in range(min(cursor.numbers('I')[0], 1 << 16)):
        index, = cursor.numbers('H')
        names[index] = cursor.text()
    return names


def _compressed_labels(data: memoryview, format_: str, classes: ClassTable) -> np.ndarray:
    if 'jpeg' in format_ or 'jpg' in format_ or bytes(data[:2]) == b'\xff\xd8':
        raise ImageError('labels in JPEG are not what was labelled: compress them as PNG')
    labels = picture_files.decode(data, cv2.IMREAD_UNCHANGED, ('png',))
    if labels.ndim == 2 and labels.dtype == np.uint8:
        return labels
    return from_colours(*decode_compressed(data, format_), classes=classes)


def from_colours(image: np.ndarray, order: str, classes: ClassTable) -> np.ndarray:
    """(H, W, 3) uint8 colours of a class table -> (H, W) uint8 labels, 255 where no class has the colour."""
    place = {'rgb': (16, 8, 0), 'bgr': (0, 8, 16)}[order]
    codes = sum(image[:, :, channel].astype(np.int32) << place[channel] for channel in range(3))
    known = (classes.colours.astype(np.int32) << (16, 8, 0)).sum(1)
    ranks = np.argsort(known)
    found = np.minimum(np.searchsorted(known[ranks], codes), len(known) - 1)
    return np.where(known[ranks][found] == codes, ranks[found], IGNORE).astype(np.uint8)
