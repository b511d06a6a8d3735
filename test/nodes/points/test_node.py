"""points_node as a process of its own, over DDS: where labels come to lie, and when nothing may be said."""

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List

from geometry_msgs.msg import TransformStamped
from harness import Process, diagnostics, environment, image_message, stamp_ns, verdict
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import numpy as np
from points_graph import (
    DEPTH,
    HEIGHT,
    LABELS,
    PITCH,
    PLACER,
    POSE,
    ROAD,
    STREET,
    Graph,
    cloud_message,
    depth_message,
    graph,
    info_message,
    points_of,
    transform,
)
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile

from enet_ros.classes import IGNORE
from enet_ros.nodes.points.node import PointsNode
from enet_ros.points.placing import POINT


@pytest.fixture(scope='module')
def flat(new_domain: Callable[[], int]) -> Iterator[Graph]:
    """Run a node on the flat ground; it has placed one frame."""
    with graph(new_domain(), POSE + ['max_age:=10.0']) as made:
        stamp = made.now()
        made.send(labels=image_message(LABELS, stamp))
        made.dropped('refused')
        made.process.wait_for('not placed: no camera_info yet on /camera_info')
        while not made.points:      # camera_info and labels may overtake each other
            made.send(camera_info=info_message(), labels=image_message(LABELS, made.now()))
            with contextlib.suppress(AssertionError):
                made.observer.wait(lambda: made.points, timeout=1.0)
        yield made


def test_labels_lie_where_the_library_places_them(flat: Graph) -> None:
    stamp = flat.now()
    flat.send(labels=image_message(LABELS, stamp, padding=3))
    points, obstacles = flat.answer(stamp)
    expected = PLACER.from_ground(LABELS, None)
    for name in POINT.names:
        np.testing.assert_allclose(points[name], expected.points[name], rtol=1e-6)
        np.testing.assert_allclose(obstacles[0][name], expected.obstacles[name], rtol=1e-6)
    assert np.isnan(points['confidence']).all()
    placed = np.isfinite(points['z'])
    assert placed.sum() > 500 and (points['class_id'][~placed] == IGNORE).all()
    assert not flat.points[-1].is_dense and flat.obstacles[-1].is_dense
    flat.observer.wait(lambda: 'points in the last frame' in verdict(flat.statuses, 'points'), 'health')


def test_void_stale_late_and_wrong_labels_say_nothing(flat: Graph) -> None:
    """What is dropped is counted and told, and no cloud of it is heard."""
    spent = flat.now()
    flat.send(labels=image_message(LABELS, spent))
    flat.answer(spent)
    void = flat.now()
    flat.send(labels=image_message(np.full_like(LABELS, IGNORE), void))
    flat.dropped('unknown')
    flat.send(labels=image_message(LABELS, spent))
    flat.dropped('late')
    for count, offset in enumerate((-30, 30), 1):
        flat.send(labels=image_message(LABELS, flat.now() + offset * 10 ** 9))
        flat.dropped('stale', count)
    before = int(flat.dropped('refused')['dropped_by.refused'])
    for count, (pixels, step, told) in enumerate((
            (LABELS[:45], 160, 'labels: 45x160 pixels, but camera_info is of 90x160'),
            (np.dstack([LABELS] * 3), 480, "labels: its encoding is 'rgb8', not mono8 or 8UC1"),
            (LABELS, 3, 'step is 3 bytes'), (LABELS, 16000, 'but 90 rows of step 16000')), 1):
        message = image_message(pixels, flat.now())
        message.step = step
        flat.send(labels=message)
        flat.dropped('refused', before + count)
        flat.process.wait_for('not placed: .*' + told)
    last = flat.now()
    flat.send(labels=image_message(LABELS, last))
    flat.answer(last)
    heard = {stamp_ns(cloud) for cloud in flat.points + flat.obstacles}
    assert void not in heard and max(heard) == last and min(heard) > last - 200 * 10 ** 9
    assert sum(stamp_ns(cloud) == spent for cloud in flat.points) == 1


def test_a_blind_node_says_so(flat: Graph) -> None:
    """Two seconds without a known frame are an error, with the reason; one good frame mends it."""
    def blind() -> bool:
        flat.send(labels=image_message(np.full_like(LABELS, IGNORE), flat.now()))
        return 'nothing that the labels show is known' in verdict(flat.statuses, 'points')
    flat.observer.wait(blind, 'blindness')
    status = diagnostics(flat.statuses)['points']
    assert status.level == b'\x02' and status.message.startswith('blind for')
    flat.send(labels=image_message(LABELS, flat.now()))
    flat.observer.wait(lambda: diagnostics(flat.statuses)['points'].level == b'\x00', 'sight')


