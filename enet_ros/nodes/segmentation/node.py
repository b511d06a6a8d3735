"""The lifecycle node behind segmentation_node: parameters in, cameras and worker put together."""

from typing import Any, Dict, List, Optional, Set

import cv2
from rclpy.qos import DurabilityPolicy, QoSProfile

from ...errors import one_line
from ...images import cv_bridge
from ...overlay import Overlay
from ...resources import find
from ...segmenter import Segmenter
from ...severity import OK, WARN
from ...timing import monotonic_ns
from ..common.diagnostics import DiagnosticsPublisher, Status
from ..common.heartbeat import Heartbeat
from ..common.lifecycle import ManagedNode
from ..common.listeners import LISTENERS
from ..common.log_throttle import ThrottledLogger
from ..common.main import Stop
from ..common.memory import freeze_objects
from ..common.parameters import check_change
from ..common.receiver import Receiver
from . import parameters, publishers
from .camera import Camera
from .camera_checks import CameraState, camera_values, judge_camera, judge_engine, resources, transport_advice
from .mailbox import Frame, LatestFrameMailbox
from .worker import Worker

DRAIN_SECONDS = 10.0    # for the frame at hand when the node is deactivated
RELEASE_SECONDS = 3.0   # for the engine; launch sends SIGTERM after five


