"""Rays and projection against the lens models as OpenCV's and ROS's documents define them."""

import math
import tracemalloc
from types import SimpleNamespace
from typing import Any, Sequence, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.points.camera import CameraModel, Ground
from enet_ros.points.placing import Placer, Rules

SIZE = (48, 64)
MATRIX = np.array([[50.0, 0.0, 31.5], [0.0, 52.0, 23.0], [0.0, 0.0, 1.0]])
RATIONAL = (0.3, -0.1, 0.001, -0.002, 0.02, 0.5, -0.05, 0.01)
FISHEYE = (-0.02, 0.005, -0.001, 0.0002)


def info(**changes: Any) -> Any:
    """Return a sensor_msgs/CameraInfo, without ROS."""
    values = dict(height=SIZE[0], width=SIZE[1], distortion_model='plumb_bob', d=[0.0] * 5,
                  k=MATRIX.ravel(), p=np.hstack((MATRIX * [[0.9], [0.9], [1.0]], np.zeros((3, 1)))).ravel(),
                  binning_x=0, binning_y=0,
                  roi=SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0))
    return SimpleNamespace(**dict(values, **changes))


def through(lens: str, d: Sequence[float], x: float, y: float) -> Tuple[float, float]:
    """Apply the models' formulas to one point."""
    r2 = x * x + y * y
    if lens == 'equidistant':
        r = math.sqrt(r2)
        angle = math.atan(r)
        bent = angle * (1 + sum(k * angle ** (2 * i + 2) for i, k in enumerate(d)))
        scale = bent / r if r else 1.0
        return 50 * x * scale + 31.5, 52 * y * scale + 23
    k1, k2, p1, p2, k3, k4, k5, k6 = tuple(d) + (0.0,) * (8 - len(d))
    radial = (1 + k1 * r2 + k2 * r2 ** 2 + k3 * r2 ** 3) / (1 + k4 * r2 + k5 * r2 ** 2 + k6 * r2 ** 3)
    return (50 * (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)) + 31.5,
            52 * (y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y) + 23)


LENSES = [('', ()), ('plumb_bob', (-0.2, 0.03, 0.001, -0.002, 0.0)), ('plumb_bob', (0.1, 0.02, 0.0, 0.001)),
          ('rational_polynomial', RATIONAL), ('equidistant', FISHEYE)]


@pytest.mark.parametrize('lens, d', LENSES)
def test_every_ray_is_seen_where_it_comes_from(lens: str, d: Sequence[float]) -> None:
    rays = CameraModel(SIZE, MATRIX, lens, d).rays
    assert rays.shape == SIZE + (2,) and np.isfinite(rays).all()
    for row in range(0, SIZE[0], 5):
        for column in range(0, SIZE[1], 7):
            x, y = rays[row, column].tolist()
            assert through(lens, d, x, y) == pytest.approx((column, row), abs=0.02)


@pytest.mark.parametrize('lens, d', LENSES)
@settings(max_examples=60, deadline=None)
@given(point=st.tuples(st.floats(-60, 60), st.floats(-60, 60), st.floats(-5, 60)))
def test_a_point_is_seen_by_the_pixel_that_looks_at_it(lens: str, d: Sequence[float], point: Any) -> None:
    """Whatever the model does with points far beside the picture, none of them is seen in it."""
    camera = CameraModel(SIZE, MATRIX, lens, d)
    column, row = camera.project(np.array([point]))[0].tolist()
    x, y, z = point
    if column >= 0:
        assert z > 0 and through(lens, d, x / z, y / z) == pytest.approx((column, row), abs=0.51)
        assert np.abs(camera.rays[row, column] - (x / z, y / z)).max() < 0.1
    elif z > 0.1 and max(abs(x), abs(y)) / z < 0.4:     # well inside the view
        u, v = through(lens, d, x / z, y / z)
        assert not (0 <= u <= SIZE[1] - 1 and 0 <= v <= SIZE[0] - 1)


