"""Picture files of data sets and masks: only four formats, and only sizes and efforts that a camera has."""

import os
from pathlib import Path
from typing import Any

from bounds import bounded
import cv2
import numpy as np
import pytest

from enet_ros import picture_files
from enet_ros.datasets import files
from enet_ros.errors import InputError
from enet_ros.images import decode_compressed
from enet_ros.segmenter import read_mask

READERS = [files.image, files.label, files.ids, read_mask]
GREY = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)


def _encoded(suffix: str, picture: np.ndarray = GREY) -> bytes:
    return bytes(cv2.imencode(suffix, picture)[1].tobytes())


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tiff'])
def test_the_formats_that_are_read(suffix: str, tmp_path: Path) -> None:
    """By their content, not by their name."""
    (tmp_path / 'x.jpg').write_bytes(_encoded(suffix))
    assert picture_files.picture_size(_encoded(suffix)) == (48, 64)
    for read in (files.ids, read_mask):
        assert np.array_equal(read(tmp_path / 'x.jpg'), GREY)


@pytest.mark.parametrize('reader', READERS)
@pytest.mark.parametrize('suffix', ['.webp', '.ppm', '.jp2', '.hdr'])
def test_other_decoders_are_never_reached(reader: Any, suffix: str, tmp_path: Path) -> None:
    """OpenCV has a dozen."""
    picture = np.zeros((64, 64, 3), np.float32 if suffix == '.hdr' else np.uint8)
    (tmp_path / 'x.png').write_bytes(_encoded(suffix, picture))
    with pytest.raises(InputError, match='x.png'):
        reader(tmp_path / 'x.png')


def _huge() -> Any:
    png, bmp, tiff = (_encoded(suffix) for suffix in ('.png', '.bmp', '.tiff'))
    yield png[:16] + (60000).to_bytes(4, 'big') * 2 + png[24:]
    for side in (60000, -60000):
        yield bmp[:18] + side.to_bytes(4, 'little', signed=True) * 2 + bmp[26:]
    at = int.from_bytes(tiff[4:8], 'little')
    for tag in (256, 257, 322, 323):        # width, length; of tiles
        entry = tag.to_bytes(2, 'little') + b'\x04\0\x01\0\0\0' + (1 << 30).to_bytes(4, 'little')
        yield tiff[:at] + b'\x01\0' + entry + bytes(4)
        yield tiff[:at + 2] + entry + tiff[at + 14:]


@pytest.mark.parametrize('reader', READERS)
def test_sizes_are_looked_at_first(reader: Any, tmp_path: Path) -> None:
    """A header of gigapixels costs nothing, in any format."""
    for number, data in enumerate(_huge()):
        path = tmp_path / f'{number}.png'
        path.write_bytes(data)
        with bounded(cpu=1, memory=50 << 20), pytest.raises(InputError):
            reader(path)


def test_a_jpeg_of_many_scans_is_refused() -> None:
    """Each scan goes over all pixels: a hundred kilobytes held the worker for five seconds."""
    side = 2000
    picture = np.zeros((side, side, 3), np.uint8)
    plain = bytes(cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())
    assert decode_compressed(plain)[0].shape == (side, side, 3)
    at = plain.rindex(b'\xff\xda')
    many = plain[:at] + plain[at:-2] * 2000 + plain[-2:]
    with bounded(cpu=0.5), pytest.raises(InputError, match='scans'):
        decode_compressed(many)


def test_labels_that_are_no_class_numbers(tmp_path: Path) -> None:
    """Floats, and numbers that a table for would take gigabytes."""
    for values in (GREY.astype(np.float32), np.full((4, 4), 2**31 - 1, np.int32)):
        cv2.imwrite(str(tmp_path / 'x.tiff'), values)
        with bounded(cpu=1, memory=50 << 20), pytest.raises(InputError, match='x.tiff'):
            files.indices(tmp_path / 'x.tiff', np.zeros(256, np.uint8), range(256))
    cv2.imwrite(str(tmp_path / 'y.png'), GREY.astype(np.uint16) * 250)
    with pytest.raises(InputError, match='no class number'):
        files.indices(tmp_path / 'y.png', np.zeros(256, np.uint8), range(256))


@pytest.mark.timeout(30)
@pytest.mark.parametrize('reader', READERS + [files.lines])
def test_pipes_and_devices_are_no_pictures(reader: Any, tmp_path: Path) -> None:
    """Neither waited for nor read."""
    os.mkfifo(str(tmp_path / 'pipe.png'))
    os.symlink('/dev/zero', str(tmp_path / 'zero.png'))
    for name in ('pipe.png', 'zero.png', 'missing.png'):
        with pytest.raises(InputError, match=name):
            reader(tmp_path / name)
