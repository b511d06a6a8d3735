"""Images that no camera should send: each becomes pixels of the right size or an ImageError."""

import random
import resource
from typing import Any, Dict, Optional

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros import images, picture_files
from enet_ros.images import ImageError, decode_compressed, encode_jpeg, encode_png, to_array

_UINT32 = st.integers(0, 2**32 - 1)
_BYTES_A_PIXEL = {'rgb8': 3, 'bgra8': 4, 'mono8': 1, 'mono16': 2, 'bayer_rggb8': 1, 'bayer_gbrg16': 2,
                  'yuv422': 2, 'rgb16': 6, 'bgra16': 8}


def _survives(message: Dict[str, Any]) -> bool:
    """Convert; True for pixels of the right size, False for an ImageError of one line."""
    try:
        array, order = to_array(**message)
    except ImageError as error:
        assert str(error) and '\n' not in str(error)
        return False
    assert array.shape == (message['height'], message['width'], 3) and array.dtype == np.uint8
    assert order in ('rgb', 'bgr')
    array.sum()      # touches every pixel: a view beyond the data would be seen here
    return True


def _message(chance: random.Random) -> Dict[str, Any]:
    """Return a message that is right, nearly right, or nonsense."""
    encoding = chance.choice(list(images.ENCODINGS) + ['', 'jpeg', 'rgb8\0', 'RGB8', '64FC9', 'nv24'])
    height, width = chance.randrange(0, 40), chance.randrange(0, 40)
    row = width * _BYTES_A_PIXEL.get(encoding, chance.choice([1, 2, 3, 4, 6, 8]))
    step = max(0, row + chance.choice([0, 0, 0, 1, 7, 64, -1, -row]))
    size = max(0, step * height + chance.choice([0, 0, 0, -1, 1, -step, 100]))
    if chance.random() < 0.1:
        height, width, step = (chance.choice([0, 1, 2**14, 2**20, 2**31, 2**32 - 1]) for _ in range(3))
    return {'data': bytes(size), 'height': height, 'width': width, 'encoding': encoding, 'step': step,
            'is_bigendian': chance.random() < 0.3}


def test_ten_thousand_messages() -> None:
    """No crash, no wrong size; enough of both outcomes for that to mean something."""
    chance = random.Random(20)
    survived = sum(_survives(_message(chance)) for _ in range(10000))
    assert 2000 < survived < 8000


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400), _UINT32 | st.integers(0, 12), _UINT32 | st.integers(0, 12),
       st.sampled_from(images.ENCODINGS) | st.text(max_size=12),
       _UINT32 | st.integers(0, 60), st.booleans())
def test_any_header_on_any_data(data: bytes, height: int, width: int, encoding: str, step: int,
                                is_bigendian: bool) -> None:
    """Whatever the fields claim, the data decides."""
    _survives({'data': data, 'height': height, 'width': width, 'encoding': encoding, 'step': step,
               'is_bigendian': is_bigendian})


def _picture(kind: str) -> bytes:
    labels = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    return bytes(encode_png(labels) if kind == 'png' else encode_jpeg(np.dstack([labels] * 3)))


def _decode(data: bytes) -> Optional[np.ndarray]:
    try:
        return decode_compressed(data, 'fuzz')[0]
    except ImageError as error:
        assert str(error) and '\n' not in str(error)
        return None


@pytest.mark.parametrize('kind', ['png', 'jpeg'])
def test_damaged_pictures(kind: str) -> None:
    """Every truncation and hundreds of flipped bytes: a picture of its stated size, or an ImageError."""
    whole, chance = _picture(kind), random.Random(3)
    assert _decode(whole).shape == (48, 64, 3)
    for cut in range(0, len(whole), 17):
        _decode(whole[:cut])
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3, 10])):
            broken[chance.randrange(2, len(broken))] = chance.randrange(256)
        # A size of its own making may be large, and merely costs the suite time.
        if np.prod(picture_files.picture_size(bytes(broken))) > 10**6:
            continue
        picture = _decode(bytes(broken))
        if picture is not None:
            assert picture.dtype == np.uint8 and picture.shape[2] == 3
            assert picture.shape[:2] == picture_files.picture_size(bytes(broken))


def test_a_picture_larger_than_any_camera_is_refused_unread() -> None:
    """A PNG header of 60000 x 60000 pixels costs no memory."""
    head = _picture('png')
    huge = head[:16] + (60000).to_bytes(4, 'big') * 2 + head[24:]
    with pytest.raises(ImageError, match='60000x60000'):
        decode_compressed(huge)


def test_a_chunk_that_claims_gigabytes_costs_nothing() -> None:
    """OpenCV would allocate two gigabytes for these hundred bytes, and take seconds."""
    whole = _picture('png')
    data = whole.index(b'IDAT')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match='cut short'):
        decode_compressed(whole[:data - 4] + b'\x7f' + whole[data - 3:])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@pytest.mark.parametrize('suffix', ['.bmp', '.tiff', '.webp', '.ppm', '.hdr'])
def test_other_picture_formats_are_refused(suffix: str) -> None:
    """Only what CompressedImage carries is decoded: fewer decoders meet a stranger's bytes."""
    import cv2
    data = cv2.imencode(suffix, np.zeros((8, 8, 3), np.float32 if suffix == '.hdr' else np.uint8))[1]
    with pytest.raises(ImageError):
        decode_compressed(data.tobytes())
