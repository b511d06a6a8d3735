"""segmentation_node as a process of its own, over DDS: what goes in, what comes out, what is counted."""

from pathlib import Path
import time
from typing import Any, Callable, Iterator, List

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from harness import (
    Observer,
    Process,
    diagnostics,
    image_message,
    newest_wins,
    outcomes,
    pixels_of,
    stamp_ns,
    stamps,
    values_of,
    verdict,
)
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from segmentation_stage import Stage, gain, met_camera, play
from sensor_msgs.msg import CompressedImage, Image

from enet_ros.datasets import SyntheticStreet, open_dataset
from enet_ros.overlay import Overlay
from enet_ros.segmenter import Segmenter

NODE = '/segmentation_node'
SIZE = (192, 256)   # of the network: slow enough to be overrun, quick enough for a test


@pytest.fixture(scope='module')
def stage(new_domain: Callable[[], int], random_weights: Path) -> Iterator[Stage]:
    """Start a node that the tests of this file share, one camera each after the other."""
    domain = new_domain()
    parameters = [f'weights:={random_weights}', 'engine:=torch', 'threads:=1',
                  f'input_height:={SIZE[0]}', f'input_width:={SIZE[1]}']
    with Process('segmentation_node', domain, parameters) as process, Observer(domain) as observer:
        labels = observer.listen(Image, NODE + '/labels')
        timing = observer.listen(DiagnosticArray, NODE + '/timing')
        statuses = observer.listen(DiagnosticArray, '/diagnostics')
        process.wait_for('active on /image')
        yield Stage(process, observer, labels, timing, statuses)
        assert process.interrupt() == 0
        assert 'Traceback' not in process.said


@pytest.fixture
def quiet(stage: Stage) -> Iterator[Stage]:
    """Give each test a node without a camera, and empty lists."""
    node = stage.observer.node
    stage.observer.wait(lambda: node.count_publishers(NODE + '/labels') == 1, 'the node')
    for messages in (stage.labels, stage.timing, stage.diagnostics):
        del messages[:]
    before = list(node.publishers)
    yield stage
    for publisher in list(node.publishers):
        if publisher not in before:
            node.destroy_publisher(publisher)


@pytest.fixture(scope='module')
def segmenter(random_weights: Path) -> Iterator[Segmenter]:
    """Return the library's own answer to compare with."""
    with Segmenter.open(random_weights, engine='torch', threads=1, input_size=SIZE) as opened:
        yield opened


def test_labels_are_the_librarys_with_stamp_frame_and_size_of_the_image(
        quiet: Stage, segmenter: Segmenter) -> None:
    street = SyntheticStreet((90, 151), frames=4)
    camera = met_camera(quiet)
    images = [street[index].image for index in range(4)]
    messages = [image_message(images[0], 5), image_message(images[1][:, :, ::-1], 10 ** 18 + 1, 'bgr8'),
                image_message(images[2], 1234567890123456789, padding=7),
                image_message(images[3][::2, ::2], 1234567890123456790, frame_id='rear/camera_2')]
    received = play(quiet, camera, messages)
    for message, labels in zip(messages, received):
        assert labels.header == message.header
        assert (labels.height, labels.width) == (message.height, message.width)
        assert (labels.encoding, labels.step, labels.is_bigendian) == ('mono8', message.width, 0)
    for index in range(4):
        image = images[index] if index < 3 else images[3][::2, ::2]
        np.testing.assert_array_equal(pixels_of(received[index]), segmenter(np.ascontiguousarray(image)))


def test_camvid_frames_come_back_one_for_one(quiet: Stage, camvid_root: Path, segmenter: Segmenter) -> None:
    frames = open_dataset(camvid_root, 'val')
    camera = met_camera(quiet)
    images = [frames[index].image for index in range(12)]
    messages = [image_message(image, stamp) for image, stamp in zip(images, stamps(12))]
    received = play(quiet, camera, messages)
    assert [labels.header for labels in received] == [message.header for message in messages]
    assert all((labels.height, labels.width) == (360, 480) for labels in received)
    np.testing.assert_array_equal(pixels_of(received[11]), segmenter(images[11]))


