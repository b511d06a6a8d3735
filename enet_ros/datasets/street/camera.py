"""The camera that drives along the synthetic street, and the street's own coordinates.

Everything in the street is placed by (s, d, h) in metres: s along the road, d to the right of the road's
centre line, h above the ground. The road bends gently; `Road` knows by how much. A camera looks along the
road and projects such points to pixels.
"""

import math
from typing import Any, NamedTuple, Tuple

import numpy as np

NEAR = 0.9  # metres; what is nearer than this in front of the camera is clipped
FAR = 120.0  # metres; what is farther is part of the backdrop


class Road(NamedTuple):
    """The centre line x(s) = bend * sin(s / length + phase), all in metres."""

    bend: float
    length: float
    phase: float

    def centre(self, s: Any) -> Any:
        """Return the sideways position of the centre line at `s`."""
        return self.bend * np.sin(s / self.length + self.phase)

    def slope(self, s: float) -> float:
        """Return dx/ds of the centre line at `s`."""
        return self.bend / self.length * float(np.cos(s / self.length + self.phase))


class Pose(NamedTuple):
    """Where the camera is: `s`, `d`, height (metres), yaw and pitch relative to the road (radians)."""

    s: float
    d: float
    height: float
    yaw: float
    pitch: float


class Camera:
    """A pinhole camera of `size` (height, width) pixels with square pixels and a 60 degree view across."""

    def __init__(self, size: Tuple[int, int], road: Road) -> None:
        self.size = size
        self.road = road
        self.focal = size[1] * 0.87
        self.centre = (size[1] / 2.0, size[0] * 0.43)
        self.move(Pose(0.0, 0.0, 1.4, 0.0, 0.0))

    def matrix(self) -> np.ndarray:
        """Return the intrinsic matrix K, (3, 3) float64; pixel (0, 0) is the middle of the first."""
        return np.array([[self.focal, 0.0, self.centre[0] - 0.5], [0.0, self.focal, self.centre[1] - 0.5],
                         [0.0, 0.0, 1.0]])

    def above_ground(self) -> Tuple[float, float]:
        """Return height in metres and pitch in radians, nose down positive, as ROS counts them.

        The picture of the ground is exactly that of a camera so placed: it is at Y = height + pitch * Z.
        """
        tilt = math.atan(self.pose.pitch)
        return self.pose.height * math.cos(tilt), -tilt

    def move(self, pose: Pose) -> None:
        """Place the camera."""
        self.pose = pose
        self.horizon = self.centre[1] + self.focal * pose.pitch
        self._x = float(self.road.centre(pose.s)) + pose.d
        self.heading = self.road.slope(pose.s) + pose.yaw

    def sideways(self, s: np.ndarray) -> np.ndarray:
        """Return where the road's centre line at `s` lies to the right of the optical axis, in metres."""
        return self.road.centre(s) - self._x - self.heading * (s - self.pose.s)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return pixels (N, 2) float of street points (N, 3); every s must be `NEAR` ahead or more."""
        s = points[:, 0]
        scale = self.focal / (s - self.pose.s)
        pixels = np.empty((len(points), 2))
        pixels[:, 0] = self.centre[0] + scale * (self.sideways(s) + points[:, 1])
        pixels[:, 1] = self.horizon + scale * (self.pose.height - points[:, 2])
        return pixels

    def project_one(self, s: float, d: float, h: float) -> Tuple[float, float]:
        """Return the pixel of one street point."""
        ahead = s - self.pose.s
        x = self.road.bend * math.sin(s / self.road.length + self.road.phase) - self._x - self.heading * ahead
        scale = self.focal / ahead
        return self.centre[0] + scale * (x + d), self.horizon + scale * (self.pose.height - h)

    def scale(self, s: float) -> float:
        """Return pixels per metre at `s`."""
        return self.focal / max(s - self.pose.s, NEAR)

    def clip(self, polygon: np.ndarray) -> np.ndarray:
        """Return the part of a polygon (N, 3) that lies `NEAR` ahead or more; possibly no points."""
        limit = self.pose.s + NEAR
        inside = polygon[:, 0] >= limit
        if inside.all():
            return polygon
        if not inside.any():
            return polygon[:0]
        kept = []
        for here, there, here_in, there_in in zip(polygon, np.roll(polygon, -1, 0), inside,
                                                  np.roll(inside, -1)):
            if here_in:
                kept.append(here)
            if here_in != there_in:
                kept.append(here + (limit - here[0]) / (there[0] - here[0]) * (there - here))
        return np.array(kept)
