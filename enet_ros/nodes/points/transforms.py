"""TF for points_node, where tf2_ros is installed."""

from typing import Any, Tuple

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from ...errors import InputError, one_line


class Transforms:
    """Listens to TF from its construction on; InputError where tf2_ros is not installed."""

    def __init__(self, node: Node) -> None:
        try:
            import tf2_ros
        except ImportError:
            raise InputError('tf2_ros is not installed: set camera_height, camera_pitch and camera_roll '
                             "instead of ground_frame; give a cloud in the camera's own frame") from None
        self._error = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def close(self) -> None:
        """Listen no longer."""
        self._listener.unregister()

    def look(self, target: str, source: str, stamp: Any) -> Tuple[np.ndarray, np.ndarray]:
        """Return the rotation (3, 3) and shift (3,) that lead points of `source` to `target` at a stamp."""
        try:
            found = self._buffer.lookup_transform(target, source, Time.from_msg(stamp)).transform
        except self._error as error:
            raise InputError(f'no transform from {source} to {target}: {one_line(str(error), 200)}')
        quaternion = np.array([found.rotation.x, found.rotation.y, found.rotation.z, found.rotation.w])
        length = np.linalg.norm(quaternion)
        if not abs(length - 1) < 0.01:
            raise InputError(f'the rotation from {source} to {target} has length {length:g}, not 1')
        x, y, z, w = quaternion / length
        rotation = np.eye(3) - 2 * np.array([[y * y + z * z, z * w - x * y, -x * z - y * w],
                                             [-x * y - z * w, x * x + z * z, x * w - y * z],
                                             [y * w - x * z, -y * z - x * w, x * x + y * y]])
        return rotation, np.array([found.translation.x, found.translation.y, found.translation.z])