def test_deactivated_it_neither_listens_nor_speaks(flat: Graph) -> None:
    def change(transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(flat.observer.call(ChangeState, '/points_node/change_state', request).success)
    assert change(Transition.TRANSITION_DEACTIVATE)
    flat.observer.wait(lambda: not flat.topics['labels'].get_subscription_count(), 'the end of listening')
    flat.observer.wait(lambda: verdict(flat.statuses, 'points') == 'not active', 'its state')
    assert change(Transition.TRANSITION_CLEANUP) and change(Transition.TRANSITION_CONFIGURE)
    assert not change(Transition.TRANSITION_CONFIGURE)
    assert change(Transition.TRANSITION_ACTIVATE)
    flat.observer.wait(lambda: flat.topics['labels'].get_subscription_count(), 'listening')
    del flat.points[:]
    while not flat.points:
        flat.send(camera_info=info_message(), labels=image_message(LABELS, flat.now()))
        with contextlib.suppress(AssertionError):
            flat.observer.wait(lambda: flat.points, timeout=1.0)


def test_depth_and_confidence_are_waited_for_by_stamp(domain_id: int) -> None:
    confidence = np.where(np.arange(160) < 80, 255, 60).astype(np.uint8) * np.ones((90, 1), np.uint8)
    with graph(domain_id, POSE + ['geometry:=depth', 'min_confidence:=0.5', 'max_age:=10.0'],
               ('depth', 'confidence')) as made:
        made.send(camera_info=info_message())
        for encoding in ('32FC1', '16UC1'):
            stamp = made.now()
            made.send(labels=image_message(LABELS, stamp),
                      depth=depth_message(DEPTH, stamp + 10 ** 7, encoding))
            made.send(confidence=image_message(confidence, stamp))
            points, obstacles = made.answer(stamp)
            seen = np.isfinite(points['z'])
            right = np.arange(80) >= 40
            assert (points['class_id'][:, right] == IGNORE).all(), 'the network is not sure'
            assert np.allclose(points['confidence'][:, ~right][seen[:, ~right]], 1.0)
            assert np.allclose(points['confidence'][:, right][seen[:, right]], 60 / 255)
            assert (points['class_id'][:, ~right] == ROAD).sum() > 100
            assert len(obstacles[0]) == (seen & (points['class_id'] != ROAD)).sum()
        lonely = made.now()
        made.send(labels=image_message(LABELS, lonely), confidence=image_message(confidence, lonely))
        made.send(depth=depth_message(DEPTH, lonely + 25 * 10 ** 6))    # beyond sync_tolerance
        made.counts('frames_in', 3)     # else newer labels would supersede them unseen
        following = made.now()
        made.send(labels=image_message(LABELS, following), depth=depth_message(DEPTH, following))
        made.dropped('unmatched')
        made.send(confidence=image_message(confidence, following))
        made.answer(following)
        odd = made.now()
        made.send(labels=image_message(LABELS, odd), depth=image_message(LABELS, odd),
                  confidence=image_message(confidence, odd))
        made.process.wait_for("a depth image's encoding is 16UC1 or 32FC1, not 'mono8'")
        assert {stamp_ns(cloud) for cloud in made.points}.isdisjoint({lonely, odd})


def test_a_cloud_gets_the_labels_of_the_pixels_that_see_it(domain_id: int) -> None:
    rays = np.dstack((PLACER.camera.rays, np.ones(STREET.size, np.float32)))
    xyz = (rays * DEPTH[..., None])[::3, ::3].reshape(-1, 3)
    with graph(domain_id, POSE + ['geometry:=cloud', 'max_age:=10.0'], ('cloud',)) as made:
        made.send(camera_info=info_message())
        stamp = made.now()
        made.send(cloud=cloud_message(xyz, stamp), labels=image_message(LABELS, stamp))
        points, obstacles = made.answer(stamp)
        expected = PLACER.from_cloud(LABELS, xyz, None)
        assert points.shape == expected.points.shape and len(obstacles[0]) == len(expected.obstacles)
        np.testing.assert_array_equal(points['class_id'], expected.points['class_id'])
        elsewhere = made.now()
        made.send(cloud=cloud_message(xyz, elsewhere, 'lidar'), labels=image_message(LABELS, elsewhere))
        made.dropped('refused')
        made.process.wait_for('not placed: (no transform from lidar|tf2_ros is not installed)')
        broken = made.now()
        message = cloud_message(xyz, broken)
        message.width += 1
        made.send(cloud=message, labels=image_message(LABELS, broken))
        made.process.wait_for(r'not placed: cloud: \d+ bytes do not hold')
        assert not {elsewhere, broken} & {stamp_ns(cloud) for cloud in made.points}


@pytest.mark.parametrize('parameters, told', [
    ([], "geometry 'ground' needs the camera's pose: set camera_height"),
    (['camera_height:=1.5', 'ground_classes:=[floor]'], "ground_classes: camvid has no class 'floor'"),
    (['camera_height:=1.5', 'classes:=/nowhere.yaml'], '/nowhere.yaml'),
    (['camera_height:=1.5', 'min_range:=9.0', 'max_range:=5.0'], 'min_range 9 is not below max_range 5'),
    (['geometry:=lidar'], "geometry is 'lidar'; it is one of: ground, depth, cloud")])
def test_bad_parameters_end_it_with_one_line(domain_id: int, parameters: List[str], told: str) -> None:
    with Process('points_node', domain_id, parameters) as process:
        assert process.ends() == 2
        [line] = [line for line in process.said.splitlines() if 'error' in line]
        assert line.startswith('error: ') and told in line


def test_tf_tells_the_pose_and_moves_the_cloud(domain_id: int) -> None:
    """The camera hangs pitched above base, the scanner is turned: both meet in the camera's frame."""
    env = environment(domain_id)
    env['PYTHONPATH'] += os.pathsep + str(Path(__file__).resolve().parent / 'tf2_double')
    rays = np.dstack((PLACER.camera.rays, np.ones(STREET.size, np.float32)))
    xyz = (rays * DEPTH[..., None])[::3, ::3].reshape(-1, 3)
    xyz = xyz[np.isfinite(xyz).all(1)]
    cosine, sine = np.cos(0.4), np.sin(0.4)
    scanner = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])  # its axes in the camera's frame
    body = np.array([[np.cos(PITCH), 0, np.sin(PITCH)], [0, 1, 0], [-np.sin(PITCH), 0, np.cos(PITCH)]])
    optical = body @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    parameters = ['geometry:=cloud', 'ground_frame:=base', 'max_age:=10.0']
    with graph(domain_id, parameters, ('cloud',), env) as made:
        made.send(camera_info=info_message())
        made.send(cloud=cloud_message(xyz, made.now()), labels=image_message(LABELS, made._now))
        made.process.wait_for('not placed: .*no transform from front_camera to base: .*does not exist')
        tf = made.observer.node.create_publisher(TransformStamped, '/tf_double', QoSProfile(
            depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        tf.publish(transform('base', 'front_camera', optical, (1.0, 0.2, HEIGHT)))
        tf.publish(transform('front_camera', 'lidar', scanner, (0.1, -0.5, 0.3)))
        seen = ((xyz - (0.1, -0.5, 0.3)) @ scanner).astype(np.float32)      # as the scanner has it

        def placed() -> bool:
            stamp = made.now()
            made.send(cloud=cloud_message(seen, stamp, 'lidar'), labels=image_message(LABELS, stamp))
            return bool(made.points)
        made.observer.wait(placed, 'points')
        expected = PLACER.from_cloud(LABELS, xyz, None).points
        found = points_of(made.points[0])
        assert abs(found.shape[1] - expected.shape[1]) <= 3 and (found['class_id'] == ROAD).sum() > 100
        if found.shape == expected.shape:
            np.testing.assert_allclose(found['z'], expected['z'], atol=1e-3)
            assert (found['class_id'] == expected['class_id']).mean() > 0.99


@pytest.mark.parametrize('change, told', [
    ({}, ''), ({3: 'wall'}, "label_info: 3 is 'wall', not 'Road'; set classes"),
    ({10: None}, "label_info: 10 is None, not 'Bicyclist'; set classes"), ({255: 'void', 12: 'Rider'}, '')])
def test_names_of_other_classes_are_noticed(change: Dict[int, Any], told: str) -> None:
    """Labels of Cityscapes under CamVid's names would make walls of road, or worse."""
    names = {**dict(enumerate(STREET.classes.names)), **change}
    message = SimpleNamespace(class_map=[SimpleNamespace(class_id=index, class_name=name)
                                         for index, name in names.items() if name is not None])
    node: Any = SimpleNamespace(_settings={'classes': STREET.classes}, _foreign='')
    PointsNode._on_label_info(node, message)
    assert node._foreign == told