class SegmentationNode(ManagedNode):
    """Subscribes cameras, runs one engine for all of them, publishes labels; see docs/nodes.md."""

    def __init__(self, stop: Stop) -> None:
        """Declare and check parameters; InputError or rclpy's exceptions where one is wrong."""
        super().__init__('segmentation_node', stop)
        self.settings = parameters.read(self)
        self._alpha, self._max_rate = self.settings.overlay_alpha, self.settings.max_rate
        self.add_on_set_parameters_callback(self._change)
        self._log = ThrottledLogger(self.get_logger())
        self._mailbox = LatestFrameMailbox()
        self._worker: Optional[Worker] = None
        self._timing: Optional[publishers.TimingOutput] = None
        self._cameras: Dict[str, Camera] = {}
        self._label_info: Any = None    # publisher, where vision_msgs is installed
        self._receiver: Optional[Receiver] = None
        self._active_since_ns = 0
        self._profile = str(find('config', 'fastdds.xml'))
        self._advised: Set[str] = set()     # cameras of which the transport was said to be slow
        self._last_error = ''
        self._diagnostics = DiagnosticsPublisher(self, self._report)
        self._heartbeat = Heartbeat(self)
        if self.settings.autostart:
            self.start_by_itself()

    def configure(self) -> None:
        """Load and warm up the engine in its thread; create publishers."""
        settings = self.settings
        self.get_logger().info(f'loading {settings.weights}, engine {settings.engine}')
        self._mailbox = LatestFrameMailbox()
        self._worker = Worker(self._open, self._mailbox, self._serve, self._failed)
        self._worker.start(self.stop.is_set)
        segmenter = self._worker.segmenter
        assert segmenter is not None
        if segmenter.engine.name != 'opencv':
            # Its threads wait spinning after every small operation, in the way of the engine's.
            cv2.setNumThreads(1)
        self._timing = publishers.TimingOutput(self)
        for name in settings.cameras or ('',):
            self._cameras[name or 'camera'] = self._camera(name, segmenter)
        self._apply_live()
        self.get_logger().info(cv_bridge().reason)
        self._create_label_info()
        if segmenter.checkpoint is not None and segmenter.checkpoint.licence:
            self.get_logger().info(f'licence of these weights: {segmenter.checkpoint.licence}')
        self.get_logger().info(f'{len(segmenter.classes)} classes of {segmenter.classes.name} at '
                               f'{segmenter.engine.input_size[0]}x{segmenter.engine.input_size[1]} on '
                               f'{segmenter.engine.name} {segmenter.engine.precision} after '
                               f'{self._worker.load_seconds:.1f} s ({segmenter.engine.reason})')
        freeze_objects()

    def activate(self) -> None:
        """Subscribe."""
        if self._label_info is not None and self._worker is not None and self._worker.segmenter is not None:
            publishers.publish_label_info(
                self._label_info, self._worker.segmenter.classes, self.get_clock().now().to_msg())
        self._active_since_ns = monotonic_ns()
        self._receiver = Receiver(self, [camera.subscription for camera in self._cameras.values()])
        self._receiver.start()
        self._heartbeat.start()
        self.get_logger().info('active on {}'.format(
            ', '.join(camera.subscription.topic for camera in self._cameras.values())))

    def deactivate(self) -> None:
        """Unsubscribe, drop what waits, finish the frame at hand."""
        self._heartbeat.stop()
        if self._receiver is not None:
            self._receiver.stop()
            self._receiver = None
        self._drop(self._mailbox.clear())
        if not self._mailbox.wait_idle(DRAIN_SECONDS):
            self.get_logger().warning(f'the engine did not finish its frame within {DRAIN_SECONDS:.0f} s')

    def release(self) -> None:
        """Stop the worker, which frees the engine; destroy publishers."""
        self._drop(self._mailbox.close())
        worker, self._worker = self._worker, None
        if worker is not None and not worker.stop(RELEASE_SECONDS):
            self.stop.exit_immediately = True
            if not self.stop.is_set():
                self.get_logger().error('the engine does not end; the node should be restarted')
        for camera in self._cameras.values():
            camera.destroy()
        self._cameras.clear()
        if self._timing is not None:
            self._timing.destroy()
            self._timing = None
        if self._label_info is not None:
            self.destroy_publisher(self._label_info)
            self._label_info = None

    def close(self) -> None:
        """Come to an orderly end, then leave at once: taking PyTorch down module by module takes seconds."""
        super().close()
        self.stop.exit_immediately = True

    def _open(self) -> Segmenter:
        settings = self.settings
        return Segmenter.open(
            settings.weights, engine=settings.engine, input_size=settings.input_size,
            precision=settings.precision, resize=settings.resize,
            output_classes=settings.output_classes, ego_mask=settings.ego_mask,
            confidence=settings.confidence,
            cache=settings.engine_cache, threads=settings.threads)

    def _camera(self, name: str, segmenter: Segmenter) -> Camera:
        compressed = self.settings.image_transport == 'compressed'
        topic = self.resolve_topic_name(name + '/image' if name else 'image')
        assert self._timing is not None
        camera = Camera(
            self, name or 'camera', name + '/' if name else '', topic + ('/compressed' if compressed else ''),
            compressed, self.settings.label_encoding, self._timing, self._log, self._mailbox.put,
            self.settings.confidence)
        camera.overlay = Overlay(segmenter.classes.palette(), self._alpha)
        return camera

    def _create_label_info(self) -> None:
        kind = publishers.label_info_type()
        if kind is None:
            self.get_logger().info('vision_msgs is not installed: no ~/label_info')
            return
        self._label_info = self.create_publisher(
            kind, '~/label_info', QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))

    def _serve(self, segmenter: Segmenter, frame: Frame) -> None:
        self._cameras[frame.camera].serve(segmenter, frame)

    def _failed(self, frame: Frame, error: Exception) -> None:
        """Count a frame on which the engine (or publishing) failed; the next one gets its chance."""
        self._last_error = '{}: {}'.format(type(error).__name__, one_line(str(error)))
        self._log.error(f'a frame failed: {self._last_error}')
        camera = self._cameras.get(frame.camera)
        if camera is not None:      # an engine that did not end in time outlives its cameras
            camera.drop(frame, 'engine_error', error=self._last_error)

    def _drop(self, frames: List[Frame]) -> None:
        for frame in frames:
            self._cameras[frame.camera].drop(frame, 'shutdown')

    def _change(self, changes: 'list') -> object:
        """Validate changes of parameters and take over those that may change while running."""
        result = check_change(parameters.PARAMETERS, changes)
        if result.successful:
            for change in changes:
                if change.name == 'overlay_alpha':
                    self._alpha = float(change.value)
                elif change.name == 'max_rate':
                    self._max_rate = float(change.value)
            self._apply_live()
        return result

    def _apply_live(self) -> None:
        for camera in self._cameras.values():
            camera.limit.rate = self._max_rate
            if camera.overlay is not None:
                camera.overlay.alpha = self._alpha

    def _report(self) -> List[Status]:
        """Return the statuses for /diagnostics."""
        statuses = [self._engine_status()]
        if self.state == 'active':
            statuses += [self._camera_status(camera) for camera in self._cameras.values()]
        if self._cameras:
            statuses.append(self._listeners_status())
        return statuses

    def _listeners_status(self) -> Status:
        listeners: Dict[str, int] = {}
        for camera in self._cameras.values():
            listeners.update(camera.outputs.listeners())
        heard = [f'{count} on {topic}' for topic, count in listeners.items() if count]
        return Status(LISTENERS, OK, ', '.join(heard) or 'nobody listens',
                      {topic: str(count) for topic, count in listeners.items()})

    def _engine_status(self) -> Status:
        values = {'state': self.state, 'weights': self.settings.weights, 'last_error': self._last_error}
        values.update(resources())
        segmenter = None if self._worker is None else self._worker.segmenter
        if segmenter is None:
            return Status('engine', WARN, 'not configured', values)
        engine = segmenter.engine
        label = engine.reason.split(':')[0]
        values.update(
            engine=engine.name, precision=engine.precision, engine_reason=engine.reason,
            input_size=f'{engine.input_size[0]}x{engine.input_size[1]}',
            classes=segmenter.classes.name)
        level, message = judge_engine(self.settings.engine, label, engine.reason)
        if level == OK and self.state != 'active':
            level, message = WARN, 'loaded, but not active'
        return Status('engine', level, message, values)

    def _camera_status(self, camera: Camera) -> Status:
        now_ns = monotonic_ns()
        snapshot = camera.statistics.snapshot(now_ns)
        subscription = camera.subscription
        state = CameraState(
            subscription.topic, (now_ns - self._active_since_ns) / 1e9, subscription.publishers,
            subscription.reliable, camera.outputs.heard(), self._max_rate, self._profile)
        level, message = judge_camera(snapshot, state)
        if snapshot.lost_share > 0 and level != OK and 'lost on the way' in message:
            self._log.warn(f'{subscription.topic}: {message}', 'loss ' + camera.name)
        self._advise(camera, snapshot.image_age)
        return Status(camera.name, level, message, camera_values(snapshot, state))

    def _advise(self, camera: Camera, image_age: Optional[float]) -> None:
        """Say once where a camera's transport costs delay."""
        advice = transport_advice(image_age, camera.image_bytes, self._profile)
        if advice and camera.name not in self._advised and camera.subscription.is_near():
            self._advised.add(camera.name)
            self.get_logger().info(f'{camera.subscription.topic}: {advice}')
