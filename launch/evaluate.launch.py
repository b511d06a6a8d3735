"""
Score a replay live: camera (a bag, a folder, a video or the street), segmentation, evaluation.

    ros2 launch enet_ros evaluate.launch.py source:=DRIVE report:=report.html
    ros2 launch enet_ros evaluate.launch.py image:=/camera/image_raw ground_truth:=/camera/labels

The second form listens while `ros2 bag play` plays. With a source it ends by itself once the replay is
over and the result is written.
"""

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    GroupAction,
    IncludeLaunchDescription,
    RegisterEventHandler,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from enet_ros.resources import find


def text(name):
    """Return an argument as a string parameter: an empty one, or one of digits, stays a string."""
    return ParameterValue(LaunchConfiguration(name), value_type=str)


def flag(name):
    """Return an argument as a parameter that is true or false."""
    return ParameterValue(LaunchConfiguration(name), value_type=bool)


def generate_launch_description():
    """Return the description; every argument stands at its top, where --show-args finds it."""
    has_source = IfCondition(PythonExpression(["'", LaunchConfiguration('source'), "' != 'none'"]))
    # In a scope of its own, because an included file sees and sets the arguments of this one: here the
    # source is played by the node below, which knows pace and split.
    segmentation = GroupAction([IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(find('launch', 'segment.launch.py'))),
        launch_arguments=[('source', 'none')] + [(name, LaunchConfiguration(name)) for name in (
            'image', 'weights', 'engine', 'image_transport', 'namespace', 'use_sim_time')])])
    playback = Node(
        package='enet_ros', executable='playback_node', name='playback_node', output='screen',
        namespace=LaunchConfiguration('namespace'), condition=has_source,
        parameters=[{
            'source': text('source'), 'split': text('split'), 'pace': text('pace'),
            'image_transport': text('image_transport'),
            'use_sim_time': flag('use_sim_time'), 'clock': flag('use_sim_time'),
            'rate': ParameterValue(LaunchConfiguration('rate'), value_type=float),
            'wait_for_truth_subscribers': ParameterValue(PythonExpression(
                ["0 if '", LaunchConfiguration('annotations'), "' else 1"]), value_type=int)}],
        remappings=[('image', LaunchConfiguration('image')),
                    ('ground_truth', LaunchConfiguration('ground_truth'))])
    evaluation = Node(
        package='enet_ros', executable='evaluation_node', name='evaluation_node', output='screen',
        namespace=LaunchConfiguration('namespace'),
        parameters=[{
            'weights': text('weights'), 'annotations': text('annotations'), 'split': text('split'),
            'truth_classes': text('truth_classes'), 'sidecar': text('sidecar'),
            'output': text('output'), 'report': text('report'), 'csv': text('csv'),
            'exit_after_idle': ParameterValue(LaunchConfiguration('exit_after_idle'), value_type=float),
            'use_sim_time': flag('use_sim_time')}],
        remappings=[('image', LaunchConfiguration('image')),
                    ('ground_truth', LaunchConfiguration('ground_truth')),
                    ('labels', 'segmentation_node/labels'), ('timing', 'segmentation_node/timing')])
    return LaunchDescription([
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
        DeclareLaunchArgument('ground_truth', default_value='ground_truth',
                              description='topic of the annotations (mono8 class indices, 255 ignored)'),
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
        playback, evaluation, segmentation,
        RegisterEventHandler(OnProcessExit(target_action=evaluation, on_exit=[
            EmitEvent(event=Shutdown(reason='the evaluation is over'))])),
    ])
