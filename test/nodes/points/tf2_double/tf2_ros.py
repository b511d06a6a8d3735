"""What points_node uses of tf2_ros, which the package index does not have, with its names and errors.

One transform deep and without interpolation; transforms come on `tf_double`, as there is no tf2_msgs either.
"""

from typing import Any, Dict, Tuple

from geometry_msgs.msg import Transform, TransformStamped
import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time


class TransformException(Exception):
    """Base of tf2's errors."""


class LookupException(TransformException):
    """A frame is not known."""


class ConnectivityException(TransformException):
    """Two frames hang on different trees."""


class Buffer:
    """Transforms by (parent, child)."""

    def __init__(self, cache_time: Any = None, node: Any = None) -> None:
        self._known: Dict[Tuple[str, str], Transform] = {}

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        self._known[transform.header.frame_id, transform.child_frame_id] = transform.transform

    def lookup_transform(self, target_frame: str, source_frame: str, time: Time,
                         timeout: Any = Duration()) -> TransformStamped:
        """Return what leads points of `source_frame` to `target_frame`."""
        assert isinstance(time, Time)
        frames = {frame for pair in self._known for frame in pair}
        for which, frame in (('target_frame', target_frame), ('source_frame', source_frame)):
            if frame not in frames:
                raise LookupException(
                    f'"{frame}" passed to lookupTransform argument {which} does not exist. ')
        found = TransformStamped()
        if (target_frame, source_frame) in self._known:
            found.transform = self._known[target_frame, source_frame]
        elif (source_frame, target_frame) in self._known:
            forward = self._known[source_frame, target_frame]
            x, y, z, w = (getattr(forward.rotation, name) for name in 'xyzw')
            shift = np.array([forward.translation.x, forward.translation.y, forward.translation.z])
            axis = -np.array([x, y, z])
            turned = shift + 2 * np.cross(axis, np.cross(axis, shift) + w * shift)
            back = found.transform
            back.rotation.x, back.rotation.y, back.rotation.z, back.rotation.w = *axis.tolist(), w
            back.translation.x, back.translation.y, back.translation.z = (-turned).tolist()
        else:
            raise ConnectivityException('the two frames are not part of the same tree.')
        return found


class TransformListener:
    """Fills a buffer from the node's own executor."""

    def __init__(self, buffer: Buffer, node: Node, *, spin_thread: bool = False) -> None:
        self._node = node
        self._subscription = node.create_subscription(
            TransformStamped, '/tf_double', lambda message: buffer.set_transform(message, 'double'),
            QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL))

    def unregister(self) -> None:
        self._node.destroy_subscription(self._subscription)
