"""points_node over DDS: the street that it is shown, the messages it takes, and what it answers."""

import contextlib
from typing import Any, Dict, Iterator, List, Optional, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from harness import Observer, Process, diagnostics, image_message, stamp_ns, values_of
import numpy as np
from rclpy.qos import QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from enet_ros.datasets.synthetic import SyntheticStreet
from enet_ros.points.camera import CameraModel, Ground
from enet_ros.points.placing import POINT, Placer, Rules

STREET = SyntheticStreet((90, 160), frames=3)
LABELS = STREET[0].label
DEPTH, HEIGHT, PITCH = STREET.geometry(0)
ROAD = STREET.classes.index('Road')
POSE = [f'camera_height:={HEIGHT}', f'camera_pitch:={PITCH}']
RULES = Rules.of(STREET.classes, ['Road'], step=2)
PLACER = Placer(CameraModel(STREET.size, STREET.camera_matrix), RULES, Ground.from_angles(HEIGHT, PITCH, 0.0))


def info_message(size: Sequence[int] = STREET.size) -> CameraInfo:
    matrix = STREET.camera_matrix
    return CameraInfo(height=size[0], width=size[1], distortion_model='plumb_bob', d=[0.0] * 5,
                      k=matrix.ravel(), p=np.hstack((matrix, np.zeros((3, 1)))).ravel())


def depth_message(depth: np.ndarray, stamp: int, encoding: str = '32FC1') -> Image:
    values = depth.astype('<f4') if encoding == '32FC1' else np.clip(depth * 1000, 0, 65535).astype('<u2')
    message = image_message(values.view(np.uint8), stamp, encoding)
    message.width = depth.shape[1]
    return message


def cloud_message(xyz: np.ndarray, stamp: int, frame_id: str = 'front_camera') -> PointCloud2:
    fields = [PointField(name=name, offset=4 * axis, datatype=PointField.FLOAT32, count=1)
              for axis, name in enumerate('xyz')]
    message = PointCloud2(height=1, width=len(xyz), fields=fields, point_step=12, row_step=12 * len(xyz))
    message.header.stamp = Time(nanoseconds=stamp).to_msg()
    message.header.frame_id = frame_id
    message.data.frombytes(xyz.astype('<f4').tobytes())
    return message


def points_of(message: PointCloud2) -> np.ndarray:
    """Return a cloud as POINT, after a look at how it says it lies."""
    assert [(field.name, field.offset, field.datatype, field.count) for field in message.fields] == [
        ('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('confidence', 12, 7, 1), ('class_id', 16, 2, 1)]
    assert message.point_step == 20 and message.row_step == 20 * message.width and not message.is_bigendian
    assert len(message.data) == message.row_step * message.height
    return np.frombuffer(message.data, POINT).reshape(message.height, message.width)


def transform(parent: str, child: str, rotation: np.ndarray, shift: Sequence[float]) -> TransformStamped:
    """Return where the child's axes and origin are in the parent."""
    made = TransformStamped(child_frame_id=child)
    made.header.frame_id = parent
    w = np.sqrt(max(1 + np.trace(rotation), 1e-9)) / 2
    turn = made.transform.rotation
    turn.w = float(w)
    turn.x, turn.y, turn.z = (float(value) for value in (
        (rotation[2, 1] - rotation[1, 2]) / (4 * w), (rotation[0, 2] - rotation[2, 0]) / (4 * w),
        (rotation[1, 0] - rotation[0, 1]) / (4 * w)))
    made.transform.translation.x, made.transform.translation.y, made.transform.translation.z = shift
    return made


class Graph:
    """One node and what surrounds it: topics to send on, clouds that came."""

    def __init__(self, process: Process, observer: Observer, topics: Sequence[str]) -> None:
        self.process, self.observer = process, observer
        self.statuses: List[Any] = observer.listen(DiagnosticArray, '/diagnostics')
        self.points: List[Any] = observer.listen(PointCloud2, '/points_node/points')
        self.obstacles: List[Any] = observer.listen(PointCloud2, '/points_node/obstacles')
        kinds = {'camera_info': CameraInfo, 'cloud': PointCloud2}
        self.topics = {name: observer.node.create_publisher(
            kinds.get(name, Image), name, QoSProfile(depth=10)) for name in topics}
        observer.wait(lambda: all(topic.get_subscription_count() for topic in self.topics.values()), 'met')
        observer.wait(lambda: observer.node.count_publishers('/points_node/points'), 'the node')
        self._now = 0

    def now(self) -> int:
        """Return a stamp more than sync_tolerance newer than those before."""
        self._now = max(int(self.observer.node.get_clock().now().nanoseconds), self._now + 5 * 10 ** 7)
        return self._now

    def send(self, **messages: Any) -> None:
        for name, message in messages.items():
            self.topics[name].publish(message)

    def answer(self, stamp: int) -> List[np.ndarray]:
        """Wait for both clouds of a stamp."""
        found = []
        for clouds in (self.points, self.obstacles):
            def there(clouds: List[Any] = clouds) -> List[Any]:
                return [cloud for cloud in list(clouds) if stamp_ns(cloud) == stamp]
            [cloud] = self.observer.wait(there, f'points of {stamp}')
            assert cloud.header.frame_id == 'front_camera'
            found.append(points_of(cloud))
        return found

    def counts(self, name: str, least: int) -> Dict[str, str]:
        """Wait until the node has counted so many; return all that it counts."""
        def there() -> Any:
            status = diagnostics(self.statuses).get('points')
            values = {} if status is None else values_of(status)
            return values if int(values.get(name, 0)) >= least else None
        counted: Dict[str, str] = self.observer.wait(there, f'{least} {name}')
        waiting = int(counted['frames_in']) - int(counted['frames_placed']) - int(counted['frames_dropped'])
        assert waiting in (0, 1)
        return counted

    def dropped(self, reason: str, count: int = 1) -> Dict[str, str]:
        """Wait until so many frames were dropped for a reason; return the node's counts."""
        return self.counts('dropped_by.' + reason, count)


@contextlib.contextmanager
def graph(domain: int, parameters: Sequence[str], topics: Sequence[str] = (),
          env: Optional[Dict[str, str]] = None) -> Iterator[Graph]:
    """Run a node with a camera_info that it has heard."""
    with Process('points_node', domain, [*parameters, 'step:=2'], env=env) as process, \
            Observer(domain) as observer:
        process.wait_for('activated')
        yield Graph(process, observer, ('labels', 'camera_info', *topics))
        assert process.interrupt() == 0
        assert 'Traceback' not in process.said
