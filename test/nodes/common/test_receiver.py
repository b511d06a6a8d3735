"""The thread that takes images past the executor, inside one process over real DDS."""

import threading
from typing import Any, Iterator, List, Set

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from enet_ros.nodes.common.camera_subscription import CameraSubscription
from enet_ros.nodes.common.receiver import Receiver


@pytest.fixture
def node(domain_id: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
    made = Node('receiver_test', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


class Heard:
    """What a camera sent, and in which thread it was taken."""

    def __init__(self, node: Node, topic: str) -> None:
        self.stamps: List[int] = []
        self.threads: Set[str] = set()
        self.fails = False
        self._changed = threading.Condition()
        self.subscription = CameraSubscription(node, Image, topic, self._received, lambda fresh: None,
                                               apart=True)

    def _received(self, message: Any, number: Any) -> None:
        with self._changed:
            self.stamps.append(message.header.stamp.nanosec)
            self.threads.add(threading.current_thread().name)
            self._changed.notify_all()
        if self.fails:
            raise RuntimeError('a callback that fails')

    def wait(self, stamp: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: stamp in self.stamps, 60)


def send(publisher: Any, stamp: int) -> None:
    message = Image()
    message.header.stamp.nanosec = stamp
    publisher.publish(message)


def listened(publisher: Any, wanted: int = 1) -> None:
    waiting = threading.Event()
    while publisher.get_subscription_count() != wanted:
        assert not waiting.wait(0.01)


def test_images_of_all_cameras_come_in_its_thread_and_the_executor_sleeps(node: Node) -> None:
    front, rear = Heard(node, '/front'), Heard(node, '/rear')
    receiver = Receiver(node, [front.subscription, rear.subscription])
    receiver.start()
    publishers = [node.create_publisher(Image, topic, QoSProfile(depth=10)) for topic in ('/front', '/rear')]
    for publisher in publishers:
        listened(publisher)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    front.fails = True      # logged, and survived
    for stamp in range(1, 4):
        for publisher, camera in zip(publishers, (front, rear)):
            send(publisher, stamp)
            executor.spin_once(timeout_sec=0)
            camera.wait(stamp)
    assert front.stamps == rear.stamps == [1, 2, 3]
    assert front.threads | rear.threads == {'receiver'}
    receiver.stop()
    assert node.count_subscribers('/front') == node.count_subscribers('/rear') == 0
    executor.shutdown()


def test_it_follows_the_reliability_of_a_camera_that_comes_and_goes(node: Node) -> None:
    camera = Heard(node, '/image')
    receiver = Receiver(node, [camera.subscription])
    receiver.start()
    assert not camera.subscription.is_near()
    for stamp, reliability in enumerate((ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT), 1):
        publisher = node.create_publisher(Image, '/image', QoSProfile(depth=10, reliability=reliability))
        listened(publisher)
        while stamp not in camera.stamps:       # best effort may lose the first
            send(publisher, stamp)
        assert camera.subscription.reliable is (reliability == ReliabilityPolicy.RELIABLE)
        assert camera.subscription.is_near()
        node.destroy_publisher(publisher)
    receiver.stop()


def test_one_that_was_never_started_stops_too(node: Node) -> None:
    Receiver(node, []).stop()
