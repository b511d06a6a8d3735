"""Image messages against hand-written vectors: every encoding, padding, byte order, and what is refused."""

import struct
import sys
from types import ModuleType

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros import images, picture_files
from enet_ros.datasets import files
from enet_ros.images import ImageError, decode_compressed, to_array

RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]]], np.uint8)


def as_rgb(result):
    array, order = result
    return array if order == 'rgb' else array[..., ::-1]


def message(pixels, encoding, padding=0, is_bigendian=False):
    """Return to_array's arguments for pixels of any type, rows padded with a value that must not show."""
    pixels = np.ascontiguousarray(pixels)
    row = pixels.reshape(len(pixels), -1)
    row = row.astype(row.dtype.newbyteorder('>' if is_bigendian else '<')).view(np.uint8)
    padded = np.concatenate([row, np.full((len(row), padding), 77, np.uint8)], axis=1)
    return padded.tobytes(), pixels.shape[0], pixels.shape[1], encoding, padded.shape[1], is_bigendian


@pytest.mark.parametrize('padding', [0, 1, 7])
@pytest.mark.parametrize('encoding, pixels', [
    ('rgb8', RGB), ('bgr8', RGB[..., ::-1]), ('8UC3', RGB[..., ::-1]),
    ('rgba8', np.dstack([RGB, RGB[..., :1]])), ('bgra8', np.dstack([RGB[..., ::-1], RGB[..., :1]])),
])
def test_eight_bit_colour(encoding, pixels, padding):
    np.testing.assert_array_equal(as_rgb(to_array(*message(pixels, encoding, padding))), RGB)


@pytest.mark.parametrize('is_bigendian', [False, True])
@pytest.mark.parametrize('encoding, pixels', [
    ('rgb16', RGB), ('bgr16', RGB[..., ::-1]), ('rgba16', np.dstack([RGB, RGB[..., :1]])),
])
def test_sixteen_bit_colour_in_both_byte_orders(encoding, pixels, is_bigendian):
    sixteen = pixels.astype(np.uint16) * 257
    padding = 6 if is_bigendian else 0
    np.testing.assert_array_equal(as_rgb(to_array(*message(sixteen, encoding, padding, is_bigendian))), RGB)


@pytest.mark.parametrize('encoding, scale, dtype', [('mono8', 1, np.uint8), ('mono16', 257, np.uint16),
                                                    ('8UC1', 1, np.uint8), ('16UC1', 257, np.uint16)])
def test_grey(encoding, scale, dtype):
    grey = np.array([[0, 128, 255]], np.uint8)
    result = as_rgb(to_array(*message(grey.astype(dtype) * dtype(scale), encoding, 2)))
    np.testing.assert_array_equal(result, np.dstack([grey] * 3))


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
def test_bayer_patterns_are_named_by_their_first_row(pattern, bits):
    colour = {'r': 200, 'g': 100, 'b': 50}
    cell = np.array([[colour[pattern[0]], colour[pattern[1]]], [colour[pattern[2]], colour[pattern[3]]]])
    mosaic = np.tile(cell, (4, 4)).astype(np.uint8 if bits == 8 else np.uint16) * (1 if bits == 8 else 257)
    result = as_rgb(to_array(*message(mosaic, f'bayer_{pattern}{bits}')))
    np.testing.assert_array_equal(result[2:-2, 2:-2], np.full((4, 4, 3), [200, 100, 50]))


@pytest.mark.parametrize('encoding, order', [('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'),
                                             ('yuyv', 'yuyv')])
def test_yuv422(encoding, order):
    # BT.601 studio swing: pure red is Y 82, U 90, V 240.
    sample = {'y': 82, 'u': 90, 'v': 240}
    row = np.array([sample[letter] for letter in order] * 2, np.uint8)
    pixels = np.tile(row.reshape(1, 4, 2), (2, 1, 1))
    result = as_rgb(to_array(*message(pixels, encoding, 4)))
    assert result.shape == (2, 4, 3)
    np.testing.assert_allclose(result.reshape(-1, 3), [[255, 0, 0]] * 8, atol=3)


