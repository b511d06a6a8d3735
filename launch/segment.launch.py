"""Segments a camera: ``ros2 launch enet_ros segment.launch.py image:=/camera/image_raw``."""

from typing import Any, Dict, List

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
import yaml

from enet_ros.resources import find

PARAMS_FILE = str(find('config', 'enet.yaml'))
RVIZ_FILE = str(find('config', 'enet.rviz'))
BAD_INPUT = 2           # exit code of a node that was given something impossible
RESPAWN_DELAY = 1.0     # seconds

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
    DeclareLaunchArgument('rate', default_value='', description="images a second; empty: the source's own"),
    DeclareLaunchArgument(
        'record_latency', default_value='false',
        description='record the delay of every frame: false, true, or the folder to write to'),
    DeclareLaunchArgument(
        'autostart', default_value='true', choices=['true', 'false'],
        description='false where a lifecycle manager configures and activates the node'),
]


def nodes(context: LaunchContext) -> List[Any]:
    """Return the nodes that the arguments ask for."""
    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context).strip()

    common: Dict[str, Any] = {'use_sim_time': given('use_sim_time') == 'true'}
    chosen: Dict[str, Any] = dict(common, autostart=given('autostart') == 'true')
    for name in ('weights', 'engine', 'image_transport'):
        if given(name):
            chosen[name] = given(name)
    if given('overlay_alpha'):
        chosen['overlay_alpha'] = float(given('overlay_alpha'))
    cameras = camera_names(given('cameras'))
    if cameras:
        chosen['cameras'] = cameras

    segmentation = Node(
        package='enet_ros', executable='segmentation_node', name='segmentation_node',
        namespace=given('namespace'), output='screen', parameters=[given('params_file'), chosen],
        remappings=[] if cameras else [('image', given('image'))],
        # It configures and activates itself, so that it comes back alike after a crash.
        respawn=True, respawn_delay=RESPAWN_DELAY)
    started = [segmentation, RegisterEventHandler(OnProcessExit(
        target_action=segmentation, on_exit=end_where_input_is_bad))]
    if given('source') not in ('', 'none'):
        started += players(given, cameras, common)
    if given('record_latency') not in ('', 'false'):
        recording = dict(common, cameras=cameras or [''])
        if given('record_latency') != 'true':
            recording['output'] = given('record_latency')
        started.append(Node(
            package='enet_ros', executable='latency_node', name='latency_node', namespace=given('namespace'),
            output='screen', parameters=[given('params_file'), recording]))
    return started


def players(given: Any, cameras: List[str], common: Dict[str, Any]) -> List[Any]:
    """Return a playback_node for each camera; the launch ends with the first source that ends."""
    started: List[Any] = []
    for index, camera in enumerate(cameras or ['']):
        player = Node(
            package='enet_ros', executable='playback_node', namespace=given('namespace'), output='screen',
            name='playback_node' + ('_' + camera.replace('/', '_') if camera else ''),
            parameters=[given('params_file'), dict(
                common, source=given('source'), seed=index, clock=common['use_sim_time'] and index == 0,
                image_transport=given('image_transport') or 'raw', rate=float(given('rate') or 0))],
            remappings=[(name, camera + '/' + name) for name in ('image', 'camera_info', 'ground_truth')]
            if camera else [('image', given('image'))])
        started += [player, RegisterEventHandler(OnProcessExit(
            target_action=player, on_exit=[EmitEvent(event=Shutdown(reason='the source has ended'))]))]
    return started


def camera_names(text: str) -> List[str]:
    """Read '[front, rear]' or 'front,rear'."""
    names = yaml.safe_load(text if text.startswith('[') else f'[{text}]')
    return [str(name) for name in names if name]


def end_where_input_is_bad(event: Any, context: LaunchContext) -> List[Any]:
    """Shut down, instead of starting a node again and again that was given something impossible."""
    if event.returncode == BAD_INPUT:
        return [EmitEvent(event=Shutdown(reason='segmentation_node was given bad input, see above'))]
    return []


def generate_launch_description() -> LaunchDescription:
    """Return the description that ros2 launch runs."""
    return LaunchDescription(
        ARGUMENTS
        + [OpaqueFunction(function=nodes),
           Node(package='rviz2', executable='rviz2', name='rviz2', arguments=['-d', RVIZ_FILE],
                namespace=LaunchConfiguration('namespace'),
                condition=IfCondition(LaunchConfiguration('rviz')),
                parameters=[{'use_sim_time': LaunchConfiguration('use_sim_time')}],
                remappings=[('/image', LaunchConfiguration('image'))])])
