"""The lifecycle node behind points_node: topics, parameters and TF around `enet_ros.points`."""

from collections import Counter
from functools import partial
from typing import Any, Dict, List, Optional
from typing import Counter as Counts

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from ...errors import InputError, one_line
from ...images import to_depth, to_labels
from ...points.camera import CameraModel, Ground
from ...points.clouds import read_xyz
from ...points.joining import Joiner, Match
from ...points.placing import POINT, Placed, Placer
from ...severity import ERROR, OK, WARN
from ...timing import monotonic_ns
from ..common.camera_subscription import FOLLOW_PERIOD, CameraSubscription
from ..common.diagnostics import DiagnosticsPublisher, Status
from ..common.lifecycle import ManagedNode
from ..common.log_throttle import ThrottledLogger
from ..common.main import Stop
from ..common.stamps import nanoseconds
from ..segmentation.publishers import label_info_type
from . import parameters
from .transforms import Transforms

SILENCE_NS = 2 * 10 ** 9    # without a placed frame, after which the node says that it is blind
_FIELDS = [PointField(name=name, offset=4 * index, count=1, datatype=datatype) for index, (name, datatype) in
           enumerate(zip(POINT.names or (), 4 * [PointField.FLOAT32] + [PointField.UINT8]))]
_REASONS = {
    'stale': 'labels are older than max_age, or ahead of the clock: the network is too slow, clocks differ, '
             'or a bag is played without use_sim_time',
    'late': 'labels came out of order',
    'unmatched': 'no depth, cloud or confidence came with the stamp of the labels (sync_tolerance)',
    'superseded': 'newer labels were there already',
    'unknown': 'nothing that the labels show is known'}


