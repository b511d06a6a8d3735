"""A second configuration of segmentation_node: cameras, compressed images, masks, groups, QoS, lifecycle."""

from pathlib import Path
from typing import Any, Callable, Iterator

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from harness import Observer, Process, diagnostics, outcomes, pixels_of, stamp_ns, values_of, verdict
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from enet_ros.datasets import SyntheticStreet
from enet_ros.images import encode_jpeg
from enet_ros.overlay import colourise
from enet_ros.segmenter import Segmenter

NODE = '/car/segmentation_node'
GROUPS = """
name: costmap
classes:
- {name: drivable, colour: [0, 255, 0]}
- {name: obstacle, colour: [255, 0, 0]}
mappings:
  camvid: {Road: drivable, Pavement: drivable, Car: obstacle, Pedestrian: obstacle, Building: obstacle}
"""


@pytest.fixture(scope='module')
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an ego mask of another size than the images, and a file that groups classes."""
    folder = tmp_path_factory.mktemp('options')
    mask = np.zeros((48, 64), np.uint8)
    mask[40:] = 1
    cv2.imwrite(str(folder / 'bonnet.png'), mask)
    (folder / 'costmap.yaml').write_text(GROUPS)
    return folder


@pytest.fixture(scope='module')
def car(new_domain: Callable[[], int], random_weights: Path, files: Path) -> Iterator[Any]:
    """Start a node that waits for its lifecycle manager; give process, observer and state changer."""
    domain = new_domain()
    parameters = [
        f'weights:={random_weights}', 'engine:=torch', 'threads:=1', 'autostart:=false',
        'cameras:=[front, rear/left]', 'image_transport:=compressed', 'label_encoding:=8UC1',
        'confidence:=true', 'ego_mask:={}'.format(files / 'bonnet.png'),
        'output_classes:={}'.format(files / 'costmap.yaml'),
        'qos_overrides./car/front/image/compressed.subscription.reliability:=best_effort',
        'qos_overrides./car/segmentation_node/front/overlay.publisher.reliability:=best_effort']
    with Process('segmentation_node', domain, parameters, ['__ns:=/car']) as process, \
            Observer(domain) as observer:
        def change(transition: int) -> bool:
            return bool(observer.call(ChangeState, NODE + '/change_state', ChangeState.Request(
                transition=Transition(id=transition))).success)
        yield process, observer, change
        assert process.interrupt() == 0
        assert 'Traceback' not in process.said


def state_of(observer: Observer) -> int:
    return int(observer.call(GetState, NODE + '/get_state', GetState.Request()).current_state.id)


def test_two_cameras_compressed_masked_and_grouped(car: Any, random_weights: Path, files: Path) -> None:
    process, observer, change = car
    assert state_of(observer) == State.PRIMARY_STATE_UNCONFIGURED
    assert not change(Transition.TRANSITION_ACTIVATE)       # impossible now, and no reason to die
    assert change(Transition.TRANSITION_CONFIGURE)
    assert state_of(observer) == State.PRIMARY_STATE_INACTIVE
    assert observer.node.count_subscribers('/car/front/image/compressed') == 0
    assert change(Transition.TRANSITION_ACTIVATE)

    [info] = observer.node.get_publishers_info_by_topic(NODE + '/front/overlay')
    assert info.qos_profile.reliability.name == 'BEST_EFFORT'
    [info] = observer.node.get_publishers_info_by_topic(NODE + '/front/labels')
    assert info.qos_profile.reliability.name == 'RELIABLE'

    front_labels = observer.listen(Image, NODE + '/front/labels')
    rear_labels = observer.listen(Image, NODE + '/rear/left/labels')
    confidences = observer.listen(Image, NODE + '/front/confidence')
    colours = observer.listen(Image, NODE + '/front/labels_colour')
    overlays = observer.listen(CompressedImage, NODE + '/rear/left/overlay/compressed')
    timing = observer.listen(DiagnosticArray, NODE + '/timing')
    statuses = observer.listen(DiagnosticArray, '/diagnostics')
    front = observer.camera('/car/front/image/compressed', kind=CompressedImage)
    rear = observer.camera('/car/rear/left/image/compressed', kind=CompressedImage)
    [info] = observer.node.get_subscriptions_info_by_topic('/car/front/image/compressed')
    assert info.qos_profile.reliability.name == 'BEST_EFFORT'   # the override, though the camera is reliable
    [info] = observer.node.get_subscriptions_info_by_topic('/car/rear/left/image/compressed')
    assert info.qos_profile.reliability.name == 'RELIABLE'

    # The front's subscription is older than its camera: the camera meets it before it meets the camera.
    for name in ('front', 'rear/left'):
        observer.wait(lambda: name in diagnostics(statuses) and values_of(
            diagnostics(statuses)[name])['publishers'] == '1', 'the node to meet ' + name)

    pictures = [encode_jpeg(SyntheticStreet((96, 120), seed=seed, frames=1)[0].image) for seed in (1, 2)]
    for stamp, publisher, picture in ((7, front, pictures[0]), (8, rear, pictures[1])):
        message = CompressedImage(format='jpeg')
        message.header.stamp.nanosec, message.header.frame_id = stamp, f'camera{stamp}'
        message.data.frombytes(picture.data)
        publisher.publish(message)
    wanted = (front_labels, rear_labels, overlays, colours, confidences)
    observer.wait(lambda: all(wanted) and len(timing) == 2, 'both cameras')

    with Segmenter.open(random_weights, engine='torch', threads=1, output_classes=files / 'costmap.yaml',
                        ego_mask=files / 'bonnet.png', confidence=True) as segmenter:
        for labels, picture, stamp in ((front_labels[0], pictures[0], 7), (rear_labels[0], pictures[1], 8)):
            assert (labels.encoding, stamp_ns(labels), labels.header.frame_id) == (
                '8UC1', stamp, f'camera{stamp}')
            expected = segmenter.timed(cv2.imdecode(picture, cv2.IMREAD_COLOR), 'bgr')[0]
            np.testing.assert_array_equal(pixels_of(labels), expected)
            assert (pixels_of(labels)[80:] == 255).all()
            assert set(np.unique(expected[:80])) <= {0, 1, 255}
        expected = segmenter.confidence(cv2.imdecode(pictures[0], cv2.IMREAD_COLOR), 'bgr')[1]
        np.testing.assert_array_equal(pixels_of(confidences[0]), expected)
        assert (confidences[0].encoding, confidences[0].header) == ('mono8', front_labels[0].header)
        unknown = pixels_of(front_labels[0]) == 255
        assert unknown[80:].all() and (expected[unknown] == 0).all() and (expected[~unknown] > 0).all()
        assert (colours[0].encoding, stamp_ns(colours[0])) == ('rgb8', 7)
        np.testing.assert_array_equal(pixels_of(colours[0]), colourise(pixels_of(front_labels[0]),
                                                                       segmenter.classes.palette()))
    assert overlays[0].header.stamp.nanosec == 8 and 'jpeg' in overlays[0].format
    assert cv2.imdecode(np.frombuffer(overlays[0].data, np.uint8), cv2.IMREAD_COLOR).shape == (96, 120, 3)
    assert outcomes(timing) == [('front', 0, 'segmented'), ('rear/left', 0, 'segmented')]

    del front_labels[:]
    message = CompressedImage(format='jpeg')
    message.data.frombytes(pictures[0][:100].data)
    front.publish(message)
    observer.wait(lambda: len(timing) == 3, 'the refusal')
    assert timing[2].status[0].message == 'refused' and not front_labels
    process.wait_for('/car/front/image/compressed: image refused')


def test_transitions_again_and_again_leave_nothing_behind(car: Any) -> None:
    process, observer, change = car
    statuses = observer.listen(DiagnosticArray, '/diagnostics')
    if state_of(observer) == State.PRIMARY_STATE_ACTIVE:
        assert change(Transition.TRANSITION_DEACTIVATE)
    for _ in range(5):
        assert change(Transition.TRANSITION_ACTIVATE)
        assert not change(Transition.TRANSITION_CONFIGURE)
        assert change(Transition.TRANSITION_DEACTIVATE)
    observer.wait(lambda: verdict(statuses, 'engine') == 'loaded, but not active', 'the state')
    assert change(Transition.TRANSITION_CLEANUP)
    observer.wait(lambda: observer.node.count_publishers(NODE + '/front/labels') == 0, 'the publishers gone')
    observer.wait(lambda: verdict(statuses, 'engine') == 'not configured', 'the engine gone')
    assert change(Transition.TRANSITION_CONFIGURE)
    assert change(Transition.TRANSITION_ACTIVATE)
    observer.wait(lambda: observer.node.count_publishers(NODE + '/front/labels') == 1, 'one publisher')
    assert state_of(observer) == State.PRIMARY_STATE_ACTIVE
