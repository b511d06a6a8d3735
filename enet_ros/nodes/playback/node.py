"""The node behind playback_node: parameters, topics and the thread that plays."""

import json
import threading
import time
from typing import List, Optional

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from ...errors import InputError, one_line
from ...sources import open_source
from ..common.listeners import ListenerCounts
from ..common.log_throttle import ThrottledLogger
from ..common.main import Stop
from . import parameters as parameters
from .messages import Prepared, Preparer
from .pacing import LabelWaiter, Pace
from .prefetch import Prefetcher

IMAGE_DEPTH = 5
LISTENERS_SECONDS = 5.0 # for the sender of labels to know its listeners, if it tells of them
FIRST_AGAIN = 2.0       # seconds without labels after which step sends the first image again
TRUTH_DEPTH = 100       # truth must not be lost while a slow evaluation catches up


class PlaybackNode(Node):
    """Plays a source as a camera would, and ends with it."""

    def __init__(self, stop: Stop) -> None:
        """Open the source; InputError where it is none."""
        super().__init__('playback_node')
        self._stop = stop
        self._settings = values = parameters.read(self)
        self._log = ThrottledLogger(self.get_logger())
        size = (values['height'], values['width']) if values['height'] else None
        self._source = open_source(values['source'], values['split'], size, values['seed'],
                                   values['image_topic'], values['truth_topic'], values['truth_classes'])
        self._compressed = values['image_transport'] == 'compressed'
        self._preparer = Preparer(size, values['frame_id'], self._compressed)
        self._rate = values['rate'] or self._source.rate
        self._published = self._truths = self._timeouts = 0
        self._create_publishers()
        self._labels = LabelWaiter(stop)
        self._listeners: Optional[ListenerCounts] = None
        if values['pace'] == 'step':
            self._listeners = ListenerCounts(self, [values['labels_topic']])
            self.create_subscription(Image, values['labels_topic'], self._labels.received,
                                     QoSProfile(depth=10))
        self._thread = threading.Thread(target=self._run, name='playback', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for the playing thread; called by `spin_main`."""
        self._thread.join(5.0)
        self._stop.exit_immediately |= self._thread.is_alive()

    def _create_publishers(self) -> None:
        settings = self._settings
        reliability = ReliabilityPolicy.BEST_EFFORT if settings['best_effort'] else ReliabilityPolicy.RELIABLE
        qos = QoSProfile(depth=IMAGE_DEPTH, reliability=reliability)
        base = self.resolve_topic_name('image')
        if self._compressed:
            self._image = self.create_publisher(CompressedImage, base + '/compressed', qos)
        else:
            self._image = self.create_publisher(Image, base, qos)
        self._info = self.create_publisher(CameraInfo, 'camera_info', qos)
        self._truth = self.create_publisher(Image, 'ground_truth', QoSProfile(depth=TRUTH_DEPTH))
        self._summary = self.create_publisher(
            String, '~/summary', QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self._clock_publisher = self.create_publisher(Clock, '/clock', 10) if settings['clock'] else None

    def _run(self) -> None:
        """Play everything, then ask the node to end."""
        code = 0
        try:
            if self._wait_for_subscribers():
                self._play()
        except InputError as error:
            self.get_logger().error(one_line(str(error)))
            code = 2
        except Exception as error:
            self.get_logger().error('playback ended: {}: {}'.format(
                type(error).__name__, one_line(str(error))))
            code = 1
        finally:
            self._tell_end()
            self._stop.request(code)

    def _wait_for_subscribers(self) -> bool:
        settings = self._settings
        nodes = [name for name in settings['wait_for_nodes'] if name]
        self.get_logger().info('{}: {} frames at {:.1f} Hz; waiting for {}'.format(
            self._source.name, 'many' if self._source.count is None else self._source.count, self._rate,
            ' and '.join(nodes) or f"{settings['wait_for_subscribers']} subscriber(s)"))
        while not self._heard(nodes):
            if self._stop.wait(0.02):   # on Humble, graph changes wake nothing
                return False
        return self._wait_for_label_listeners()

    def _wait_for_label_listeners(self) -> bool:
        """Under step, wait until labels will reach whoever else listens to them; False where the end came."""
        if self._listeners is None:
            return True
        topic, told = self._settings['labels_topic'], ''
        deadline = time.monotonic() + LISTENERS_SECONDS
        while self.count_subscribers(topic) > 1 and not self._listeners.complete():
            words = self._listeners.in_words()
            if words != told:
                self.get_logger().info(words)
                told = words
            if time.monotonic() > deadline:
                self.get_logger().warning('going on all the same')
                break
            if self._stop.wait(0.02):
                return False
        return not self._stop.is_set()

    def _heard(self, nodes: List[str]) -> bool:
        """Tell whether as many as wanted listen, and all of these nodes (relative to the own namespace)."""
        wanted = ((self._image, self._settings['wait_for_subscribers']),
                  (self._truth, self._settings['wait_for_truth_subscribers']))
        if any(publisher.get_subscription_count() < count for publisher, count in wanted):
            return False
        infos = [info for publisher, _ in wanted if nodes
                 for info in self.get_subscriptions_info_by_topic(publisher.topic_name)]
        listening = {f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos}
        own = self.get_namespace().rstrip('/')
        return all((name if name.startswith('/') else f'{own}/{name}') in listening for name in nodes)

    def _play(self) -> None:
        settings = self._settings
        pace = Pace(self._rate, self._stop, self._tell_time if settings['clock'] else None)
        reader = Prefetcher(self._source, self._preparer, settings['loop'], settings['max_frames'],
                        settings['rate'], self._log)
        try:
            for prepared in reader.frames(self._stop):
                if settings['pace'] == 'realtime' and not pace.wait(prepared.stamp_ns):
                    break
                if not self._publish(prepared):
                    break
        finally:
            # A thread that Python ends inside OpenCV would abort the process.
            self._stop.exit_immediately |= not reader.close()
        if pace.late:
            self.get_logger().warning(f'{pace.late} frames were late: the source is slower than '
                                      f'{self._rate:.1f} Hz')
        if not settings['best_effort']:
            self._wait_until_delivered()

    def _publish(self, prepared: Prepared) -> bool:
        """Publish one frame; under step wait for its labels; False where the end was asked for."""
        if self._settings['stamp'] == 'now':
            stamp = self.get_clock().now()
        else:
            stamp = Time(nanoseconds=prepared.stamp_ns)
            if self._clock_publisher is not None:
                self._tell_time(prepared.stamp_ns)
        prepared.stamped(stamp.to_msg())
        if prepared.truth is not None:
            self._truth.publish(prepared.truth)
            self._truths += 1
        self._info.publish(prepared.info)
        self._labels.expect(stamp.nanoseconds)
        self._image.publish(prepared.image)
        self._published += 1
        if self._settings['pace'] == 'step' and not self._answered(prepared):
            if self._stop.is_set():
                return False
            self._timeouts += 1
            self._log.warn('no labels with the stamp of image {} within {} s; going on'.format(
                self._published, self._settings['step_timeout']))
        return not self._stop.is_set()

    def _answered(self, prepared: Prepared) -> bool:
        """Wait for the labels of a frame; the first one is sent again until they come.

        A subscription that this side knows may not know this side yet: then the first image is lost.
        """
        left = self._settings['step_timeout']
        while self._published == 1 and left > FIRST_AGAIN and not self._stop.is_set():
            if self._labels.wait(FIRST_AGAIN):
                return True
            left -= FIRST_AGAIN
            self._image.publish(prepared.image)
        return self._labels.wait(left)

    def _tell_time(self, now_ns: int) -> None:
        assert self._clock_publisher is not None
        self._clock_publisher.publish(Clock(clock=Time(nanoseconds=now_ns).to_msg()))

    def _wait_until_delivered(self) -> None:
        """Let the last reliable messages arrive before the node goes."""
        from rclpy.duration import Duration
        for publisher in (self._image, self._truth):
            if hasattr(publisher, 'wait_for_all_acked') and not self._stop.is_set():
                publisher.wait_for_all_acked(Duration(seconds=2.0))

    def _tell_end(self) -> None:
        summary = {'frames_published': self._published, 'truth_published': self._truths,
                   'step_timeouts': self._timeouts, 'source': self._source.name, 'rate_hz': self._rate}
        self._summary.publish(String(data=json.dumps(summary)))
        self.get_logger().info('published {} frames, {} with ground truth{}'.format(
            self._published, self._truths,
            f'; {self._timeouts} without an answer in time' if self._timeouts else ''))