class PointsNode(ManagedNode):
    """Places labels in space as PointCloud2; see docs/points.md."""

    def __init__(self, stop: Stop) -> None:
        """Declare and check parameters; InputError or rclpy's exceptions where one is wrong."""
        super().__init__('points_node', stop)
        self._settings = settings = parameters.read(self)
        self._log = ThrottledLogger(self.get_logger())
        kind = settings['geometry']
        self._tolerances = {} if kind == 'ground' else {kind: int(settings['sync_tolerance'] * 1e9)}
        if settings['min_confidence']:
            self._tolerances['confidence'] = 0
        self._transforms: Optional[Transforms] = None
        self._inputs: List[CameraSubscription] = []
        self._plain: List[Any] = []         # subscriptions of small messages
        self._outputs: List[Any] = []
        self._follow_timer: Any = None
        self._counts: Counts[str] = Counter(frames_in=0, frames_placed=0)
        self._points = self._placed_ns = 0
        self._problem = ''
        self._forget()
        self._diagnostics = DiagnosticsPublisher(self, self._report)
        if settings['autostart']:
            self.start_by_itself()

    def configure(self) -> None:
        """Create publishers and what listens to TF; subscriptions are declared."""
        if self._settings['ground_frame']:
            self._transforms = Transforms(self)
        self._outputs = [self.create_lifecycle_publisher(
            PointCloud2, name, QoSProfile(depth=2),
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
            for name in ('~/points', '~/obstacles')]
        self._inputs = [CameraSubscription(
            self, PointCloud2 if kind == 'cloud' else Image, self.resolve_topic_name(kind),
            partial(self._received, kind), lambda fresh: None) for kind in ['labels', *self._tolerances]]

    def activate(self) -> None:
        """Subscribe."""
        self._forget()
        self._placed_ns = monotonic_ns()
        self._plain = [self.create_subscription(CameraInfo, 'camera_info', self._on_info,
                                                qos_profile_sensor_data)]
        if label_info_type() is not None:
            self._plain.append(self.create_subscription(
                label_info_type(), 'label_info', self._on_label_info,
                QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)))
        for subscription in self._inputs:
            subscription.open()
        self._follow_timer = self.create_timer(FOLLOW_PERIOD, self._follow, clock=Clock(
            clock_type=ClockType.STEADY_TIME))

    def deactivate(self) -> None:
        """Unsubscribe, and drop what waits."""
        if self._follow_timer is not None:
            self.destroy_timer(self._follow_timer)
            self._follow_timer = None
        for subscription in self._inputs:
            subscription.close()
        while self._plain:
            self.destroy_subscription(self._plain.pop())
        self._joiner.discard('shutdown')

    def release(self) -> None:
        """Destroy the publishers, and leave TF."""
        while self._outputs:
            self.destroy_lifecycle_publisher(self._outputs.pop())
        self._inputs = []
        if self._transforms is not None:
            self._transforms.close()
            self._transforms = None

    def _forget(self) -> None:
        """Begin without labels, calibration and names of classes."""
        self._joiner = Joiner(self._tolerances, int(self._settings['max_age'] * 1e9), self._drop)
        self._info: Any = None
        self._placer: Optional[Placer] = None
        self._foreign = ''      # in what the labels' classes are not those of `classes`

    def _follow(self) -> None:
        for subscription in self._inputs:
            subscription.follow()
        self._joiner.expire(self._now())

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _received(self, kind: str, message: Any, number: Optional[int]) -> None:
        """Take labels or what belongs to them; place what is complete."""
        stamp_ns = nanoseconds(message.header.stamp)
        if kind != 'labels':
            return self._place(self._joiner.other(kind, stamp_ns, message, self._now()))
        self._counts['frames_in'] += 1
        if self._inputs[0].more:
            return self._drop('superseded')
        self._place(self._joiner.labels(stamp_ns, message, self._now()))

    def _on_info(self, info: CameraInfo) -> None:
        """Keep the calibration; the camera model is made again only where it has changed."""
        info.header.stamp.sec = info.header.stamp.nanosec = 0
        if info != self._info:
            self._info, self._placer = info, None

    def _on_label_info(self, message: Any) -> None:
        table = self._settings['classes']
        told = {item.class_id: item.class_name for item in message.class_map}
        self._foreign = next((f'label_info: {index} is {told.get(index)!r}, not {name!r}; set classes'
                              for index, name in enumerate(table.names) if told.get(index) != name), '')

    def _place(self, match: Optional[Match]) -> None:
        """Place one frame and publish it; of a frame in which nothing is known, nothing is said."""
        if match is None:
            return
        if not any(publisher.get_subscription_count() for publisher in self._outputs):
            return self._drop('no_listener')
        try:
            placed = self._found(match)
        except Exception as error:      # hostile data finds more than InputError
            kind = '' if isinstance(error, InputError) else type(error).__name__ + ': '
            return self._drop('refused', f'{kind}{error}')
        if not placed.known:
            return self._drop('unknown')
        for publisher, points in zip(self._outputs, (placed.points, placed.obstacles[None])):
            cloud = PointCloud2(
                header=match.labels.header, height=points.shape[0], width=points.shape[1], fields=_FIELDS,
                point_step=POINT.itemsize, row_step=points.shape[1] * POINT.itemsize,
                is_dense=points is not placed.points)
            cloud.data.frombytes(points.tobytes())
            publisher.publish(cloud)
        self._counts['frames_placed'] += 1
        self._points, self._placed_ns = int((placed.points['z'] > 0).sum()), monotonic_ns()

    def _found(self, match: Match) -> Placed:
        """Return a frame's points; InputError says what is wrong with which of its messages."""
        if self._foreign:
            raise InputError(self._foreign)
        header, kind = match.labels.header, self._settings['geometry']
        placer = self._placer_for(header)
        labels = self._pixels('labels', match.labels, placer.camera.size)
        sure = match.others.get('confidence')
        confidence = None if sure is None else self._pixels('confidence', sure, placer.camera.size)
        if kind == 'ground':
            return placer.from_ground(labels, confidence)
        geometry = match.others[kind]
        if kind == 'depth':
            return placer.from_depth(labels, self._pixels(kind, geometry, placer.camera.size), confidence)
        xyz = read_xyz(geometry)
        if geometry.header.frame_id != header.frame_id:
            self._transforms = self._transforms or Transforms(self)
            rotation, shift = self._transforms.look(header.frame_id, geometry.header.frame_id, header.stamp)
            xyz = (xyz.dot(rotation.T) + shift).astype(xyz.dtype)
        return placer.from_cloud(labels, xyz, confidence)

    def _placer_for(self, header: Any) -> Placer:
        settings, ground = self._settings, None
        if self._info is None:
            raise InputError(f'no camera_info yet on {self.resolve_topic_name("camera_info")}')
        if self._transforms is not None and settings['ground_frame']:
            rotation, shift = self._transforms.look(settings['ground_frame'], header.frame_id, header.stamp)
            ground = Ground(tuple(rotation[2].tolist()), float(shift[2]))
            if not ground.height > 0:
                raise InputError(f"{header.frame_id} is not above ground_frame {settings['ground_frame']}")
        elif settings['camera_height']:
            ground = Ground.from_angles(*(settings['camera_' + name] for name in ('height', 'pitch', 'roll')))
        if self._placer is None or self._placer.ground != ground:
            camera = self._placer.camera if self._placer else CameraModel.from_info(
                self._info, settings['rectified'])
            self._placer = Placer(camera, settings['rules'], ground)
        return self._placer

    def _pixels(self, topic: str, image: Image, size: Any) -> Any:
        """Return an image's (H, W) values; InputError where it is of another kind or another size."""
        if topic != 'depth' and image.encoding not in ('mono8', '8UC1'):
            raise InputError(f'{topic}: its encoding is {image.encoding!r}, not mono8 or 8UC1; remap {topic}')
        if (image.height, image.width) != size:
            raise InputError(f'{topic}: {image.height}x{image.width} pixels, but camera_info is of {size[0]}x'
                             f'{size[1]}; remap it to that of the same image')
        if topic == 'depth':
            return to_depth(image.data, image.height, image.width, image.encoding, image.step,
                            bool(image.is_bigendian))
        return to_labels(image.data, image.height, image.width, image.step)

    def _drop(self, reason: str, problem: str = '') -> None:
        self._counts['dropped_by.' + reason] += 1
        problem = one_line(problem or _REASONS.get(reason, ''))
        if problem:
            self._problem = problem
            self._log.warn('not placed: ' + problem)

    def _report(self) -> List[Status]:
        """Return the status for /diagnostics: to be blind is an error, whatever the reason."""
        dropped = sum(count for name, count in self._counts.items() if name.startswith('dropped_by.'))
        values: Dict[str, Any] = dict(sorted(self._counts.items()), state=self.state, points=self._points,
                                      geometry=self._settings['geometry'], frames_dropped=dropped)
        silent = monotonic_ns() - self._placed_ns
        absent = [subscription.topic for subscription in self._inputs if not subscription.publishers]
        level, told = ERROR, f'blind for {silent / 1e9:.0f} s: {self._problem or "no labels come"}'
        if self.state != 'active':
            level, told = WARN, 'not active'
        elif silent <= SILENCE_NS:
            level, told = OK, f'{self._points} points in the last frame'
        elif absent:
            told = f'blind: nobody publishes {absent[0]}'
        elif not any(publisher.get_subscription_count() for publisher in self._outputs):
            level, told = OK, 'nobody listens'
        return [Status('points', level, told, {name: str(value) for name, value in values.items()})]
