"""playback_node as a process of its own: what a camera and its ground truth look like on the wire."""

import json
from pathlib import Path
from typing import List

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from harness import Observer, Process, pixels_of, stamp_ns
import numpy as np
import pytest
from recordings import write_bag
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from enet_ros.datasets import SyntheticStreet
from enet_ros.images import decode_compressed
from enet_ros.nodes.common.main import Stop
from enet_ros.nodes.playback.pacing import LabelWaiter, Pace


def frames(images: List[Image]) -> int:
    """Count different images."""
    return len({stamp_ns(image) for image in images})


def test_step_waits_for_labels_and_truth_has_the_images_stamp(domain_id: int) -> None:
    street = SyntheticStreet((48, 64), frames=4)
    parameters = ['source:=synthetic', 'width:=64', 'height:=48', 'max_frames:=4', 'pace:=step',
                  'step_timeout:=60.0', 'wait_for_truth_subscribers:=1', 'labels_topic:=/net/labels',
                  'frame_id:=nose']
    with Observer(domain_id) as observer:
        images = observer.listen(Image, '/image')
        truths = observer.listen(Image, '/ground_truth')
        infos = observer.listen(CameraInfo, '/camera_info')
        summaries = observer.listen(String, '/playback_node/summary')
        answers = observer.node.create_publisher(Image, '/net/labels', 10)
        with Process('playback_node', domain_id, parameters) as process:
            for count in range(1, 5):
                observer.wait(lambda: frames(images) >= count and len(truths) >= count, 'image and truth')
                observer.wait(lambda: answers.get_subscription_count() == 1, 'the player listening')
                assert frames(images) == count     # it waits
                wrong = Image(header=images[-1].header)
                wrong.header.stamp.nanosec ^= 1
                answers.publish(wrong)
                wrong.header.stamp.nanosec ^= 1
                answers.publish(wrong)
            assert process.ends() == 0, process.said
        observer.wait(lambda: len(infos) == 4 and summaries, 'all of it')
    assert json.loads(summaries[0].data)['frames_published'] == 4
    assert 'published 4 frames, 4 with ground truth' in process.said
    images = [image for image, after in zip(images, images[1:] + [Image()])
              if image.header != after.header]      # the first is sent again where nobody answers
    for index in range(4):
        assert stamp_ns(images[index]) == stamp_ns(truths[index]) == stamp_ns(infos[index])
        assert {images[index].header.frame_id, truths[index].header.frame_id} == {'nose'}
        assert (images[index].encoding, truths[index].encoding) == ('rgb8', 'mono8')
        np.testing.assert_array_equal(pixels_of(images[index]), street[index].image)
        np.testing.assert_array_equal(pixels_of(truths[index]), street[index].label)
    np.testing.assert_allclose(np.reshape(infos[0].k, (3, 3)), street.camera_matrix)
    assert len({stamp_ns(image) for image in images}) == 4


@pytest.mark.parametrize('compressed', [False, True])
def test_a_bag_on_its_own_clock(domain_id: int, tmp_path: Path, compressed: bool) -> None:
    street = SyntheticStreet((48, 64), frames=20)
    bag = write_bag(tmp_path / 'bag', street, compressed=True)
    parameters = [f'source:={bag}', 'clock:=true', 'use_sim_time:=true', 'max_frames:=25',
                  'loop:=true', 'rate:=50', 'width:=32', 'height:=24',
                  'image_transport:={}'.format('compressed' if compressed else 'raw')]
    with Observer(domain_id) as observer:
        topic, kind = ('/image/compressed', CompressedImage) if compressed else ('/image', Image)
        images = observer.listen(kind, topic)
        clocks = observer.listen(Clock, '/clock', depth=1000)
        infos = observer.listen(CameraInfo, '/camera_info')
        with Process('playback_node', domain_id, parameters) as process:
            assert process.ends() == 0, process.said
        observer.wait(lambda: len(images) == 25 and len(infos) == 25, 'the images')
    first = 5 * 10 ** 9
    assert [stamp_ns(image) for image in images] == [first + index * 2 * 10 ** 7 for index in range(25)]
    times = [clock.clock.sec * 10 ** 9 + clock.clock.nanosec for clock in clocks]
    assert times == sorted(times) and times[-1] <= stamp_ns(images[-1])
    assert (infos[0].height, infos[0].width) == (24, 32)
    halved = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])        # the borders stay where they are
    np.testing.assert_allclose(halved.dot([-0.5, -0.5, 1]), [-0.5, -0.5, 1])
    np.testing.assert_allclose(np.reshape(infos[0].k, (3, 3)), halved.dot(street.camera_matrix))
    if compressed:
        assert decode_compressed(images[0].data)[0].shape == (24, 32, 3)
    else:
        assert (images[0].height, images[0].width, images[0].header.frame_id) == (24, 32, 'front')


def test_step_begins_when_labels_reach_all_who_listen(domain_id: int) -> None:
    """A subscription that playback sees may still be unknown to the node that sends the labels."""
    def tell(count: object) -> None:
        value = KeyValue(key='/net/labels', value=str(count))
        teller.publish(DiagnosticArray(status=[DiagnosticStatus(name='net: listeners', values=[value])]))

    with Observer(domain_id) as observer:
        images = observer.listen(Image, '/image')
        observer.listen(Image, '/net/labels')
        teller = observer.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        with Process('playback_node', domain_id, [
                'source:=synthetic', 'width:=64', 'height:=48', 'max_frames:=1', 'pace:=step',
                'step_timeout:=0.01', 'labels_topic:=/net/labels']) as process:
            observer.wait(lambda: teller.get_subscription_count() == 1, 'the player listening')
            for count in (1, '\u00b2', '9' * 5000, '-3', ''):    # of these, only the first is a number
                tell(count)
            process.wait_for('the sender of /net/labels knows 1 of its 2 listeners')
            assert not images
            tell(2)
            assert process.ends() == 0, process.said
        observer.wait(lambda: images, 'the image')
    assert 'going on all the same' not in process.said


def test_pace_follows_stamps_and_does_not_burst_when_late() -> None:
    pace = Pace(100.0, Stop(), None)
    assert pace.wait(10 ** 9) and pace.wait(10 ** 9 + 10 ** 7) and pace.late == 0
    assert pace.wait(10 ** 9 - 10 ** 9)     # a second behind its plan: a new plan
    assert pace.late == 1


def test_clock_ticks_while_waiting_and_an_end_is_heard() -> None:
    told, stop = [], Stop()
    pace = Pace(10.0, stop, told.append)
    assert pace.wait(10 ** 9) and pace.wait(10 ** 9 + 5 * 10 ** 7)
    assert len(told) >= 2 and told == sorted(told) and told[-1] <= 10 ** 9 + 5 * 10 ** 7
    stop.request()
    assert not pace.wait(10 ** 12)


def test_labels_of_another_stamp_are_no_answer() -> None:
    stop = Stop()
    labels, message = LabelWaiter(stop), Image()
    labels.expect(5)
    message.header.stamp.nanosec = 6
    labels.received(message)
    assert not labels.wait(0.01)
    message.header.stamp.nanosec = 5
    labels.received(message)
    assert labels.wait(0.01)
    labels.expect(7)
    stop.request()
    assert not labels.wait(60.0)