def test_what_the_lens_model_cannot_mean_is_no_ray() -> None:
    """A barrel polynomial that turns back reaches some pixels from no direction at all."""
    rays = CameraModel((480, 640), [[200, 0, 320], [0, 200, 240], [0, 0, 1]], 'plumb_bob',
                       (-0.3, 0.0, 0.0, 0.0, 0.0)).rays
    assert np.isnan(rays[0, 0]).all() and np.isfinite(rays[240, 320]).all()
    seen = CameraModel((480, 640), [[200, 0, 320], [0, 200, 240], [0, 0, 1]], 'plumb_bob',
                       (-0.3, 0.0, 0.0, 0.0, 0.0)).project(np.array([[1.8, 0.0, 1.0]]))
    assert seen.tolist() == [[-1, -1]]      # the polynomial leads it to column 330


def test_camera_info_binned_cut_out_and_rectified() -> None:
    whole = CameraModel.from_info(info())
    roi = SimpleNamespace(x_offset=8, y_offset=16, height=24, width=40)
    part = CameraModel.from_info(info(roi=roi))
    assert part.size == (24, 40)
    np.testing.assert_allclose(part.rays, whole.rays[16:40, 8:48], atol=1e-6)
    halved = CameraModel.from_info(info(binning_x=2, binning_y=2))
    assert halved.size == (24, 32)
    np.testing.assert_allclose(halved.rays, whole.rays[::2, ::2], atol=1e-6)
    bent = info(d=[-0.2, 0.03, 0.0, 0.0, 0.0])
    assert CameraModel.from_info(bent, rectified=True).matrix[0, 0] == pytest.approx(45.0)
    assert not np.allclose(CameraModel.from_info(bent).rays, whole.rays, atol=1e-3)


@pytest.mark.parametrize('changes, told', [
    ({'k': np.zeros(9)}, 'not calibrated'),
    ({'k': np.full(9, np.nan)}, 'not calibrated'),
    ({'distortion_model': 'omnidirectional', 'd': [0.1] * 4}, "distortion model 'omnidirectional'"),
    ({'d': [0.1] * 3}, "'plumb_bob' with 3 numbers"),
    ({'d': [np.inf] * 5}, "'plumb_bob' with 5 numbers"),
    ({'height': 0}, '0x64 is no size'),
    ({'height': 2 ** 31, 'width': 2 ** 31}, 'no size')])
def test_impossible_calibrations_are_refused_in_one_line(changes: Any, told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        CameraModel.from_info(info(**changes))
    assert '\n' not in str(error.value) and str(error.value).startswith('camera_info: ')


@pytest.mark.parametrize('lens, d', LENSES)
def test_a_calibration_costs_memory_only_for_images_that_come(lens: str, d: Sequence[float]) -> None:
    """OpenCV's derivatives take a gigabyte for 1080x1920 at once, and a message may say 8192x8192."""
    rules = Rules.of(ClassTable.load('camvid'), ['Road'])
    tracemalloc.start()
    try:
        Placer(CameraModel((8192, 8192), MATRIX, lens, d), rules)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        CameraModel((480, 640), MATRIX * [[10], [10], [1]], lens, d).rays.sum()
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()


@given(pitch=st.floats(-1.5, 1.5), roll=st.floats(-3, 3))
def test_the_ground_is_below_as_rep_103_turns_the_camera(pitch: float, roll: float) -> None:
    """Body axes are forward, left, up: Ry(pitch) Rx(roll) turns the body, whose optical frame it is."""
    cp, sp, cr, sr = math.cos(pitch), math.sin(pitch), math.cos(roll), math.sin(roll)
    body = (np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
            @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]]))
    optical = body @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    ground = Ground.from_angles(1.5, pitch, roll)
    np.testing.assert_allclose(ground.up, optical[2], atol=1e-12)
    assert ground.height == 1.5
