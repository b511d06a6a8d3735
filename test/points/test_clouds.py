"""Clouds and depth images: read however they lie, and refused where they contradict themselves."""

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.errors import InputError
from enet_ros.images import to_depth
from enet_ros.picture_files import ImageError
from enet_ros.points.clouds import read_xyz


def cloud_message(xyz: np.ndarray, order: str = '<', size: str = 'f4', lead: int = 0, spare: int = 0,
                  padding: int = 0) -> Any:
    """Return (H, W, 3) as a PointCloud2, without ROS, with room before, behind and after each row."""
    width = np.dtype(size).itemsize
    step = lead + 3 * width + spare
    made = np.zeros((xyz.shape[0], xyz.shape[1] * step + padding), np.uint8)
    for row, points in enumerate(xyz):
        for column, point in enumerate(points):
            start = column * step + lead
            made[row, start:start + 3 * width] = np.frombuffer(point.astype(order + size).tobytes(), np.uint8)
    fields = [SimpleNamespace(name=name, offset=lead + width * axis, count=1,
                              datatype={'f4': 7, 'f8': 8}[size]) for axis, name in enumerate('xyz')]
    return SimpleNamespace(height=xyz.shape[0], width=xyz.shape[1], fields=fields, point_step=step,
                           row_step=made.shape[1], is_bigendian=order == '>', data=made.tobytes())


@settings(max_examples=50, deadline=None)
@given(shape=st.tuples(st.integers(0, 3), st.integers(0, 4)), order=st.sampled_from('<>'),
       size=st.sampled_from(('f4', 'f8')), room=st.tuples(*[st.integers(0, 9)] * 3))
def test_clouds_are_read_however_they_lie(shape: Any, order: str, size: str, room: Any) -> None:
    xyz = np.random.RandomState(0).randn(*shape, 3).astype(np.float32)
    np.testing.assert_array_equal(read_xyz(cloud_message(xyz, order, size, *room)), xyz.reshape(-1, 3))


@pytest.mark.parametrize('changes, told', [
    ({'data': b'\0' * 20}, '20 bytes do not hold 2x4 points'),
    ({'row_step': 1}, 'do not hold'),
    ({'point_step': 4}, 'do not hold'),
    ({'point_step': 0}, 'do not hold'),
    ({'height': 2 ** 31, 'width': 2 ** 31}, '2147483648x2147483648 points are too many'),
    ({'fields': []}, 'no fields x, y, z')])
def test_clouds_that_contradict_themselves_are_refused(changes: Any, told: str) -> None:
    message = cloud_message(np.zeros((2, 4, 3), np.float32))
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(InputError, match=told) as error:
        read_xyz(message)
    assert '\n' not in str(error.value)


def test_depth_images() -> None:
    values = np.array([[0, 1500], [65535, 20]], '>u2')
    np.testing.assert_allclose(to_depth(values.tobytes(), 2, 2, '16UC1', 4, True), [[0, 1.5], [65.535, 0.02]])
    metres = np.array([[np.nan, 1.5, 9], [np.inf, 0.02, 9]], '<f4')
    np.testing.assert_array_equal(to_depth(metres.tobytes(), 2, 2, '32FC1', 12), metres[:, :2])
    for encoding, step, told in (('mono8', 2, 'encoding is 16UC1 or 32FC1'), ('16UC1', 2, 'step is 2'),
                                 ('32FC1', 400, 'rows of step 400')):
        with pytest.raises(ImageError, match=told):
            to_depth(values.tobytes(), 2, 2, encoding, step)
