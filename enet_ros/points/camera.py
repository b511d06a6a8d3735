"""A calibrated camera, and the flat ground below it.

Coordinates are those of an optical frame (REP 103): x right, y down, z forward, metres. Lens models are those
of sensor_msgs/CameraInfo, computed by OpenCV.
"""

import math
from typing import Any, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..errors import InputError
from ..picture_files import MAX_PIXELS

# Lens model: how many coefficients it may have.
LENSES = {'': (0,), 'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
WIDEST = math.tan(math.radians(85))     # what looks farther off the optical axis is not seen
_REACHED = 0.5      # pixels by which a ray, led through the lens again, may miss the pixel it belongs to
_undistort = getattr(cv2, 'undistortPointsIter', cv2.undistortPoints)   # until OpenCV 4, and since 5
_ITERATIONS = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 40, 1e-9)
_AT_ONCE = 1 << 16  # points that OpenCV is given: it computes derivatives too, some 400 bytes a point


class CameraModel:
    """Where each pixel of a camera looks, and which pixel sees a point.

    `size` is (height, width); `matrix` is K, (3, 3); pixel (0, 0) is the middle of the first one.
    """

    def __init__(self, size: Tuple[int, int], matrix: Any, lens: str = '',
                 distortion: Sequence[float] = ()) -> None:
        """Check the numbers; InputError where one is impossible."""
        self.size = size
        self.matrix = np.asarray(matrix, np.float64).reshape(3, 3)
        self._distortion = np.asarray(distortion, np.float64)
        self._fisheye = lens == 'equidistant'
        if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
            raise InputError(f'camera_info: {size[0]}x{size[1]} is no size of an image')
        if not (np.isfinite(self.matrix).all() and min(self.matrix[0, 0], self.matrix[1, 1]) > 0):
            raise InputError('camera_info: the camera is not calibrated (no focal length); calibrate it, or '
                             'let its driver load the calibration')
        if len(self._distortion) not in LENSES.get(lens, ()) or not np.isfinite(self._distortion).all():
            raise InputError(f'camera_info: distortion model {lens!r} with {len(self._distortion)} numbers; '
                             'known are plumb_bob with 5, rational_polynomial with 8, equidistant with 4')
        self._looked: Optional[Tuple[np.ndarray, np.ndarray]] = None

    @classmethod
    def from_info(cls, info: Any, rectified: bool = False) -> 'CameraModel':
        """Return the camera of a sensor_msgs/CameraInfo; `rectified` where the images are image_rect."""
        matrix = np.array(info.p if rectified else info.k, np.float64).reshape(3, -1)[:, :3]
        matrix[:2, 2] -= info.roi.x_offset, info.roi.y_offset
        across, down = max(info.binning_x, 1), max(info.binning_y, 1)
        size = (info.roi.height or info.height) // down, (info.roi.width or info.width) // across
        plain = rectified or not any(info.d)
        return cls(size, matrix / [[across], [down], [1]], '' if plain else info.distortion_model,
                   () if plain else info.d)

    @property
    def rays(self) -> np.ndarray:
        """(H, W, 2) float32, x/z and y/z of what a pixel sees: NaN where the lens model has no inverse.

        Computed when first asked for: a calibration may be of a size that no image has.
        """
        return self._look()[0]

    @property
    def lengths(self) -> np.ndarray:
        """(H, W) float32, metres of range a metre of depth."""
        return self._look()[1]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels (N, 2) int of points (N, 3); (-1, -1) where the camera does not see one."""
        with np.errstate(all='ignore'):
            slopes = points[:, :2] / points[:, 2:]
        seen = (points[:, 2] > 0.01) & (np.abs(slopes).max(1, initial=0.0) < WIDEST)
        slopes[~seen] = 0.0
        pixels = np.rint(self._through_lens(slopes))
        seen &= ((pixels >= 0) & (pixels < self.size[::-1])).all(1)
        pixels = np.where(seen[:, None], pixels, 0).astype(int)
        # Beyond the angles it was fitted for, a polynomial leads points back into the image.
        miss = np.abs(self.rays[pixels[:, 1], pixels[:, 0]] - slopes).max(1, initial=0.0)
        seen &= miss * self.matrix[0, 0] < 2 * (1 + (slopes ** 2).sum(1))
        return np.where(seen[:, None], pixels, -1)

    def _through_lens(self, slopes: np.ndarray) -> np.ndarray:
        """Return the pixels (N, 2) float at which x/z and y/z (N, 2) are seen."""
        project = cv2.fisheye.projectPoints if self._fisheye else cv2.projectPoints
        pixels = np.empty(slopes.shape)
        for first in range(0, len(slopes), _AT_ONCE):
            part = slopes[first:first + _AT_ONCE]
            points = np.column_stack((part, np.ones(len(part))))[:, None].astype(np.float64)
            seen = project(points, np.zeros(3), np.zeros(3), self.matrix, self._distortion)[0]
            pixels[first:first + _AT_ONCE] = np.asarray(seen).reshape(-1, 2)
        return pixels

    def _look(self) -> Tuple[np.ndarray, np.ndarray]:
        """Return `rays` and `lengths`."""
        if self._looked is None:
            height, width = self.size
            rays = np.empty((height, width, 2), np.float32)
            step = max(_AT_ONCE // width, 1)
            for top in range(0, height, step):
                rows, columns = np.indices((min(step, height - top), width))
                pixels = np.column_stack((columns.ravel(), rows.ravel() + top)).astype(np.float64)
                rays[top:top + step] = self._slopes(pixels).reshape(-1, width, 2)
            self._looked = rays, np.sqrt(1 + (rays ** 2).sum(-1))
        return self._looked

    def _slopes(self, pixels: np.ndarray) -> np.ndarray:
        """Return x/z and y/z of what pixels (N, 2) see, NaN where that cannot be said."""
        if self._fisheye:
            slopes = cv2.fisheye.undistortPoints(pixels[:, None], self.matrix, self._distortion)
        else:
            slopes = _undistort(pixels[:, None], self.matrix, self._distortion, R=None, P=None,
                                criteria=_ITERATIONS)
        slopes = slopes.reshape(-1, 2)
        found = np.abs(slopes).max(1) < WIDEST
        slopes[~found] = 0.0
        found &= np.abs(self._through_lens(slopes) - pixels).max(1) < _REACHED
        slopes[~found] = np.nan
        return slopes


class Ground(NamedTuple):
    """The flat ground as a camera has it below: the unit vector `up` and the camera's height in metres."""

    up: Tuple[float, float, float]
    height: float

    @classmethod
    def from_angles(cls, height: float, pitch: float, roll: float) -> 'Ground':
        """Return the ground below a camera that looks down by `pitch` and leans right by `roll`, in radians.

        In REP 103's order: the level camera is pitched, then rolled about its own axis.
        """
        return cls((-math.cos(pitch) * math.sin(roll), -math.cos(pitch) * math.cos(roll), -math.sin(pitch)),
                   height)
