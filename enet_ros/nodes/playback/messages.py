"""Source frames as sensor_msgs: image or compressed image, camera_info and ground truth."""

from array import array
from typing import Any, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ...images import decode_compressed, encode_jpeg, to_array
from ...sources import SourceFrame, is_compressed

JPEG_QUALITY = 95


class Prepared(NamedTuple):
    """A frame's messages, complete but for their stamps, which `stamped` sets when it is time."""

    stamp_ns: int
    image: Any
    info: CameraInfo
    truth: Optional[Image]

    def stamped(self, stamp: Any) -> 'Prepared':
        """Put a stamp into all of the messages."""
        for message in (self.image, self.info, self.truth):
            if message is not None:
                message.header.stamp = stamp
        return self


class Preparer:
    """Turns source frames into messages of one size, one transport and one frame_id."""

    def __init__(self, size: Optional[Tuple[int, int]], frame_id: str, compressed: bool) -> None:
        """`size` (height, width) or None for the source's; `frame_id` '' keeps a bag's."""
        self._size = size
        self._frame_id = frame_id
        self._compressed = compressed

    def __call__(self, frame: SourceFrame) -> Prepared:
        """Convert one frame; ImageError where a bag's image cannot be decoded and has to be."""
        image, size = self._image(frame)
        image.header.frame_id = self._frame_id or frame.frame_id or 'camera'
        truth = None
        if frame.truth is not None:
            labels = frame.truth
            if size is not None and labels.shape != size:
                labels = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)
            truth = _message(labels, 'mono8')
            truth.header.frame_id = image.header.frame_id
        info = self._info(frame, size)
        info.header.frame_id = image.header.frame_id
        return Prepared(frame.stamp_ns, image, info, truth)

    def _image(self, frame: SourceFrame) -> Tuple[Any, Optional[Tuple[int, int]]]:
        """Return the message and, where it is known without decoding, its (height, width)."""
        if frame.serialized is not None:
            type_, data = frame.serialized
            compressed = is_compressed(type_)
            message = deserialize_message(data, CompressedImage if compressed else Image)
            if self._size is None and compressed == self._compressed:
                return message, None if compressed else (message.height, message.width)
            pixels, order = _decode(message, compressed)
        else:
            assert frame.image is not None
            pixels, order = frame.image, frame.order
        if self._size is not None and pixels.shape[:2] != self._size:
            pixels = cv2.resize(pixels, self._size[::-1], interpolation=cv2.INTER_AREA)
        if not self._compressed:
            return _message(pixels, order + '8'), pixels.shape[:2]
        made = CompressedImage(format='rgb8; jpeg compressed bgr8')
        made.data.frombytes(encode_jpeg(pixels, order, JPEG_QUALITY).data)
        return made, pixels.shape[:2]

    def _info(self, frame: SourceFrame, size: Optional[Tuple[int, int]]) -> CameraInfo:
        """Return the source's CameraInfo, scaled; zeros in K say that the camera is not calibrated."""
        if frame.info is not None:
            info = deserialize_message(frame.info, CameraInfo)
            if size is None or (info.height, info.width) == size or not info.height:
                return info
            info.k = _scaled(np.reshape(info.k, (3, 3)), info, size).ravel()
            info.p = _scaled(np.reshape(info.p, (3, 4)), info, size).ravel()
            info.height, info.width = size
            return info
        info = CameraInfo(distortion_model='plumb_bob', d=[0.0] * 5)
        if size is not None:
            info.height, info.width = size
        if frame.matrix is not None and frame.image is not None and size is not None:
            info.height, info.width = frame.image.shape[:2]
            matrix = _scaled(np.asarray(frame.matrix, np.float64), info, size)
            info.k = matrix.ravel()
            info.r = np.eye(3).ravel()
            info.p = np.hstack((matrix, np.zeros((3, 1)))).ravel()
            info.height, info.width = size
        return info


def _scaled(matrix: np.ndarray, info: CameraInfo, size: Tuple[int, int]) -> np.ndarray:
    """Bring intrinsics from the size in `info` to another (height, width); centres are whole numbers."""
    scale = np.array([[size[1] / float(info.width)], [size[0] / float(info.height)], [1.0]])
    return matrix * scale + matrix[2] * (scale - 1) / 2


def _decode(message: Any, compressed: bool) -> Tuple[np.ndarray, str]:
    if compressed:
        return decode_compressed(message.data, message.format)
    return to_array(message.data, message.height, message.width, message.encoding, message.step,
                    bool(message.is_bigendian))


def _message(pixels: np.ndarray, encoding: str) -> Image:
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
                    step=pixels.size // pixels.shape[0])
    message.data = array('B', np.ascontiguousarray(pixels).tobytes())
    return message
