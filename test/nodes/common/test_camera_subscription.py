"""A camera's subscription inside one process: what it waits for, and that it takes all that has arrived."""

from typing import Any, Iterator, List, Tuple

import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from enet_ros.errors import InputError
from enet_ros.nodes.common import camera_subscription
from enet_ros.nodes.common.camera_subscription import CameraSubscription
from enet_ros.nodes.segmentation.camera_statistics import CameraStatistics


@pytest.fixture
def context(domain_id: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    made = rclpy.Context()
    rclpy.init(context=made, domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
    yield made
    rclpy.shutdown(context=made)


def subscribed(node: Node) -> int:
    return int(node.count_subscribers('/image'))


def test_all_that_has_arrived_is_taken_at_once_and_the_newest_is_last(context: Any) -> None:
    node = Node('camera_test', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    received: List[Tuple[int, int]] = []
    subscription = CameraSubscription(
        node, Image, '/image',
        lambda message, number: received.append((message.header.stamp.nanosec, subscription.more)),
        lambda fresh: None)
    subscription.open()
    assert subscribed(node) == 0        # nobody knows yet which kind would be right
    publisher = node.create_publisher(Image, '/image', QoSProfile(depth=10))
    while subscribed(node) == 0 or publisher.get_subscription_count() == 0:
        subscription.follow()
        executor.spin_once(timeout_sec=0.01)
    assert subscription.reliable
    for stamp in range(4):
        message = Image()
        message.header.stamp.nanosec = stamp
        publisher.publish(message)
    assert publisher.wait_for_all_acked(Duration(seconds=30))
    while not received:
        executor.spin_once(timeout_sec=1.0)
    assert received == [(0, 3), (1, 2), (2, 1), (3, 0)]
    subscription.close()
    assert subscribed(node) == 0
    executor.shutdown()
    node.destroy_node()


@pytest.mark.parametrize('name, value', [('reliability', 'sure'), ('history', 'all'), ('depth', 0)])
def test_a_wrong_override_is_told(context: Any, name: str, value: Any) -> None:
    override = Parameter('qos_overrides./image.subscription.' + name, value=value)
    node = Node('camera_test', context=context, parameter_overrides=[override])
    with pytest.raises(InputError, match=name):
        CameraSubscription(node, Image, '/image', lambda message, number: None, lambda fresh: None)
    node.destroy_node()


def test_an_override_subscribes_before_any_camera_is_there(context: Any) -> None:
    override = Parameter('qos_overrides./image.subscription.reliability', value='reliable')
    node = Node('camera_test', context=context, parameter_overrides=[override])
    subscription = CameraSubscription(node, Image, '/image', lambda message, number: None, lambda fresh: None)
    subscription.open()
    assert subscribed(node) == 1 and subscription.reliable
    node.destroy_node()


def test_what_a_new_camera_sends_before_it_is_heard_is_counted(context: Any, monkeypatch: Any) -> None:
    """Reliable, then best effort: the images sent while the subscription was changed are lost, and told."""
    if not camera_subscription.TELLS_NUMBERS:
        pytest.skip('this middleware does not number')
    monkeypatch.setattr(camera_subscription, 'DISCOVERY_NS', 0)
    node = Node('camera_test', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    statistics = CameraStatistics('a')
    subscription = CameraSubscription(
        node, Image, '/image', lambda message, number: statistics.received(
            0, message.header.stamp.nanosec, 0, number, subscription.publishers > 1),
        statistics.camera_changed)
    subscription.open()

    def received() -> int:
        return statistics.snapshot(0).frames_waiting    # nothing settles them here

    sent = 0
    reliable, best_effort = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
    for reliability in (reliable, best_effort, reliable):
        publisher = node.create_publisher(Image, '/image', QoSProfile(depth=10, reliability=reliability))
        before, number = received(), 0
        while received() < before + 20:
            number += 1
            publisher.publish(Image())
            executor.spin_once(timeout_sec=0.01)
            subscription.follow()
        for _ in range(20):
            executor.spin_once(timeout_sec=0.01)
        sent += number
        node.destroy_publisher(publisher)
        while node.get_publishers_info_by_topic('/image'):
            executor.spin_once(timeout_sec=0.01)
        subscription.follow()
    assert sent > received()        # something was lost, or this shows nothing
    assert statistics.snapshot(0).lost == sent - received()
    subscription.close()
    executor.shutdown()
    node.destroy_node()


def test_what_a_camera_sends_while_nobody_subscribes_is_no_loss(context: Any) -> None:
    """A node that was deactivated for a while did not lose what it did not want."""
    if not camera_subscription.TELLS_NUMBERS:
        pytest.skip('this middleware does not number')
    node = Node('camera_test', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    statistics = CameraStatistics('a')
    subscription = CameraSubscription(
        node, Image, '/image', lambda message, number: statistics.received(0, 0, 0, number),
        statistics.camera_changed)
    publisher = node.create_publisher(Image, '/image', QoSProfile(depth=10))
    for received in (1, 2):
        subscription.open()
        while publisher.get_subscription_count() == 0:
            subscription.follow()
            executor.spin_once(timeout_sec=0.01)
        publisher.publish(Image())
        while statistics.snapshot(0).frames_waiting < received:
            executor.spin_once(timeout_sec=1.0)
        subscription.close()
        while publisher.get_subscription_count():
            executor.spin_once(timeout_sec=0.01)
        for _ in range(5):
            publisher.publish(Image())
    assert statistics.snapshot(0).lost == 0
    executor.shutdown()
    node.destroy_node()
