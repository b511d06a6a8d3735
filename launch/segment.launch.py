"""Segments a camera: ``ros2 launch enet_ros segment.launch.py image:=/camera/image_raw``."""

import functools
from typing import Any, Dict, List, Optional

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from enet_ros.errors import InputError
from enet_ros.nodes.common import launching
from enet_ros.resources import find

PARAMS_FILE = str(find('config', 'enet.yaml'))

ARGUMENTS = [
    DeclareLaunchArgument('image', default_value='image', description='topic of the camera images'),
    DeclareLaunchArgument(
        'weights', default_value='',
        description='shipped name or path of an .npz; empty: as params_file says'),
    DeclareLaunchArgument(
        'engine', default_value='', choices=['', 'auto', 'tensorrt', 'torch', 'openvino', 'opencv'],
        description='what runs the network; empty: as params_file says'),
    DeclareLaunchArgument(
        'cameras', default_value='',
        description='several cameras, as [front, rear]: their images are on <name>/image; empty: one'),
    DeclareLaunchArgument(
        'image_transport', default_value='', choices=['', 'raw', 'compressed'],
        description='how images arrive; empty: as params_file says'),
    DeclareLaunchArgument(
        'overlay_alpha', default_value='', description='share of colour, 0..1; empty: as params_file says'),
    DeclareLaunchArgument(
        'confidence', default_value='', choices=['', 'true', 'false'],
        description='offer ~/confidence; empty: as params_file says'),
    DeclareLaunchArgument(
        'params_file', default_value=PARAMS_FILE, description='parameters of all nodes started here'),
    DeclareLaunchArgument('namespace', default_value='', description='namespace of the nodes'),
    DeclareLaunchArgument(
        'rviz', default_value='false', choices=['true', 'false'], description='open rviz with the overlay'),
    DeclareLaunchArgument(
        'use_sim_time', default_value='false', choices=['true', 'false'],
        description='take the time from /clock; a source started here then publishes it'),
    DeclareLaunchArgument(
        'source', default_value='none',
        description='play this as the camera: none, a bag, a folder, a video, or synthetic'),
    DeclareLaunchArgument(
        'points', default_value='none', choices=['none', 'ground', 'depth', 'cloud'],
        description='place the labels in space, by the flat ground, a depth image or a point cloud'),
    DeclareLaunchArgument(
        'points_topic', default_value='', description='topic of the depth image or cloud that places labels'),
    DeclareLaunchArgument(
        'camera_height', default_value='',
        description='metres of the camera above the ground; empty: as params_file says'),
    DeclareLaunchArgument('rate', default_value='', description="images a second; empty: the source's own"),
    DeclareLaunchArgument(
        'record_latency', default_value='false',
        description='record the delay of every frame: false, true, or the folder to write to'),
    DeclareLaunchArgument(
        'autostart', default_value='true', choices=['true', 'false'],
        description='false where a lifecycle manager configures and activates the node'),
]


def nodes(context: LaunchContext) -> List[Any]:
    """Return the nodes that the arguments ask for; InputError names the argument that is wrong."""
    given = functools.partial(launching.given, context)
    cameras = launching.names(context, 'cameras')
    common: Dict[str, Any] = {'use_sim_time': given('use_sim_time') == 'true'}
    chosen: Dict[str, Any] = dict(common, autostart=given('autostart') == 'true')
    for name in ('weights', 'engine', 'image_transport'):
        if given(name):
            chosen[name] = given(name)
    if given('confidence'):
        chosen['confidence'] = given('confidence') == 'true'
    alpha = launching.number(context, 'overlay_alpha', 0.0, 1.0)
    if alpha is not None:
        chosen['overlay_alpha'] = alpha
    if cameras:
        chosen['cameras'] = cameras
    node = functools.partial(Node, package='enet_ros', namespace=given('namespace'), output='screen')
    files = [launching.file(context, 'params_file')]

    def segmentation() -> Node:
        # It configures and activates itself, so that it comes back alike after a crash.
        return node(executable='segmentation_node', name='segmentation_node', parameters=files + [chosen],
                    remappings=[] if cameras else [('image', given('image'))])

    started = launching.respawned(segmentation, 'segmentation_node')
    if given('source') not in ('', 'none'):
        rate = launching.number(context, 'rate', 0.0, 1000.0)
        for index, camera in enumerate(cameras or [None]):
            started += player(context, node, files, common, index, camera, rate or 0.0)
    if given('points') != 'none':
        started += placing(context, node, files, common, cameras)
    if given('record_latency') not in ('', 'false'):
        recording = dict(common, cameras=cameras or [''])
        if given('record_latency') != 'true':
            recording['output'] = given('record_latency')
        started += launching.ending(node(
            executable='latency_node', name='latency_node', parameters=files + [recording],
            remappings=[] if cameras else [('image', given('image'))], **launching.PATIENCE),
            'latency_node', failures=False)
    if given('rviz') == 'true':
        started.append(Node(
            package='rviz2', executable='rviz2', name='rviz2', namespace=given('namespace'),
            arguments=['-d', launching.rviz_layout(cameras)], parameters=[common],
            remappings=launching.rviz_topics(given('namespace'), cameras)))
    return started


def placing(context: LaunchContext, node: Any, files: List[str], common: Dict[str, Any],
            cameras: List[str]) -> List[Any]:
    """Return the points_node, which comes back after a crash."""
    given = functools.partial(launching.given, context)
    chosen = dict(common, geometry=given('points'), autostart=given('autostart') == 'true')
    height = launching.number(context, 'camera_height', 0.0, 100.0)
    if height is not None:
        chosen['camera_height'] = height
    if cameras:
        raise InputError('points: a points_node places the labels of one camera; start one for each')
    if given('points') != 'ground' and not given('points_topic'):
        raise InputError(f"points_topic is empty; give the topic of the {given('points')}")
    remaps = [(name, 'segmentation_node/' + name) for name in ('labels', 'label_info', 'confidence')]
    remaps += [('camera_info', launching.beside(given('image'), 'camera_info'))]
    remaps += [(given('points'), given('points_topic'))] if given('points_topic') else []
    return launching.respawned(lambda: node(
        executable='points_node', name='points_node', parameters=files + [chosen], remappings=remaps),
        'points_node')


def player(context: LaunchContext, node: Any, files: List[str], common: Dict[str, Any], index: int,
           camera: Optional[str], rate: float) -> List[Any]:
    """Return the playback_node of a camera; the launch ends with the first source that ends."""
    given = functools.partial(launching.given, context)
    name = 'playback_node' + ('_' + camera.replace('/', '_') if camera else '')
    image = given('image') if camera is None else camera + '/image'
    played = node(
        executable='playback_node', name=name,
        parameters=files + [dict(common, source=given('source'), seed=index, rate=rate,
                                 clock=common['use_sim_time'] and index == 0,
                                 image_transport=given('image_transport') or 'raw',
                                 wait_for_nodes=['segmentation_node'])],
        remappings=[('image', image)] + [
            (topic, launching.beside(image, topic)) for topic in ('camera_info', 'ground_truth')])
    return launching.ending(played, name, 'the source has ended')


def generate_launch_description() -> LaunchDescription:
    """Return the description that ros2 launch runs."""
    return LaunchDescription(ARGUMENTS + [OpaqueFunction(function=nodes)])
