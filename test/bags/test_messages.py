"""The CDR reader against `rosbags`' own serializer, and against bytes from anywhere."""

import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.bags.messages import COMPRESSED, IMAGE, ImageMessage, from_colours
from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.images import ImageError, encode_jpeg, encode_png

typesys = pytest.importorskip('rosbags.typesys')
STORE = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
CLASSES = ClassTable.load('camvid')


def serialized(type_: str, *fields, frame_id: str = 'front', little: bool = True) -> bytes:
    """Return a message with that header as CDR."""
    time = STORE.types['builtin_interfaces/msg/Time'](12, 345678901)
    header = STORE.types['std_msgs/msg/Header'](time, frame_id)
    return bytes(STORE.serialize_cdr(STORE.types[type_](header, *fields), type_, little_endian=little))


def image_message(encoding: str, pixels: np.ndarray, step: int = 0, **options) -> ImageMessage:
    """Return a raw image message of some pixels, rows padded to `step`."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    step = step or rows.shape[1]
    padded = np.pad(rows, ((0, 0), (0, step - rows.shape[1])))
    data = serialized(IMAGE, height, width, encoding, 0, step, padded.reshape(-1), **options)
    return ImageMessage('/topic', IMAGE, 7, data)


@pytest.mark.parametrize('little', (True, False))
@pytest.mark.parametrize('frame_id', ('', 'a', 'ab', 'abc', 'abcd', 'über'))
def test_every_alignment_and_byte_order(frame_id: str, little: bool) -> None:
    """Strings of any length before the numbers, either byte order, padded rows."""
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    message = image_message('bgr8', pixels, 17, frame_id=frame_id, little=little)
    assert message.stamp_ns == 12345678901 and message.header.frame_id == frame_id and message.log_ns == 7
    image, order = message.image()
    assert order == 'bgr' and np.array_equal(image, pixels)


def test_labels_of_every_form() -> None:
    """mono8, padded or not, 8UC1, PNG, and colours of the table are the same labels."""
    labels = np.array([[0, 3, 255], [10, 8, 1]], np.uint8)
    colours = CLASSES.palette()[labels]
    for message in (image_message('mono8', labels), image_message('8UC1', labels, 8),
                    image_message('rgb8', colours), image_message('bgr8', colours[:, :, ::-1])):
        assert np.array_equal(message.labels(CLASSES), labels)
    for data in (encode_png(labels), encode_png(colours[:, :, ::-1])):
        message = ImageMessage('/t', COMPRESSED, 0, serialized(COMPRESSED, 'png', data))
        assert np.array_equal(message.labels(CLASSES), labels)


def test_colours_of_no_class_are_ignored() -> None:
    """An unknown colour is 255, not its neighbour."""
    image = np.array([[[128, 128, 128], [128, 128, 129], [255, 255, 255]]], np.uint8)
    assert from_colours(image, 'rgb', CLASSES).tolist() == [[0, 255, 255]]


@pytest.mark.parametrize('encoding', ('mono16', '16UC1', 'yuv422', 'bayer_rggb8', 'nothing'))
def test_what_cannot_be_labels_is_refused(encoding: str) -> None:
    """Sixteen bits, Bayer and YUV are no labels, and say so."""
    pixels = np.zeros((2, 8), np.uint8)
    with pytest.raises(ImageError, match='encoding'):
        image_message(encoding, pixels, 8).labels(CLASSES)


def test_labels_in_jpeg_are_refused() -> None:
    """JPEG would change labels."""
    data = serialized(COMPRESSED, 'jpeg', encode_jpeg(np.zeros((8, 8, 3), np.uint8)))
    with pytest.raises(ImageError, match='PNG'):
        ImageMessage('/t', COMPRESSED, 0, data).labels(CLASSES)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_in_one_line(data) -> None:
    """Cut, flipped or random bytes raise InputError or give an image; never anything else."""
    type_ = data.draw(st.sampled_from((IMAGE, COMPRESSED)))
    whole = bytearray(serialized(IMAGE, 2, 3, 'rgb8', 0, 9, np.zeros(18, np.uint8)) if type_ == IMAGE
                      else serialized(COMPRESSED, 'png', encode_png(np.zeros((2, 2), np.uint8))))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[:data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole)
    try:
        message = ImageMessage('/t', type_, 0, cut)
        message.image()
        message.labels(CLASSES)
    except InputError as error:
        assert '\n' not in str(error)
