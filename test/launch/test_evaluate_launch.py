"""evaluate.launch.py: its structure, and where launch_ros is installed the real thing."""

import ast
import json
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / 'launch' / 'evaluate.launch.py'


def calls(tree, name):
    return [node for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == name]


@pytest.fixture(scope='module')
def tree():
    return ast.parse(FILE.read_text())


def test_arguments_stand_at_the_top_with_description_and_default(tree):
    function = next(node for node in tree.body if getattr(node, 'name', '') == 'generate_launch_description')
    description = function.body[-1].value
    arguments = [node for node in description.args[0].elts
                 if isinstance(node, ast.Call) and node.func.id == 'DeclareLaunchArgument']
    assert len(arguments) == len(calls(tree, 'DeclareLaunchArgument')) >= 15
    for argument in arguments:
        keywords = {keyword.arg for keyword in argument.keywords}
        assert {'default_value', 'description'} <= keywords, argument.args[0].value


def test_every_used_argument_is_declared(tree):
    declared = {call.args[0].value for call in calls(tree, 'DeclareLaunchArgument')}
    used = {call.args[0].value for name in ('LaunchConfiguration', 'text', 'flag')
            for call in calls(tree, name) if isinstance(call.args[0], ast.Constant)}
    assert used <= declared
    assert {'source', 'weights', 'report', 'annotations', 'namespace'} <= used


def test_parameters_and_topics_are_the_nodes_own(tree):
    pytest.importorskip('rclpy')
    from enet_ros.nodes.evaluation.parameters import PARAMETERS as EVALUATION
    from enet_ros.nodes.playback.parameters import PARAMETERS as PLAYBACK
    known = {'evaluation_node': set(EVALUATION) | {'use_sim_time'},
             'playback_node': set(PLAYBACK) | {'use_sim_time'}}
    found = {}
    for call in calls(tree, 'Node'):
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        parameters = keywords['parameters'].elts[0]
        found[keywords['executable'].value] = {key.value for key in parameters.keys}
    assert set(found) == set(known)
    for name, parameters in found.items():
        assert parameters <= known[name], name


def test_arguments_of_the_included_file_are_its_own(tree):
    included = ast.parse((ROOT / 'launch' / 'segment.launch.py').read_text())
    declared = {call.args[0].value for call in calls(included, 'DeclareLaunchArgument')}
    include = calls(tree, 'IncludeLaunchDescription')[0]
    passed = {node.value for keyword in include.keywords for node in ast.walk(keyword.value)
              if isinstance(node, ast.Constant) and node.value != 'none'}
    assert passed <= declared and 'source' in passed


@pytest.fixture
def folder(tmp_path):
    """Return three frames as a CamVid folder."""
    names = [f'0016E5_0000{number}.png' for number in (2, 4, 6)]
    for kind, shape in (('val', (96, 128, 3)), ('valannot', (96, 128))):
        (tmp_path / kind).mkdir()
        for index, name in enumerate(names):
            assert cv2.imwrite(str(tmp_path / kind / name), np.full(shape, 3 * index, np.uint8))
    (tmp_path / 'val.txt').write_text(''.join(f'val/{name} valannot/{name}\n' for name in names))
    return tmp_path


def test_a_replay_is_launched_scored_and_ends(random_weights, folder, ros_env):
    pytest.importorskip('launch_ros')
    index = pytest.importorskip('ament_index_python.packages')
    try:
        index.get_package_prefix('enet_ros')
    except index.PackageNotFoundError:
        pytest.skip('enet_ros is not in an ament index: build and source it with colcon')
    script = """if True:
        import sys
        from launch import LaunchDescription, LaunchService
        from launch.actions import IncludeLaunchDescription
        from launch.launch_description_sources import PythonLaunchDescriptionSource
        service = LaunchService()
        service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
            PythonLaunchDescriptionSource(sys.argv[1]),
            launch_arguments=[word.split(':=', 1) for word in sys.argv[2:]])]))
        sys.exit(service.run())"""
    words = [f'source:={folder}', 'split:=val', 'pace:=step', f'weights:={random_weights}',
             'engine:=torch', 'output:={}'.format(folder / 'result.json'), 'exit_after_idle:=5.0']
    done = subprocess.run([sys.executable, '-c', script, str(FILE)] + words, env=ros_env, timeout=110,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    assert json.loads((folder / 'result.json').read_text())['frames_evaluated'] == 3, done.stdout
