"""Writing bags that Humble and later read: images, ground truth, camera_info and class names.

Version 8 of rosbag2's format, sqlite3 or mcap; mcap chunks carry checksums, so that a reader notices
damage. Needs the package `rosbags`.
"""

import json
from pathlib import Path
import shutil
import sqlite3
from typing import Any, Dict, Optional, Union
import zlib

import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from ..images import encode_jpeg, encode_png
from ..libraries import need
from .messages import COMPRESSED, IMAGE, LABEL_INFO

STORAGES = ('mcap', 'sqlite3')
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
# vision_msgs 4 (Humble and later); `rosbags` does not know it.
_VISION_MESSAGES = {
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    LABEL_INFO: 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n'}


class BagWriter:
    """A new bag; a context manager that removes what was written if an error or Ctrl-C ends it."""

    def __init__(self, path: Union[str, Path], storage: str = 'mcap',
                 custom_data: Optional[Dict[str, str]] = None) -> None:
        """Create the bag's folder. InputError where it exists already or `rosbags` is not installed."""
        self.path = Path(path)
        if storage not in STORAGES:
            raise InputError("storage '{}' is not known: {}".format(storage, ', '.join(STORAGES)))
        if self.path.exists():
            raise InputError(f'{self.path}: exists already; choose another name or remove it')
        need('writing bags', ['rosbags'])
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
        self._store = get_typestore(Stores.ROS2_HUMBLE)
        for name, text in _VISION_MESSAGES.items():
            self._store.register(get_types_from_msg(text, name))
        self._types = self._store.types
        self._connections: Dict[str, Any] = {}
        try:
            self._writer = _writer(self.path, storage, custom_data or {})
        except OSError as error:
            raise InputError(f'{self.path}: {error.strerror}') from None

    def image(self, topic: str, stamp_ns: int, frame_id: str, image: np.ndarray) -> None:
        """Write an image, (H, W, 3) uint8 RGB, as rgb8."""
        self._raw(topic, stamp_ns, frame_id, image, 'rgb8')

    def compressed_image(self, topic: str, stamp_ns: int, frame_id: str, image: np.ndarray,
                         quality: Optional[int] = 95) -> None:
        """Write an image, (H, W, 3) uint8 RGB, on `topic`, by convention <image>/compressed.

        It becomes a JPEG of `quality`, 1 to 100, or a PNG where that is None.
        """
        kind = 'png' if quality is None else 'jpeg'
        data = encode_png(image[:, :, ::-1]) if quality is None else encode_jpeg(image, quality=quality)
        message = self._types[COMPRESSED](self._header(stamp_ns, frame_id),
                                          f'rgb8; {kind} compressed bgr8', data)
        self._write(topic, COMPRESSED, stamp_ns, message)

    def labels(self, topic: str, stamp_ns: int, frame_id: str, labels: np.ndarray) -> None:
        """Write labels, (H, W) uint8, as mono8."""
        self._raw(topic, stamp_ns, frame_id, labels, 'mono8')

    def instances(self, topic: str, stamp_ns: int, frame_id: str, instances: np.ndarray) -> None:
        """Write the numbers of objects, (H, W) of 0 to 65535, as 16UC1."""
        self._raw(topic, stamp_ns, frame_id, instances.astype('<u2'), '16UC1')

    def camera_info(self, topic: str, stamp_ns: int, frame_id: str, matrix: np.ndarray, height: int,
                    width: int) -> None:
        """Write the intrinsics, (3, 3), of a camera without distortion."""
        info, region = self._types[CAMERA_INFO], self._types['sensor_msgs/msg/RegionOfInterest']
        k = np.asarray(matrix, np.float64)
        message = info(self._header(stamp_ns, frame_id), height, width, 'plumb_bob', np.zeros(5), k.ravel(),
                       np.eye(3).ravel(), np.hstack((k, np.zeros((3, 1)))).ravel(), 0, 0,
                       region(0, 0, 0, 0, False))
        self._write(topic, CAMERA_INFO, stamp_ns, message)

    def label_info(self, topic: str, stamp_ns: int, frame_id: str, classes: ClassTable) -> None:
        """Write the classes' names, latched."""
        names = list(enumerate(classes.names)) + [(IGNORE, classes.ignore_name)]
        class_map = [self._types['vision_msgs/msg/VisionClass'](index, name) for index, name in names]
        message = self._types[LABEL_INFO](self._header(stamp_ns, frame_id), class_map, 0.0)
        self._write(topic, LABEL_INFO, stamp_ns, message)

    def _raw(self, topic: str, stamp_ns: int, frame_id: str, pixels: np.ndarray, encoding: str) -> None:
        height, width = pixels.shape[:2]
        data = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
        message = self._types[IMAGE](self._header(stamp_ns, frame_id), height, width, encoding, 0,
                                     data.size // height, data)
        self._write(topic, IMAGE, stamp_ns, message)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        if not 0 <= stamp_ns < 2**31 * 10**9:
            raise InputError(f'stamp of {stamp_ns / 1e9} s: ROS 2 counts seconds from 0 to 2^31')
        time = self._types['builtin_interfaces/msg/Time'](*divmod(int(stamp_ns), 10**9))
        return self._types['std_msgs/msg/Header'](time, frame_id)

    def _write(self, topic: str, type_: str, stamp_ns: int, message: Any) -> None:
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, type_, typestore=self._store, offered_qos_profiles=[_qos(type_ == LABEL_INFO)])
        try:
            self._writer.write(self._connections[topic], int(stamp_ns),
                               self._store.serialize_cdr(message, type_))
        except OSError as error:
            raise InputError(f'{self.path}: {error.strerror}') from None

    def close(self) -> None:
        """Write index and metadata."""
        self._writer.close()

    def discard(self) -> None:
        """Give up and remove what was written."""
        self._writer.abort()
        shutil.rmtree(str(self.path), ignore_errors=True)

    def __enter__(self) -> 'BagWriter':
        return self

    def __exit__(self, kind: Any, *exception: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def describe(dataset: str, classes: ClassTable) -> Dict[str, str]:
    """Return the custom data that names a bag's data set and the classes of its ground truth."""
    return {'enet_ros.dataset': dataset,
            'enet_ros.classes': json.dumps(classes.to_dict(), ensure_ascii=False, separators=(',', ':'))}


def _writer(path: Path, storage: str, custom_data: Dict[str, str]) -> Any:
    """Open a `rosbags` writer with rosbag2's file names and with checksums in mcap chunks."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.rosbag2.storage_mcap import McapWriter
    from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer

    class CheckedMcapWriter(McapWriter):
        def __init__(self, folder: Path, compression: Any) -> None:
            super().__init__(folder, compression)
            self.path = _renamed(self.path)

        def close_chunk(self) -> None:
            start, crc = self.bio.tell(), zlib.crc32(self.chunk.bio.getbuffer())
            super().close_chunk()
            end = self.bio.tell()
            self.bio.seek(start + 9 + 24)       # opcode and length; two times and the size
            self.bio.write(crc.to_bytes(4, 'little'))
            self.bio.seek(end)

    class NamedSqlite3Writer(Sqlite3Writer):
        def __init__(self, folder: Path, compression: Any) -> None:
            super().__init__(folder, compression)
            self.conn.close()
            self.path = _renamed(self.path)
            self.conn = sqlite3.connect(str(self.path))
            self.cursor = self.conn.cursor()

    class NamedWriter(Writer):
        STORAGE_PLUGINS = {StoragePlugin.MCAP: CheckedMcapWriter, StoragePlugin.SQLITE3: NamedSqlite3Writer}

    plugin = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}[storage]
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = NamedWriter(path, version=8, storage_plugin=plugin)
    for key, value in custom_data.items():
        writer.set_custom_data(key, value)
    writer.open()
    return writer


def _renamed(file: Path) -> Path:
    """Give the only file of a bag a number as rosbag2 does: `ros2 bag reindex` finds no other."""
    numbered = file.with_name(f'{file.stem}_0{file.suffix}')
    file.rename(numbered)
    return numbered


def _qos(latched: bool) -> Any:
    """Return what a reliable publisher offers, latched or ten deep."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
    forever = QosTime(9223372036, 854775807)
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(QosHistory.KEEP_LAST, 1 if latched else 10, QosReliability.RELIABLE, durability, forever,
               forever, QosLiveliness.AUTOMATIC, forever, False)