def test_a_burst_is_accounted_for_and_the_newest_frame_wins(quiet: Stage) -> None:
    image = SyntheticStreet((96, 128), frames=1)[0].image
    camera = met_camera(quiet, depth=50)
    before = values_of(quiet.observer.wait(
        lambda: diagnostics(quiet.diagnostics).get('camera'), 'diagnostics'))
    for stamp in stamps(40):
        camera.publish(image_message(image, stamp))
        time.sleep(0.005)   # a camera of 200 Hz
    last = list(stamps(40))[-1]
    quiet.observer.wait(lambda: quiet.labels and stamp_ns(quiet.labels[-1]) == last, 'the newest frame')
    del quiet.diagnostics[:]
    after = values_of(quiet.observer.wait(
        lambda: diagnostics(quiet.diagnostics).get('camera'), 'diagnostics'))
    quiet.observer.wait(lambda: len(quiet.timing) >= gain(before, after, 'frames_in'), 'all timing')

    fates = outcomes(quiet.timing)
    sequences = [sequence for _, sequence, _ in fates]
    assert sequences == list(range(sequences[0], sequences[0] + len(fates)))
    segmented = sum(outcome == 'segmented' for *_, outcome in fates)
    assert {outcome for *_, outcome in fates} == {'segmented', 'superseded'}
    assert gain(before, after, 'frames_in') == len(fates)
    assert gain(before, after, 'frames_segmented') == segmented == len(quiet.labels)
    assert gain(before, after, 'frames_dropped') == len(fates) - segmented
    assert gain(before, after, 'dropped_by.superseded') == len(fates) - segmented
    assert after['frames_waiting'] == '0'
    delivered = [stamp_ns(labels) for labels in quiet.labels]
    assert delivered == sorted(delivered)
    newest_wins(quiet.timing)


def test_timing_marks_follow_each_other(quiet: Stage) -> None:
    image = SyntheticStreet((96, 128), frames=1)[0].image
    camera = met_camera(quiet)
    message = image_message(image, 2 * 10 ** 18 + 7)
    play(quiet, camera, [message])
    timing = quiet.observer.wait(lambda: quiet.timing and quiet.timing[0], 'timing')
    assert timing.header == message.header
    status = timing.status[0]
    assert (status.name, status.message) == ('camera', 'segmented')
    values = values_of(status)
    assert int(values['stamp_ns']) == 2 * 10 ** 18 + 7
    marks = [int(values[stage_ + '_ns']) for stage_ in (
        'received', 'taken', 'decoded', 'preprocessed', 'inferred', 'postprocessed', 'published')]
    assert marks == sorted(marks) and marks[0] < marks[-1]
    assert int(values['published_ros_ns']) > int(values['received_ros_ns']) > 0


def test_bad_images_are_refused_counted_and_told_once(quiet: Stage) -> None:
    good = SyntheticStreet((64, 80), frames=1)[0].image
    camera = met_camera(quiet)
    short, zero, unknown = (image_message(good, 10 + index) for index in range(3))
    short.data = short.data[:-1]
    zero.height = zero.width = zero.step = 0
    unknown.encoding = 'nv24'
    for bad in (short, zero, unknown, short, unknown):
        count = len(quiet.timing)
        camera.publish(bad)
        quiet.observer.wait(lambda: len(quiet.timing) > count, 'the refusal')
    assert [fate for *_, fate in outcomes(quiet.timing)] == ['refused'] * 5
    assert not quiet.labels
    play(quiet, camera, [image_message(good, 20), image_message(good[:32], 30), image_message(good, 5)])
    warnings = [line for line in quiet.process.said.splitlines() if 'image refused' in line]
    assert len(warnings) == 3
    assert any('nv24' in line for line in warnings)
    status = quiet.observer.wait(
        lambda: [status for message in quiet.diagnostics for status in message.status
                 if status.name.endswith(': camera') and 'refused' in values_of(status)['last_error']],
        'diagnostics')[-1]
    assert int(values_of(status)['dropped_by.refused']) >= 5


def test_who_listens_is_told(quiet: Stage) -> None:
    node = quiet.observer.node
    told = quiet.observer.wait(lambda: diagnostics(quiet.diagnostics).get('listeners'), 'diagnostics')
    assert values_of(told)['/segmentation_node/labels_colour'] == '0'
    labels = int(values_of(told)['/segmentation_node/labels'])
    another = node.create_subscription(Image, '/segmentation_node/labels', lambda message: None, 1)
    told = f'{labels + 1} on /segmentation_node/labels'
    quiet.observer.wait(lambda: told in verdict(quiet.diagnostics, 'listeners'), 'the new one')
    node.destroy_subscription(another)


def test_the_cameras_reliability_is_followed(quiet: Stage) -> None:
    image = SyntheticStreet((64, 80), frames=1)[0].image
    node = quiet.observer.node

    def reliabilities() -> List[str]:
        return [info.qos_profile.reliability.name for info in node.get_subscriptions_info_by_topic('/image')]

    for reliable, name in ((False, 'BEST_EFFORT'), (True, 'RELIABLE'), (False, 'BEST_EFFORT')):
        camera = met_camera(quiet, reliable=reliable)
        quiet.observer.wait(lambda: reliabilities() == [name], 'a subscription ' + name)
        quiet.observer.wait(lambda: camera.get_subscription_count() == 1, 'the match')
        play(quiet, camera, [image_message(image, 50)])
        node.destroy_publisher(camera)


