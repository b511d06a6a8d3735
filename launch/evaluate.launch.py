"""
Score a replay live: camera (a bag, a folder, a video or the street), segmentation, evaluation.

    ros2 launch enet_ros evaluate.launch.py source:=DRIVE report:=report.html
    ros2 launch enet_ros evaluate.launch.py image:=/camera/image_raw ground_truth:=/camera/labels

The second form listens while `ros2 bag play --delay 5` plays. With a source it ends by itself once the replay
is over and the result is written, or the source fails.
"""

import functools
from typing import Any, List

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from enet_ros.errors import InputError
from enet_ros.nodes.common import launching
from enet_ros.resources import find

ARGUMENTS = [
    DeclareLaunchArgument('source', default_value='none', description=(
        'a rosbag2, a data-set folder, a video, or synthetic; none: the images come from elsewhere')),
    DeclareLaunchArgument('split', default_value='', description='split of a data-set folder'),
    DeclareLaunchArgument('pace', default_value='realtime', choices=['realtime', 'step'], description=(
        'realtime, or step: the next image goes out once the last one is labelled: all are scored')),
    DeclareLaunchArgument('rate', default_value='0.0',
                          description="images a second; 0: the source's own"),
    DeclareLaunchArgument('image', default_value='image', description='topic of the camera'),
    DeclareLaunchArgument('image_transport', default_value='raw', choices=['raw', 'compressed'],
                          description='how images travel'),
    DeclareLaunchArgument('ground_truth', default_value='', description=(
        'topic of the annotations (mono8 class indices, 255 ignored); empty: ground_truth beside the image')),
    DeclareLaunchArgument('annotations', default_value='',
                          description='data-set folder with the annotations, instead of the topic'),
    DeclareLaunchArgument('sidecar', default_value='',
                          description='CSV that says which annotation belongs to which stamp'),
    DeclareLaunchArgument('truth_classes', default_value='',
                          description="class table of the annotations; empty: the labels' own"),
    DeclareLaunchArgument('weights', default_value='camvid',
                          description='a shipped name or an .npz file'),
    DeclareLaunchArgument('engine', default_value='auto', description='what runs the network'),
    DeclareLaunchArgument('output', default_value='evaluation.json',
                          description='JSON file for the result'),
    DeclareLaunchArgument('report', default_value='', description='HTML file for the report'),
    DeclareLaunchArgument('csv', default_value='', description='CSV file, one line per scored frame'),
    DeclareLaunchArgument('exit_after_idle', default_value='10.0', description=(
        'seconds without labels and truth after which the evaluation is over; 0: at Ctrl-C')),
    DeclareLaunchArgument('namespace', default_value='', description='namespace of all nodes'),
    DeclareLaunchArgument('use_sim_time', default_value='false', choices=['true', 'false'],
                          description='take the time from /clock'),
]


def text(name: str) -> ParameterValue:
    """Return an argument as a string parameter: an empty one, or one of digits, stays a string."""
    return ParameterValue(LaunchConfiguration(name), value_type=str)


def nodes(context: LaunchContext) -> List[Any]:
    """Return the nodes that the arguments ask for; InputError names the argument that is wrong."""
    given = functools.partial(launching.given, context)
    if context.launch_configurations.get('cameras'):
        raise InputError('cameras is no argument of evaluate.launch.py, which scores one camera: name its '
                         'topic with image, and launch once for each camera, in a namespace of its own')
    rate = launching.number(context, 'rate', 0.0, 1000.0) or 0.0
    idle = launching.number(context, 'exit_after_idle', 0.0, 86400.0) or 0.0
    truth = given('ground_truth') or launching.beside(given('image'), 'ground_truth')
    sim_time = given('use_sim_time') == 'true'
    evaluation = Node(
        package='enet_ros', executable='evaluation_node', name='evaluation_node', output='screen',
        namespace=given('namespace'),
        parameters=[{
            'weights': text('weights'), 'annotations': text('annotations'), 'split': text('split'),
            'truth_classes': text('truth_classes'), 'sidecar': text('sidecar'),
            'output': text('output'), 'report': text('report'), 'csv': text('csv'),
            'exit_after_idle': idle, 'use_sim_time': sim_time}],
        remappings=[('image', given('image')), ('ground_truth', truth),
                    ('labels', 'segmentation_node/labels'), ('timing', 'segmentation_node/timing')],
        prefix='nice -n 10',    # scoring can wait until a frame has its labels
        **launching.PATIENCE)
    started = launching.ending(evaluation, 'evaluation_node', 'the evaluation is over')
    if given('source') not in ('', 'none'):
        # For its report the evaluation node listens to raw images as well, once somebody sends them.
        listeners = 2 if given('report') and given('image_transport') != 'compressed' else 1
        heard = ['segmentation_node'] + ([] if given('annotations') else ['evaluation_node'])
        playback = Node(
            package='enet_ros', executable='playback_node', name='playback_node', output='screen',
            namespace=given('namespace'),
            parameters=[{
                'source': text('source'), 'split': text('split'), 'pace': text('pace'), 'rate': rate,
                'truth_classes': text('truth_classes'),
                'image_transport': text('image_transport'), 'use_sim_time': sim_time, 'clock': sim_time,
                'wait_for_nodes': heard, 'wait_for_subscribers': listeners}],
            remappings=[('image', given('image')), ('ground_truth', truth),
                        ('camera_info', launching.beside(given('image'), 'camera_info'))])
        started += launching.ending(playback, 'playback_node')
    # In a scope of its own, because an included file sees and sets the arguments of this one: here the
    # source is played by the node above, which knows pace and split.
    return started + [GroupAction([IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(find('launch', 'segment.launch.py'))),
        launch_arguments=[('source', 'none')] + [(name, LaunchConfiguration(name)) for name in (
            'image', 'weights', 'engine', 'image_transport', 'namespace', 'use_sim_time')])])]


def generate_launch_description() -> LaunchDescription:
    """Return the description; every argument is declared at the top, where --show-args finds it."""
    return LaunchDescription(ARGUMENTS + [OpaqueFunction(function=nodes)])
