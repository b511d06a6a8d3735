"""Messages that need no graph: buffers written in place, and the class names."""

import os
import sys
import threading
from types import ModuleType
from typing import Any, Callable, List

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Header

from enet_ros.classes import ClassTable
from enet_ros.nodes.segmentation import publishers


def test_a_buffer_is_written_in_place_and_follows_the_size() -> None:
    buffer = publishers._ImageBuffer()
    first = np.arange(12, dtype=np.uint8).reshape(3, 4)
    message = buffer.filled(Header(frame_id='a'), first, 'mono8')
    data = message.data
    assert (message.height, message.width, message.step, message.header.frame_id) == (3, 4, 4, 'a')
    assert bytes(data) == first.tobytes()
    again = buffer.filled(Header(frame_id='b'), first + 1, 'mono8')
    assert again.data is data and bytes(data) == (first + 1).tobytes()
    colour = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    message = buffer.filled(Header(), colour, 'rgb8', swap_channels=True)
    assert (message.height, message.width, message.step) == (2, 4, 12)
    assert bytes(message.data) == cv2.cvtColor(colour, cv2.COLOR_BGR2RGB).tobytes()
    assert bytes(data) == (first + 1).tobytes()


def test_one_listener_to_any_output_is_heard(domain_id: int) -> None:
    """A frame is worked on for whoever listens, and only what has a listener is computed."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
    node = LifecycleNode('outputs', context=context)
    outputs = publishers.CameraOutputs(node, '', publishers.TimingOutput(node), 'mono8', confidence=True)
    waiting = threading.Event()
    for field in publishers.Wanted._fields:
        topic = '~/' + field.replace('_compressed', '/compressed')
        name = node.resolve_topic_name(topic)
        [kind] = [made.msg_type for made in node.publishers if made.topic_name == name]
        listener = node.create_subscription(kind, topic, lambda message: None, 1)
        while not outputs.heard():
            assert not waiting.wait(0.01)
        assert outputs.wanted()._asdict() == {other: other == field for other in publishers.Wanted._fields}
        node.destroy_subscription(listener)
        while outputs.heard():
            assert not waiting.wait(0.01)
    node.destroy_node()
    rclpy.shutdown(context=context)


class _Fields:
    """A message with the fields of vision_msgs 4, as the package index has no vision_msgs."""

    def __init__(self, **fields: Any) -> None:
        self.header = Header()
        self.class_map: List[Any] = []
        self.__dict__.update(fields)


def test_class_names_are_those_of_the_table(monkeypatch: pytest.MonkeyPatch,
                                            camvid_classes: ClassTable) -> None:
    if publishers.label_info_type() is None:
        package, messages = ModuleType('vision_msgs'), ModuleType('vision_msgs.msg')
        messages.LabelInfo = messages.VisionClass = _Fields     # type: ignore
        monkeypatch.setitem(sys.modules, 'vision_msgs', package)
        monkeypatch.setitem(sys.modules, 'vision_msgs.msg', messages)
    published: List[Any] = []

    class Publisher:
        publish: Callable[[Any], None] = staticmethod(published.append)
    publishers.publish_label_info(Publisher, camvid_classes, Header().stamp)
    [message] = published
    assert [(entry.class_id, entry.class_name) for entry in message.class_map[:2]] == [
        (0, 'Sky'), (1, 'Building')]
    assert len(message.class_map) == 12 and message.class_map[-1].class_id == 255
