"""The node of evaluation.py: topics, parameters and files around `metrics.live.LiveEvaluation`."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from ..classes import ClassTable
from ..errors import InputError
from ..evaluation import provenance
from ..images import to_array
from ..metrics.gallery import FrameScore
from ..metrics.live import LiveEvaluation
from ..metrics.scores import ABSENT
from ..metrics.tally import Tally
from ..metrics.timing import FrameTiming, monotonic_ns
from ..reports.frames import FrameCsv
from ..tools.cli import plain, write_json
from ..weights import load
from .runtime import Stop
from .telling import Teller

MASKS = ('mono8', '8UC1')
QUEUE = 50      # messages: labels and truth come in bursts where a replay is faster than this node

# name: (default, description, (least, most) or None)
PARAMETERS: Dict[str, Tuple[Any, str, Optional[Tuple[Any, Any]]]] = {
    'weights': ('', 'weights that made the labels: they name the classes, and stand in the result', None),
    'prediction_classes': ('', 'class table of the labels, a shipped name or a YAML file; empty: that of the '
                           'weights or, without weights, camvid', None),
    'truth_classes': ('', 'class table of the annotations; empty: that of the labels', None),
    'output': ('', 'JSON file for the result, written at the end and by ~/save', None),
    'report': ('', 'HTML file for the report, written at the end and by ~/save', None),
    'csv': ('', 'CSV file with one line per scored frame', None),
    'absent': ('skip', 'classes with neither truth nor prediction: skip them in means, or zero', None),
    'boundary': (True, 'also measure boundary IoU', None),
    'depth': (120, 'images of each topic that may wait for their counterpart', (1, 10000)),
    'period': (1.0, 'seconds between summaries', (0.05, 3600.0)),
    'exit_after_idle': (0.0, 'seconds without labels or truth after which the node ends; 0: never',
                        (0.0, 86400.0)),
}


class EvaluationNode(Node):
    """Scores `labels` against `ground_truth` by exact stamp, and says for how many frames that speaks."""

    def __init__(self, stop: Stop) -> None:
        super().__init__('evaluation_node')
        self._stop = stop
        self._parameters = {name: self._declare(name, *entry) for name, entry in PARAMETERS.items()}
        if self._parameters['absent'] not in ABSENT:
            raise InputError("parameter absent is '{}': use skip or zero".format(self._parameters['absent']))
        self._checkpoint = load(self._parameters['weights']) if self._parameters['weights'] else None
        self._tables = self._class_tables()
        self._tell = Teller(self.get_logger())
        self._csv = FrameCsv(self._parameters['csv']) if self._parameters['csv'] else None
        self._last_heard_ns = monotonic_ns()
        self._heard = False
        self._closed = False
        self._live = self._begin()
        self._connect()

    def _declare(self, name: str, default: Any, description: str, limits: Any) -> Any:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if limits and isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1], step=0)]
        elif limits:
            # Dynamic typing lets a user write period:=2; rclpy would refuse the whole number for a double.
            descriptor.dynamic_typing = True
            descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
        value = self.declare_parameter(name, default, descriptor).value
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if limits and not (number and limits[0] <= value <= limits[1]):
            raise InputError('parameter {} is {!r}; it is a number from {} to {}'.format(
                name, value, *limits))
        return value

    def _class_tables(self) -> Tuple[ClassTable, ClassTable]:
        named = self._parameters['prediction_classes']
        if named or self._checkpoint is None:
            predicted = ClassTable.load(named or 'camvid')
        else:
            predicted = self._checkpoint.classes
        true = self._parameters['truth_classes']
        return predicted, ClassTable.load(true) if true else predicted

    def _begin(self) -> LiveEvaluation:
        exhibits = 6 if self._parameters['report'] else 0
        tally = Tally(*self._tables, boundary=self._parameters['boundary'], exhibits=exhibits)
        return LiveEvaluation(tally, self._parameters['depth'])

    def _connect(self) -> None:
        topics = [(Image, 'labels', self._on_labels), (Image, 'ground_truth', self._on_truth),
                  (DiagnosticArray, 'timing', self._on_timing)]
        if self._parameters['report']:
            topics.append((Image, 'image', self._on_image))
        for kind, topic, callback in topics:
            self.create_subscription(kind, topic, callback, QUEUE,
                                     qos_overriding_options=QoSOverridingOptions.with_default_policies())
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._summary = self.create_publisher(String, '~/summary', latched)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_service(Trigger, '~/save', self._on_save)
        self.create_service(Trigger, '~/reset', self._on_reset)
        # The real time, also where the ROS clock is a bag's and stands still.
        self.create_timer(self._parameters['period'], self._publish,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_labels(self, message: Image) -> None:
        self._take(message, self._live.prediction, 'labels')

    def _on_truth(self, message: Image) -> None:
        self._take(message, self._live.truth, 'ground_truth')

    def _take(self, message: Image, receive: Any, topic: str) -> None:
        self._last_heard_ns, self._heard = monotonic_ns(), True
        try:
            labels = _mask(message)
        except InputError as error:
            self._live.refuse(topic + '_unreadable')
            self._tell.warn('{}: {}'.format(topic, error))
            return
        frame: Optional[FrameScore] = receive(_stamp_ns(message), labels, message.header.frame_id)
        if frame is not None and self._csv is not None:
            self._csv.write(frame)

    def _on_timing(self, message: DiagnosticArray) -> None:
        for status in message.status:
            items = [(item.key, item.value) for item in status.values]
            self._live.timing(FrameTiming.from_items(status.name, status.message, items))

    def _on_image(self, message: Image) -> None:
        image, order = to_array(message.data, message.height, message.width, message.encoding,
                                message.step, bool(message.is_bigendian))
        self._live.image(_stamp_ns(message), image if order == 'rgb' else image[..., ::-1])

    def _on_save(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            written = self._write()
            response.success = True
            response.message = 'mean IoU {:.4f} over {} frames; {}'.format(
                self._live.summary()['mean_iou'], self._live.tally.frames,
                'written: ' + ', '.join(written) if written else 'parameters output and report name no file')
        except InputError as error:
            response.success, response.message = False, str(error)
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = '{} evaluated frames forgotten'.format(self._live.tally.frames)
        self._live, response.success = self._begin(), True
        return response

    def _publish(self) -> None:
        """Tell the running score; end where nothing came for as long as the parameter says."""
        summary = self._live.summary()
        self._summary.publish(String(data=json.dumps(plain(summary))))
        self._diagnostics.publish(self._status(summary))
        idle = self._parameters['exit_after_idle']
        if idle and self._heard and monotonic_ns() - self._last_heard_ns > idle * 1e9:
            self._stop.request()

    def _status(self, summary: Dict[str, Any]) -> DiagnosticArray:
        status = DiagnosticStatus(name=self.get_name() + ': score', level=DiagnosticStatus.OK)
        if summary['frames_evaluated']:
            status.message = 'mean IoU {:.3f} over {} frames'.format(
                summary['mean_iou'], summary['frames_evaluated'])
        else:
            status.level, status.message = DiagnosticStatus.WARN, self._nothing_matched(summary)
        status.values = [KeyValue(key=key, value=_text(value)) for key, value in summary.items()
                         if key != 'class_iou']
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        return array

    def _nothing_matched(self, summary: Dict[str, Any]) -> str:
        if summary['predictions'] and summary['truth_frames']:
            return 'labels and ground truth arrive, but their stamps never agree: are they of one recording?'
        for count, topic in (('predictions', 'labels'), ('truth_frames', 'ground_truth')):
            if not summary[count]:
                return 'nothing heard on {}'.format(self.resolve_topic_name(topic))
        return 'nothing evaluated'

    def result(self) -> Dict[str, Any]:
        """Return the result as the tools write it: scores, coverage and what makes them reproducible."""
        result = self._live.result(self._parameters['absent'])
        sources = {'source': '{} against {}'.format(*[
            self.resolve_topic_name(topic) for topic in ('labels', 'ground_truth')])}
        if self._checkpoint is not None:
            sources['weights'] = '{} (sha256 {})'.format(self._checkpoint.origin, self._checkpoint.sha256)
        result['provenance'] = provenance(**sources)
        result['weights'] = sources.get('weights')
        return result

    def _write(self) -> List[str]:
        """Write the files that the parameters name; return their names."""
        result, written = self.result(), []
        if self._parameters['output']:
            write_json(self._parameters['output'], result)
            written.append(self._parameters['output'])
        if self._parameters['report']:
            # Needs Jinja2, which a robot without reports does not.
            from ..reports.html import write_report
            write_report(Path(self._parameters['report']), result, self._live.tally.gallery)
            written.append(self._parameters['report'])
        return written

    def close(self) -> None:
        """Say the last word and write the files, once."""
        if self._closed:
            return
        self._closed = True
        self._publish()
        if self._csv is not None:
            self._csv.close()
        written, summary = self._write(), self._live.summary()
        self.get_logger().info(
            'mean IoU {mean_iou:.4f} over {frames_evaluated} frames; truth without prediction: '
            '{truth_without_prediction}; prediction without truth: {prediction_without_truth}'.format(
                **summary) + ('; written: ' + ', '.join(written) if written else ''))


def _mask(message: Image) -> np.ndarray:
    """(H, W) uint8 labels of a mono8 or 8UC1 message; InputError for anything else."""
    if message.encoding not in MASKS:
        raise InputError("encoding is '{}': label images are mono8 or 8UC1".format(message.encoding))
    # Three equal channels come back, after every length was checked.
    image, _ = to_array(message.data, message.height, message.width, message.encoding, message.step)
    return np.ascontiguousarray(image[..., 0])


def _stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def _text(value: Any) -> str:
    return '{:.4f}'.format(value) if isinstance(value, float) else json.dumps(value)