@pytest.mark.parametrize('encoding, order', [('nv12', (0, 1)), ('nv21', (1, 0))])
@pytest.mark.parametrize('padding', [0, 6])
def test_a_plane_of_colour_below_that_of_light(encoding, order, padding):
    blocks = np.repeat(np.repeat(RGB, 4, axis=0), 6, axis=1)
    planes = cv2.cvtColor(blocks, cv2.COLOR_RGB2YUV_I420).reshape(-1)
    light, colour = planes[:96].reshape(8, 12), planes[96:].reshape(2, 24)
    interleaved = colour[list(order)].T.reshape(4, 12)
    arguments = list(message(np.concatenate([light, interleaved]), encoding, padding))
    arguments[1] = 8
    np.testing.assert_allclose(as_rgb(to_array(*arguments)), blocks, atol=3)
    with pytest.raises(ImageError, match=f'12 rows of step {12 + padding} take'):
        to_array(arguments[0][:-padding - 1], *arguments[1:])
    if not padding:     # a driver for which size = step x height
        np.testing.assert_array_equal(to_array(*arguments[:4], 18)[0], to_array(*arguments)[0])


def test_plain_colour_is_a_view_of_the_message():
    data = bytearray(message(RGB, 'rgb8', 5)[0])
    array, order = to_array(data, 2, 2, 'rgb8', 11)
    data[0] = 99
    assert order == 'rgb' and array[0, 0, 0] == 99
    # What goes to OpenCV must not need a copy either: the rows are only further apart.
    assert cv2.resize(array, (1, 1)).shape == (1, 1, 3)


def test_the_last_row_needs_no_padding():
    data = message(RGB, 'rgb8', 5)[0][:-5]
    np.testing.assert_array_equal(to_array(data, 2, 2, 'rgb8', 11)[0], RGB)


@pytest.mark.parametrize('arguments, text', [
    ((b'\0' * 11, 2, 2, 'rgb8', 6), 'data is 11 bytes, but 2 rows of step 6 take 12'),
    ((b'\0' * 12, 2, 2, 'rgb8', 5), 'step is 5 bytes, but a row of 2 rgb8 pixels takes 6'),
    ((b'', 0, 2, 'rgb8', 6), 'an image of 0x2 pixels'),
    ((b'', 2, 0, 'rgb8', 0), 'an image of 2x0 pixels'),
    ((b'\0' * 12, 2, 2, 'jpeg9', 6), "encoding 'jpeg9' is not known"),
    ((b'\0' * 12, 2, 2, '', 6), "encoding '' is not known"),
    ((b'\0' * 6, 1, 3, 'yuv422', 6), 'even width'),
    ((b'\0' * 4, 1, 4, 'bayer_rggb8', 4), 'no whole pattern'),
    ((b'\0' * 12, 3, 2, 'nv12', 2), 'even height and width, not 3x2'),
    ((b'\0', 1 << 31, 1 << 31, 'rgb8', 1 << 33), 'cannot be segmented'),
])
def test_contradictions_are_refused(arguments, text):
    with pytest.raises(ImageError, match=text):
        to_array(*arguments)


