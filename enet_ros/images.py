"""sensor_msgs/Image and CompressedImage data to arrays and back, without importing ROS.

Encodings follow sensor_msgs/image_encodings.h. Plain 8-bit colour is viewed in place; everything
else becomes a new array: by cv_bridge where it is installed and works, by the same conversions of
OpenCV where not.
"""

import functools
from types import SimpleNamespace
from typing import Any, Callable, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from .errors import one_line
from .picture_files import MAX_PIXELS, MAX_SIDE, ImageError, decode


class _Layout(NamedTuple):
    """How an encoding lies in memory, and cvtColor's code that makes three 8-bit channels of it."""

    channels: int
    dtype: Any
    order: str              # of the result
    code: Any = None        # None: it is three plain channels already
    lines: int = 2          # in memory for every two rows: 4:2:0 has a plane of colour below that of light


# ROS names a Bayer pattern by its first row, OpenCV by the second pixel of the second row.
_ENCODINGS = {
    'rgb8': _Layout(3, np.uint8, 'rgb'),
    'bgr8': _Layout(3, np.uint8, 'bgr'),
    '8UC3': _Layout(3, np.uint8, 'bgr'),
    'rgba8': _Layout(4, np.uint8, 'rgb', cv2.COLOR_RGBA2RGB),
    'bgra8': _Layout(4, np.uint8, 'bgr', cv2.COLOR_BGRA2BGR),
    '8UC4': _Layout(4, np.uint8, 'bgr', cv2.COLOR_BGRA2BGR),
    'mono8': _Layout(1, np.uint8, 'rgb', cv2.COLOR_GRAY2RGB),
    '8UC1': _Layout(1, np.uint8, 'rgb', cv2.COLOR_GRAY2RGB),
    'rgb16': _Layout(3, np.uint16, 'rgb'),
    'bgr16': _Layout(3, np.uint16, 'bgr'),
    '16UC3': _Layout(3, np.uint16, 'bgr'),
    'rgba16': _Layout(4, np.uint16, 'rgb', cv2.COLOR_RGBA2RGB),
    'bgra16': _Layout(4, np.uint16, 'bgr', cv2.COLOR_BGRA2BGR),
    '16UC4': _Layout(4, np.uint16, 'bgr', cv2.COLOR_BGRA2BGR),
    'mono16': _Layout(1, np.uint16, 'rgb', cv2.COLOR_GRAY2RGB),
    '16UC1': _Layout(1, np.uint16, 'rgb', cv2.COLOR_GRAY2RGB),
    'bayer_rggb8': _Layout(1, np.uint8, 'rgb', cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': _Layout(1, np.uint8, 'rgb', cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': _Layout(1, np.uint8, 'rgb', cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': _Layout(1, np.uint8, 'rgb', cv2.COLOR_BayerGB2RGB),
    'bayer_rggb16': _Layout(1, np.uint16, 'rgb', cv2.COLOR_BayerBG2RGB),
    'bayer_bggr16': _Layout(1, np.uint16, 'rgb', cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg16': _Layout(1, np.uint16, 'rgb', cv2.COLOR_BayerGR2RGB),
    'bayer_grbg16': _Layout(1, np.uint16, 'rgb', cv2.COLOR_BayerGB2RGB),
    'yuv422': _Layout(2, np.uint8, 'rgb', cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': _Layout(2, np.uint8, 'rgb', cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': _Layout(2, np.uint8, 'rgb', cv2.COLOR_YUV2RGB_YUYV),
    'yuyv': _Layout(2, np.uint8, 'rgb', cv2.COLOR_YUV2RGB_YUYV),
    'nv12': _Layout(1, np.uint8, 'rgb', cv2.COLOR_YUV2RGB_NV12, lines=3),
    'nv21': _Layout(1, np.uint8, 'rgb', cv2.COLOR_YUV2RGB_NV21, lines=3),
}
ENCODINGS = tuple(sorted(_ENCODINGS))
# What cv_bridge of Humble and of Jazzy both convert to colour.
BRIDGED = frozenset(name for name in ENCODINGS
                    if 'UC' not in name and name not in ('uyvy', 'yuyv', 'nv12', 'nv21'))


def to_array(data: Any, height: int, width: int, encoding: str, step: int,
             is_bigendian: bool = False) -> Tuple[np.ndarray, str]:
    """Return a message's pixels as (H, W, 3) uint8 and their order, 'rgb' or 'bgr'.

    `data` is anything with the buffer protocol; rows may be padded (`step` beyond the pixels), the
    last row need not be. 8-bit colour is a view of `data`, valid as long as it; 16-bit values are
    scaled by 255/65535. ImageError says what is wrong with the message.
    """
    layout = _ENCODINGS.get(encoding)
    if layout is None:
        raise ImageError(f"encoding {encoding[:40]!r} is not known; known are {', '.join(ENCODINGS)}")
    rows = _rows(data, height, width, step, layout, is_bigendian, encoding)
    if layout.code is None and layout.dtype is np.uint8:
        return rows, layout.order
    if 'bayer' in encoding and (height < 2 or width < 2):
        raise ImageError(f'a {encoding} image of {height}x{width} holds no whole pattern')
    rows = np.ascontiguousarray(rows.astype(layout.dtype, copy=False))
    convert = (cv_bridge().convert if encoding in BRIDGED else None) or convert_by_opencv
    return convert(rows, encoding, layout.order + '8'), layout.order


def to_labels(data: Any, height: int, width: int, step: int, encoding: str = '8UC1',
              is_bigendian: bool = False) -> np.ndarray:
    """Return a message of one channel as (H, W) numbers, a view of `data`; checks as `to_array`."""
    return _rows(data, height, width, step, _ENCODINGS[encoding], is_bigendian, encoding)


def to_depth(data: Any, height: int, width: int, encoding: str, step: int,
             is_bigendian: bool = False) -> np.ndarray:
    """Return a depth image (REP 118: `16UC1` millimetres, `32FC1` metres) as a new (H, W) float32, metres.

    0, NaN and infinity say, as they do in the message, that nothing was measured. Checks as `to_array`.
    """
    if encoding not in ('16UC1', '32FC1'):
        raise ImageError(f"a depth image's encoding is 16UC1 or 32FC1, not {encoding[:40]!r}")
    millimetres = encoding == '16UC1'
    layout = _Layout(1, np.uint16 if millimetres else np.float32, '')
    rows = _rows(data, height, width, step, layout, is_bigendian, encoding)
    return np.multiply(rows, 0.001 if millimetres else 1.0, dtype=np.float32)


def convert_by_opencv(rows: np.ndarray, encoding: str, target: str) -> np.ndarray:
    """Pixels of any known encoding, native byte order -> (H, W, 3) uint8; `target` is its 'rgb8' or 'bgr8'.

    Colour first, then depth, rounding as cv_bridge does.
    """
    layout = _ENCODINGS[encoding]
    colour = rows if layout.code is None else cv2.cvtColor(rows, layout.code)
    if layout.order + '8' != target:
        colour = cv2.cvtColor(colour, cv2.COLOR_RGB2BGR)
    return colour if colour.dtype == np.uint8 else cv2.convertScaleAbs(colour, alpha=255 / 65535)


class Bridge(NamedTuple):
    """cv_bridge's conversion (pixels, encoding, target), None where it is not usable, and why."""

    convert: Optional[Callable[[np.ndarray, str, str], np.ndarray]]
    reason: str


@functools.lru_cache(maxsize=None)
def cv_bridge() -> Bridge:
    """Return cv_bridge's conversion if it is installed and does its job; tried once.

    The rule: plain 8-bit colour is viewed, what `BRIDGED` names is converted by cv_bridge, and by OpenCV
    where there is none. Rows that are padded or big-endian are made plain first: cv_bridge shifts rows whose
    padding is no multiple of a pixel.
    """
    try:
        from cv_bridge import CvBridge
        bridge = CvBridge()

        def convert(rows: np.ndarray, encoding: str, target: str) -> np.ndarray:
            message = SimpleNamespace(height=rows.shape[0], width=rows.shape[1], encoding=encoding,
                                      step=rows.strides[0], is_bigendian=0, data=rows.data)
            return np.asarray(bridge.imgmsg_to_cv2(message, target))

        pixels = np.arange(16, dtype=np.uint8).reshape(2, 2, 4)
        if not np.array_equal(convert(pixels, 'rgba8', 'rgb8'), pixels[..., :3]):
            raise ValueError('its result is wrong')
    except Exception as error:      # builds against another NumPy fail with more than ImportError
        missing = isinstance(error, ImportError) and error.name == 'cv_bridge'
        why = 'is not installed' if missing else f'does not work: {one_line(str(error), 200)}'
        return Bridge(None, f'OpenCV converts images (cv_bridge {why})')
    return Bridge(convert, 'cv_bridge converts images')


def _rows(data: Any, height: int, width: int, step: int, layout: _Layout, is_bigendian: bool,
          encoding: str) -> np.ndarray:
    """View the pixels inside `data`, (H, W) or (H, W, channels), after checking every length."""
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE and height * width <= MAX_PIXELS):
        raise ImageError(f'an image of {height}x{width} pixels cannot be segmented')
    if layout.channels == 2 and width % 2:
        raise ImageError(f'a {encoding} image has an even width, not {width}')
    dtype = np.dtype(layout.dtype).newbyteorder('>' if is_bigendian else '<')
    row = width * layout.channels * dtype.itemsize
    if step < row:
        raise ImageError(f'step is {step} bytes, but a row of {width} {encoding} pixels takes {row}')
    buffer = np.frombuffer(data, np.uint8)
    if layout.lines == 3:
        if height % 2 or width % 2:
            raise ImageError(f'a {encoding} image has an even height and width, not {height}x{width}')
        if step * 2 == row * 3 and buffer.size == step * height:
            step = row      # some drivers count a row's share of the colour in, so that size is step x height
        height = height // 2 * 3
    needed = step * (height - 1) + row
    if buffer.size < needed:
        raise ImageError(f'data is {buffer.size} bytes, but {height} rows of step {step} take {needed}')
    shape: Tuple[int, ...] = (height, width)
    strides: Tuple[int, ...] = (step, layout.channels * dtype.itemsize)
    if layout.channels > 1:
        shape, strides = shape + (layout.channels,), strides + (dtype.itemsize,)
    return np.ndarray(shape, dtype, buffer=buffer.data, strides=strides)


def decode_compressed(data: Any, format: str = '') -> Tuple[np.ndarray, str]:
    """Decode a CompressedImage's JPEG or PNG to (H, W, 3) uint8 'bgr', as OpenCV gives it.

    ImageError where the data is no picture, or one too large; `format` is only used to say so.
    """
    try:
        return decode(data, cv2.IMREAD_COLOR), 'bgr'
    except ImageError as error:
        size = np.frombuffer(data, np.uint8).size
        raise ImageError(f'compressed data of {size} bytes (format {format[:40]!r}): {error}') from None


def encode_png(labels: np.ndarray) -> np.ndarray:
    """(H, W) uint8 labels -> PNG file as (bytes,) uint8: lossless, as labels must be."""
    return _encode('.png', labels, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def encode_jpeg(image: np.ndarray, order: str = 'rgb', quality: int = 80) -> np.ndarray:
    """(H, W, 3) uint8 image in `order` -> JPEG file as (bytes,) uint8."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if order == 'rgb' else image
    return _encode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _encode(suffix: str, image: np.ndarray, options: Any) -> np.ndarray:
    done, data = cv2.imencode(suffix, image, options)
    if not done:
        raise ImageError(f'an image of shape {image.shape} could not be encoded as {suffix}')
    return data.reshape(-1)