def test_parameters_change_while_running_and_describe_themselves(quiet: Stage, segmenter: Segmenter) -> None:
    def set_parameter(name: str, value: ParameterValue) -> Any:
        return quiet.observer.call(SetParameters, NODE + '/set_parameters', SetParameters.Request(
            parameters=[Parameter(name=name, value=value)])).results[0]

    def number(value: float) -> ParameterValue:
        return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)

    image = SyntheticStreet((96, 128), frames=1)[0].image
    camera = met_camera(quiet)
    overlays = quiet.observer.listen(Image, NODE + '/overlay')
    quiet.observer.wait(lambda: quiet.observer.node.count_subscribers(NODE + '/overlay') == 1, 'a listener')
    assert set_parameter('overlay_alpha', number(0.25)).successful
    quiet.observer.wait(lambda: not overlays and camera.get_subscription_count(), 'the camera')
    for index, (pixels, encoding) in enumerate(((image, 'rgb8'), (image[:, :, ::-1], 'bgr8'))):
        camera.publish(image_message(pixels, 60 + index, encoding))
        quiet.observer.wait(lambda: len(overlays) > index, 'an overlay')
        assert overlays[index].header.frame_id == 'front_camera' and stamp_ns(overlays[index]) == 60 + index
        expected = Overlay(segmenter.classes.palette(), 0.25)(image, segmenter(image))
        np.testing.assert_allclose(pixels_of(overlays[index]), expected, atol=1)

    refused = set_parameter('overlay_alpha', number(1.5))
    assert not refused.successful and '1.5' in refused.reason
    assert not set_parameter('max_rate', ParameterValue(
        type=ParameterType.PARAMETER_STRING, string_value='fast')).successful
    for rate in (1e-300, 5e-324, 0.001):    # a frame in a thousand seconds, or in no time that exists
        refused = set_parameter('max_rate', number(rate))
        assert not refused.successful and '0.01' in refused.reason
    assert not set_parameter('weights', ParameterValue(
        type=ParameterType.PARAMETER_STRING, string_value='other')).successful

    assert set_parameter('max_rate', ParameterValue(
        type=ParameterType.PARAMETER_INTEGER, integer_value=1)).successful
    del quiet.timing[:]
    for stamp in (70, 80):
        camera.publish(image_message(image, stamp))
        quiet.observer.wait(lambda: any(stamp_ns(message) == stamp for message in quiet.timing), 'timing')
    assert [fate for *_, fate in outcomes(quiet.timing)] == ['segmented', 'rate_limited']
    assert set_parameter('max_rate', number(0.0)).successful

    names = ['weights', 'input_width', 'overlay_alpha', 'cameras']
    described = quiet.observer.call(DescribeParameters, NODE + '/describe_parameters',
                                    DescribeParameters.Request(names=names)).descriptors
    assert all(descriptor.description for descriptor in described)
    assert [descriptor.read_only for descriptor in described] == [True, True, False, True]
    assert described[1].integer_range[0].step == 8
    assert described[2].floating_point_range[0].to_value == 1.0


def test_unheard_images_are_not_segmented(quiet: Stage) -> None:
    observer = quiet.observer
    image = SyntheticStreet((64, 80), frames=1)[0].image
    camera = met_camera(quiet)
    before = values_of(observer.wait(lambda: diagnostics(quiet.diagnostics).get('camera'), 'diagnostics'))

    def listened() -> str:
        return values_of(diagnostics(quiet.diagnostics)['camera'])['listened']

    listening = [subscription for subscription in observer.node.subscriptions
                 if subscription.topic_name.startswith(NODE)]
    for subscription in listening:
        observer.node.destroy_subscription(subscription)
    observer.wait(lambda: listened() == 'no', 'silence')
    camera.publish(image_message(image, 90))
    observer.wait(lambda: gain(before, values_of(diagnostics(quiet.diagnostics)['camera']),
                               'dropped_by.no_listener') == 1, 'the count')
    pictures = observer.listen(CompressedImage, NODE + '/labels/compressed')
    observer.wait(lambda: listened() == 'yes', 'a listener')
    camera.publish(image_message(image, 91))
    picture = observer.wait(lambda: pictures and pictures[0], 'a PNG')
    assert 'png' in picture.format and stamp_ns(picture) == 91
    assert cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_UNCHANGED).shape == (64, 80)