class CvBridge:
    """The double of cv_bridge's public class, with its manners.

    It knows a message by its fields, floors rows whose padding is no multiple of a pixel to whole pixels, and
    raises where it cannot convert. What it makes of colours is OpenCV's, as in the real one.
    """

    def imgmsg_to_cv2(self, message, desired_encoding: str = 'passthrough') -> np.ndarray:
        layout = images._ENCODINGS[message.encoding]
        if message.encoding not in images.BRIDGED:
            raise RuntimeError(f'Unrecognized image encoding [{message.encoding}]')
        size = np.dtype(layout.dtype).itemsize
        shape = (message.height, message.step // size // layout.channels)
        shape += (layout.channels,) if layout.channels > 1 else ()
        pixels = np.ndarray(shape, layout.dtype, buffer=message.data)[:, :message.width]
        return images.convert_by_opencv(np.ascontiguousarray(pixels), message.encoding, desired_encoding)


class BrokenBridge:
    """One that was built against another NumPy."""

    def imgmsg_to_cv2(self, message, desired_encoding: str = 'passthrough') -> np.ndarray:
        raise AttributeError('_ARRAY_API not found')


@pytest.fixture
def bridge(request, monkeypatch):
    """Install a double of cv_bridge, none, or whatever is there."""
    if request.param != 'real':
        module = request.param and ModuleType('cv_bridge')
        if module:
            module.CvBridge = {'double': CvBridge, 'broken': BrokenBridge}[request.param]
        monkeypatch.setitem(sys.modules, 'cv_bridge', module)
    images.cv_bridge.cache_clear()
    yield images.cv_bridge()
    images.cv_bridge.cache_clear()


@pytest.mark.parametrize('bridge', ['double', 'real'], indirect=True)
@pytest.mark.parametrize('encoding', sorted(images.BRIDGED))
def test_cv_bridge_and_opencv_agree_on_padded_rows_of_either_order(bridge, encoding):
    if bridge.convert is None:
        pytest.skip(bridge.reason)
    layout = images._ENCODINGS[encoding]
    dtype = np.dtype(layout.dtype)
    shape = (8, 10) if layout.channels == 1 else (8, 10, layout.channels)
    pixels = np.random.RandomState(0).randint(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    expected = images.convert_by_opencv(pixels, encoding, layout.order + '8')
    for big in (False, True):
        rows = pixels.astype(dtype.newbyteorder('>' if big else '<')).reshape(8, -1).view(np.uint8)
        for padding in (0, 1, 7):
            data = np.hstack((rows, np.full((8, padding), 99, np.uint8)))
            found, order = to_array(data.tobytes(), 8, 10, encoding, data.shape[1], big)
            if 'mono8' == encoding or layout.code is not None or dtype.itemsize > 1:
                np.testing.assert_array_equal(found, expected)
            assert order == layout.order


@pytest.mark.parametrize('bridge, words', [
    ('double', 'cv_bridge converts images'), (None, 'cv_bridge is not installed'),
    ('broken', 'cv_bridge does not work: _ARRAY_API not found')], indirect=['bridge'])
def test_which_way_is_taken_is_said(bridge, words):
    assert words in bridge.reason and (bridge.convert is None) == ('OpenCV converts' in bridge.reason)
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 6)
    np.testing.assert_array_equal(to_array(pixels.tobytes(), 2, 6, 'mono8', 6)[0],
                                  pixels[..., None].repeat(3, 2))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(-1, 20), st.integers(-1, 20),
       st.sampled_from(images.ENCODINGS + ('', 'rgb', '32FC1')), st.integers(-1, 60), st.booleans())
def test_any_message_becomes_an_image_or_an_image_error(data, height, width, encoding, step, is_bigendian):
    try:
        array, order = to_array(data, height, width, encoding, step, is_bigendian)
    except ImageError:
        return
    assert array.shape == (height, width, 3) and array.dtype == np.uint8 and order in ('rgb', 'bgr')


def test_compressed_round_trips():
    labels = np.random.RandomState(0).randint(0, 256, (17, 23)).astype(np.uint8)
    png = images.encode_png(labels)
    np.testing.assert_array_equal(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), labels)
    smooth = cv2.resize(RGB, (64, 48))
    image, order = images.decode_compressed(images.encode_jpeg(smooth, quality=95).tobytes(), 'jpeg')
    assert np.abs(as_rgb((image, order)).astype(int) - smooth).mean() < 6


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100), st.sampled_from([b'', b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n']))
def test_broken_compressed_data_is_refused(data, magic):
    with pytest.raises(ImageError):
        images.decode_compressed(magic + data, 'jpeg')


def test_a_picture_that_unpacks_to_gigabytes_is_refused_by_its_header():
    png = images.encode_png(np.zeros((2, 2), np.uint8)).tobytes()
    huge = png[:16] + (60000).to_bytes(4, 'big') * 2 + png[24:]
    with pytest.raises(ImageError, match='60000x60000'):
        images.decode_compressed(huge, 'png')
    jpeg = images.encode_jpeg(np.zeros((48, 64, 3), np.uint8)).tobytes()
    assert picture_files.picture_size(jpeg) == (48, 64)


def test_a_cameras_note_to_turn_the_picture_is_not_followed(tmp_path):
    """EXIF orientation 6 (shown turned by 90 degrees): labels are drawn on the pixels as they are stored."""
    picture = np.full((16, 32, 3), 90, np.uint8)
    data = cv2.imencode('.jpg', picture)[1].tobytes()
    exif = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    data = data[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + data[2:]
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (32, 16, 3)
    (tmp_path / 'a.jpg').write_bytes(data)
    assert decode_compressed(data)[0].shape == files.image(tmp_path / 'a.jpg').shape == (16, 32, 3)
