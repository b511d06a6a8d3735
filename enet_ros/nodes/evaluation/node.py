"""evaluation_node: topics, parameters and files around `evaluation.online.LiveEvaluation`."""

import json
from typing import Any, Dict, List, Optional

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from ...bags.truth import tolerance
from ...errors import InputError
from ...evaluation.evaluator import Evaluator
from ...evaluation.online import LiveEvaluation, verdict
from ...images import to_array
from ...json_files import plain
from ...libraries import need
from ...reports.frames import FrameCsv
from ...timing import SEGMENTED, FrameTiming, monotonic_ns
from ...weights import load
from ..common.camera_subscription import TELLS_NUMBERS, CameraSubscription
from ..common.diagnostics import DiagnosticsPublisher, Status
from ..common.log_throttle import ThrottledLogger
from ..common.main import Stop
from ..common.parameters import declare
from ..common.report_process import ReportProcess
from ..common.stamps import nanoseconds
from . import parameters
from .saving import save, snapshot

MASKS = ('mono8', '8UC1')
QUEUE = 50      # messages: labels and truth come in bursts where a replay is faster than this node


class EvaluationNode(Node):
    """Scores `labels` against `ground_truth` by stamp, and tells how many frames the score covers."""

    takes_rest = True       # of what was sent nothing is lost because this process was slow

    def __init__(self, stop: Stop) -> None:
        super().__init__('evaluation_node')
        self._stop = stop
        self._options = declare(self, parameters.PARAMETERS)
        if self._options['report']:
            need('parameter report', ['jinja2'])
        self._checkpoint = load(self._options['weights']) if self._options['weights'] else None
        self._folder = parameters.open_folder(self._options)
        self._tables = parameters.class_tables(self._options, self._checkpoint, self._folder)
        self._log = ThrottledLogger(self.get_logger())
        self._csv = FrameCsv(self._options['csv']) if self._options['csv'] else None
        self._saver = ReportProcess()
        self._last_heard_ns = monotonic_ns()
        self._heard = False
        self._closed = False
        self._live = self._begin()
        self._connect()

    def _begin(self) -> LiveEvaluation:
        examples = 6 if self._options['report'] else 0
        evaluator = Evaluator(*self._tables, boundary=self._options['boundary'], examples=examples)
        announced = 0
        if self._folder is not None:
            self._folder.forget()
            announced = len(self._folder)
        # Truth from a folder takes the stamp of its frame.
        within_ms = None if self._folder is not None else tolerance(self._options['match'])
        return LiveEvaluation(evaluator, self._options['depth'], announced, within_ms,
                              self._csv.write if self._csv is not None else None)

    def _connect(self) -> None:
        topics: List[Any] = [(Image, 'labels', self._on_labels), (DiagnosticArray, 'timing', self._on_timing)]
        if self._folder is None:
            topics.append((Image, 'ground_truth', self._on_numbered if TELLS_NUMBERS else self._on_truth))
        for kind, topic, callback in topics:
            self.create_subscription(kind, topic, callback, QUEUE,
                                     qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self._camera: Optional[CameraSubscription] = None
        if self._options['report']:
            self._camera = CameraSubscription(self, Image, self.resolve_topic_name('image'),
                                              lambda message, _: self._on_image(message), lambda fresh: None)
            self._camera.open()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._summary = self.create_publisher(String, '~/summary', latched)
        # A group of its own: while files are written, frames go on being scored.
        self.create_service(Trigger, '~/save', self._on_save,
                            callback_group=MutuallyExclusiveCallbackGroup())
        self.create_service(Trigger, '~/reset', self._on_reset)
        self._diagnostics = DiagnosticsPublisher(self, self._report, self._options['period'])

    def _on_labels(self, message: Image) -> None:
        self._take(message, self._live.prediction, 'labels')

    def _on_numbered(self, message: Image, info: Dict[str, Any]) -> None:
        self._live.first_truth(info.get('publication_sequence_number', 1))
        self._on_truth(message)

    def _on_truth(self, message: Image) -> None:
        self._take(message, self._live.truth, 'ground_truth')

    def _take(self, message: Image, receive: Any, topic: str) -> None:
        self._last_heard_ns, self._heard = monotonic_ns(), True
        try:
            labels = _mask(message)
        except InputError as error:
            self._live.refuse(topic + '_unreadable')
            self._log.warn(f'{topic}: {error}')
            return
        stamp_ns, frame_id = nanoseconds(message.header.stamp), message.header.frame_id[:256]
        if topic == 'labels':
            self._truth_from_folder(stamp_ns, frame_id)
        receive(stamp_ns, labels, frame_id)

    def _truth_from_folder(self, stamp_ns: int, frame_id: str = '') -> None:
        if self._folder is None:
            return
        try:
            truth = self._folder.find(stamp_ns, frame_id)
        except InputError as error:
            self._live.refuse('annotation_unreadable')
            self._log.warn(str(error))
            return
        if truth is not None:
            self._live.truth(stamp_ns, truth, frame_id)

    def _on_timing(self, message: DiagnosticArray) -> None:
        for status in message.status:
            items = [(item.key, item.value) for item in status.values]
            try:
                timing = FrameTiming.from_items(status.name, status.message, items)
            except InputError as error:
                self._log.warn(str(error))
                continue
            self._live.timing(timing)
            if timing.outcome != SEGMENTED:
                # Its annotation, if any, is one without prediction, and the reason is known.
                self._truth_from_folder(timing.stamp_ns)

    def _on_image(self, message: Image) -> None:
        try:
            image, order = to_array(message.data, message.height, message.width, message.encoding,
                                    message.step, bool(message.is_bigendian))
        except InputError as error:     # the score does not need it
            self._log.warn(f'image: {error}')
            return
        self._live.image(nanoseconds(message.header.stamp), image if order == 'rgb' else image[..., ::-1])

    async def _on_save(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Write the files in a process of its own, and answer when that is done."""
        summary, future = self._live.summary(), Future(executor=self.executor)
        started = self._saver.start(save, (snapshot(self._live), dict(self._options), self._sources()), {},
                                    future.set_result, future.set_result)
        outcome: Any = await future if started else InputError('files are being written already')
        response.success = isinstance(outcome, list)
        if not isinstance(outcome, list):
            response.message = str(outcome)
            return response
        response.message = 'mean IoU {:.4f} over {} frames; {}'.format(
            summary['mean_iou'], summary['frames_evaluated'],
            'written: ' + ', '.join(outcome) if outcome else 'parameters output and report name no file')
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = f'{self._live.evaluator.frames} evaluated frames forgotten'
        self._live, response.success = self._begin(), True
        return response

    def _report(self) -> List[Status]:
        """Report the running score; end after `exit_after_idle` seconds without a message."""
        if self._camera is not None:
            self._camera.follow()
        summary = self._live.summary()
        self._summary.publish(String(data=json.dumps(plain(summary))))
        idle = self._options['exit_after_idle']
        if idle and self._heard and monotonic_ns() - self._last_heard_ns > idle * 1e9:
            self._stop.request()
        level, message = verdict(summary, self.resolve_topic_name('labels'),
                                 self.resolve_topic_name('ground_truth'))
        return [Status('score', level, message, {
            key: f'{value:.4f}' if isinstance(value, float) else json.dumps(value)
            for key, value in summary.items() if key != 'class_iou'})]

    def _sources(self) -> Dict[str, Any]:
        """Return what was scored against what, for the result."""
        sources = {'source': '{} against {}'.format(
            self.resolve_topic_name('labels'),
            self._options['annotations'] or self.resolve_topic_name('ground_truth'))}
        if self._checkpoint is not None:
            sources['weights'] = f'{self._checkpoint.origin} (sha256 {self._checkpoint.sha256})'
        return sources

    def close(self) -> None:
        """Log the result and write the files, once."""
        if self._closed:
            return
        self._closed = True
        self._live.settle(final=True)
        self._saver.stop()
        self._diagnostics.publish()
        if self._csv is not None:
            self._csv.close()
            if self._csv.loss:
                self.get_logger().error(self._csv.loss)
                self._stop.code = self._stop.code or 1
        written, summary = save(snapshot(self._live), self._options, self._sources()), self._live.summary()
        self.get_logger().info(
            'mean IoU {mean_iou:.4f} over {frames_evaluated} frames; truth without prediction: '
            '{truth_without_prediction}; prediction without truth: {prediction_without_truth}'.format(
                **summary) + ('; written: ' + ', '.join(written) if written else ''))
        for problem in summary['problems']:
            self.get_logger().warning('{text} ({count})'.format(**problem))


def _mask(message: Image) -> np.ndarray:
    """(H, W) uint8 labels of a mono8 or 8UC1 message; InputError for anything else."""
    if message.encoding not in MASKS:
        raise InputError(f'encoding is {message.encoding[:40]!r}: label images are mono8 or 8UC1')
    # Three equal channels come back, after every length was checked.
    image, _ = to_array(message.data, message.height, message.width, message.encoding, message.step)
    return np.ascontiguousarray(image[..., 0])
