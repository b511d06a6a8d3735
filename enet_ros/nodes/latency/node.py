"""The node behind latency_node: topics, parameters and files around `metrics.frame_join`."""

from functools import partial
import os
from pathlib import Path
from typing import Any, Dict, List, Optional

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from ...errors import InputError
from ...latency.health import Limits, Recording, judge
from ...latency.join import FrameJoin
from ...latency.report import write_report
from ...latency.rows import FrameRow, RowWriter
from ...latency.window import LatencyWindow
from ...timing import FrameTiming, monotonic_ns
from ..common.camera_subscription import FOLLOW_PERIOD, CameraSubscription
from ..common.diagnostics import DiagnosticsPublisher, Status
from ..common.log_throttle import ThrottledLogger
from ..common.main import Stop
from ..common.parameters import check_change, declare
from ..common.report_process import ReportProcess
from ..common.stamps import nanoseconds
from .parameters import PARAMETERS

_ONLY_CAMERA = 'camera'     # what segmentation_node calls the one on `image`
_BURST = 1000        # timings that may wait here: a superseded run of them comes at once


class LatencyNode(Node):
    """Joins ~/timing and ~/labels of a segmentation node into a recording."""

    takes_rest = True       # of what was sent nothing is lost because this process was slow

    def __init__(self, stop: Optional[Stop] = None, **options: Any) -> None:
        """Open the recording and subscribe; InputError where the folder cannot be written."""
        super().__init__('latency_node', **options)
        self._stop = stop
        declare(self, PARAMETERS)
        self._cameras = [name.strip('/') for name in self._get('cameras') if name.strip('/')] or ['']
        self._writer = RowWriter(Path(os.path.expanduser(self._get('output'))).absolute() / 'latency.csv')
        self._join = FrameJoin(sim_time=bool(self._get('use_sim_time')))
        self._log = ThrottledLogger(self.get_logger())
        self._window = LatencyWindow(self._get('window'))
        self._report = ReportProcess()
        self._last_frame_ns: Optional[int] = None
        self._images: List[CameraSubscription] = []
        self._subscribe()
        self._diagnostics = DiagnosticsPublisher(self, self._every_second)
        # Often: what a camera sends before it is followed is not observed.
        self.create_timer(FOLLOW_PERIOD, self._follow_cameras, clock=Clock(clock_type=ClockType.STEADY_TIME))
        # A group of its own: while a report is being made, frames go on being recorded.
        self.create_service(Trigger, '~/report', self._on_report,
                            callback_group=MutuallyExclusiveCallbackGroup())
        self.add_on_set_parameters_callback(self._on_parameters)
        self._observe_images(self._get('observe_image'))
        self.get_logger().info(f'recording {self._timing_topic} to {self._writer.path}')

    def close(self) -> None:
        """Write what is held, then the summary, histogram and plot."""
        self._report.stop()
        self._record(self._join.flush(), monotonic_ns())
        self._writer.close()
        loss = self._writer.loss
        if loss is not None:
            self.get_logger().error(loss)
            if self._stop is not None:
                self._stop.code = self._stop.code or 1
        try:
            summary = write_report(self._writer.path, **self._report_options())
        except (InputError, OSError) as error:
            told = 'no summary' if loss else 'the recording stands, its summary does not'
            self.get_logger().error(f'{told}: {error}')
            return
        self.get_logger().info(_in_words(summary))
        for note in summary['notes']:
            self.get_logger().warning(note)

    def _get(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _subscribe(self) -> None:
        node = self._get('segmentation').rstrip('/')
        self._timing = self.create_subscription(
            DiagnosticArray, node + '/timing', self._on_timing, QoSProfile(depth=_BURST))
        self._timing_topic = self.resolve_topic_name(node + '/timing')
        for camera in self._cameras:
            self.create_subscription(Image, '/'.join(filter(None, (node, camera, 'labels'))),
                                     partial(self._on_label, camera or _ONLY_CAMERA), QoSProfile(depth=10))

    def _on_timing(self, message: DiagnosticArray) -> None:
        now_ns = monotonic_ns()
        for status in message.status:
            try:
                timing = FrameTiming.from_items(status.name, status.message, (
                    (item.key, item.value) for item in status.values))
                rows = self._join.timing(timing, now_ns)
            except InputError as error:
                self._log.warn(f'{self._timing_topic}: {error}')
                continue
            self._last_frame_ns = now_ns
            self._record(rows, now_ns)

    def _on_label(self, camera: str, message: Image) -> None:
        ros_ns, now_ns = self.get_clock().now().nanoseconds, monotonic_ns()
        self._record(self._join.label(camera, nanoseconds(message.header.stamp), ros_ns, now_ns), now_ns)

    def _on_image(self, camera: str, message: Image, number: Optional[int]) -> None:
        self._join.image(camera, nanoseconds(message.header.stamp), self.get_clock().now().nanoseconds,
                         monotonic_ns())

    def _record(self, rows: List[FrameRow], now_ns: int) -> None:
        self._writer.write(rows)
        for row in rows:
            self._window.add(row, now_ns)

    def _observe_images(self, wanted: bool) -> None:
        for subscription in self._images:
            subscription.close()
        self._images = []
        for camera in self._cameras if wanted else ():
            topic = self.resolve_topic_name('/'.join(filter(None, (camera, 'image'))))
            received = partial(self._on_image, camera or _ONLY_CAMERA)
            self._images.append(CameraSubscription(self, Image, topic, received, lambda fresh: None))
            self._images[-1].open()

    def _on_parameters(self, changes: List[Parameter]) -> SetParametersResult:
        result = check_change(PARAMETERS, changes)
        for change in changes if result.successful else ():
            if change.name == 'observe_image':
                self._observe_images(change.value)
        return result

    def _follow_cameras(self) -> None:
        for subscription in self._images:
            subscription.follow()

    def _every_second(self) -> List[Status]:
        now_ns = monotonic_ns()
        self._record(self._join.expire(now_ns), now_ns)
        self._writer.check()
        silent = None if self._last_frame_ns is None else (now_ns - self._last_frame_ns) / 1e9
        recording = Recording(str(self._writer.path), self._writer.written, self._writer.lost,
                              self._writer.error, silent, self.count_publishers(self._timing_topic),
                              self._timing_topic)
        limits = Limits(self._get('warn_drop_share'), self._get('warn_delay'), self._get('warn_silence'))
        health = judge(self._window.describe(now_ns), recording, limits)
        if self._writer.error:
            self._log.error(health.message)
        return [Status('delay', health.level, health.message, health.values)]

    def _report_options(self) -> Dict[str, Any]:
        return {'camera_rate': self._get('camera_rate') or None, 'longest_gap': self._get('longest_gap'),
                'plot': self._get('plot'), 'rows_not_recorded': self._writer.lost,
                'labels_without_timing': self._join.labels_without_timing,
                'segmentation': self._get('segmentation')}

    async def _on_report(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Summarise the recording so far, in a process of its own, and answer when it is written."""
        future: Future = Future(executor=self.executor)
        started = self._report.start(write_report, (self._writer.path,), self._report_options(),
                                     future.set_result, future.set_result)
        outcome = await future if started else InputError('a report is being made already')
        response.success = isinstance(outcome, dict)
        response.message = _in_words(outcome) if isinstance(outcome, dict) else str(outcome)
        return response


def _in_words(summary: Dict[str, Any]) -> str:
    told = summary['latency_ms']
    return '{}: {} frames, {} segmented, {} dropped, {} missing; delay {}'.format(
        summary['recording'], summary['frames_in'], summary['frames_segmented'], summary['frames_dropped'],
        summary['frames_missing'], ', '.join(
            name + (' insufficient samples' if told[name] is None else f' {told[name]:.1f} ms')
            for name in ('p50', 'p90', 'p99', 'max')))
