"""segment.launch.py: its structure anywhere, and itself where launch_ros is installed."""

import ast
import importlib.util
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any, Dict, List

from harness import environment
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = ROOT / 'launch' / 'segment.launch.py'
ARGUMENTS = {'image', 'weights', 'engine', 'cameras', 'image_transport', 'overlay_alpha', 'params_file',
             'namespace', 'rviz', 'use_sim_time', 'source', 'record_latency'}
CHOICES = {'engine', 'image_transport', 'rviz', 'use_sim_time'}


def calls(name: str) -> List[ast.Call]:
    """Return the calls of a function or class in the launch file."""
    tree = ast.parse(FILE.read_text())
    return [node for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name]


def keywords(call: ast.Call) -> Dict[str, ast.expr]:
    return {keyword.arg or '': keyword.value for keyword in call.keywords}


def test_arguments_are_declared_at_the_top_and_explain_themselves() -> None:
    tree = ast.parse(FILE.read_text())
    at_top = [node for statement in tree.body if isinstance(statement, ast.Assign)
              for node in ast.walk(statement) if isinstance(node, ast.Call)]
    declared = {call.args[0].value: keywords(call) for call in calls('DeclareLaunchArgument')}
    assert len(calls('DeclareLaunchArgument')) == sum(
        isinstance(call.func, ast.Name) and call.func.id == 'DeclareLaunchArgument' for call in at_top)
    assert ARGUMENTS <= set(declared)
    for name, given in declared.items():
        assert len(ast.literal_eval(given['description'])) > 10 and 'default_value' in given, name
        if name in CHOICES:
            choices = ast.literal_eval(given['choices'])
            assert ast.literal_eval(given['default_value']) in choices


def test_every_argument_is_used() -> None:
    text = FILE.read_text()
    for call in calls('DeclareLaunchArgument'):
        name = call.args[0].value
        assert text.count(f"'{name}'") >= 2, name


def test_the_node_restarts_and_needs_no_eval() -> None:
    nodes = {ast.literal_eval(keywords(call)['executable']): keywords(call) for call in calls('Node')}
    assert set(nodes) == {'segmentation_node', 'playback_node', 'latency_node', 'rviz2'}
    assert ast.literal_eval(nodes['segmentation_node']['respawn']) is True
    assert 'params_file' in ast.dump(nodes['segmentation_node']['parameters'])
    assert not calls('eval') and not calls('exec') and 'shell' not in FILE.read_text()


def test_parameters_and_rviz_layout_name_what_there_is() -> None:
    parameters = yaml.safe_load((ROOT / 'config' / 'enet.yaml').read_text())
    source = (ROOT / 'enet_ros' / 'nodes' / 'segmentation' / 'parameters.py').read_text()
    declared = next({key.value for key in element.value.keys}
                    for element in ast.walk(ast.parse(source)) if isinstance(element, ast.AnnAssign)
                    and getattr(element.target, 'id', '') == 'PARAMETERS')
    assert set(parameters['/**/segmentation_node']['ros__parameters']) == declared
    layout = yaml.safe_load((ROOT / 'config' / 'enet.rviz').read_text())
    topics = {display['Topic']['Value'] for display in layout['Visualization Manager']['Displays']}
    assert topics == {'/segmentation_node/overlay', '/segmentation_node/labels', '/image'}


def test_cameras_are_read_in_both_notations() -> None:
    function = next(node for node in ast.parse(FILE.read_text()).body
                    if isinstance(node, ast.FunctionDef) and node.name == 'camera_names')
    scope: Dict[str, Any] = {'yaml': yaml, 'List': List}
    exec(compile(ast.Module([function], []), str(FILE), 'exec'), scope)     # the file itself needs launch
    for text, names in (('', []), ('front', ['front']), ('front, rear', ['front', 'rear']),
                        ('[front, rear]', ['front', 'rear']), ("['']", [])):
        assert scope['camera_names'](text) == names


RUN = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService(argv=sys.argv[2:])
service.include_launch_description(IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]),
    launch_arguments=[argument.split(':=', 1) for argument in sys.argv[2:]]))
sys.exit(service.run())
"""


def not_installed() -> str:
    """Say what is missing for launching; '' where nothing is."""
    if importlib.util.find_spec('launch_ros') is None:
        return 'launch_ros is not installed'
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix
    try:
        get_package_prefix('enet_ros')
    except PackageNotFoundError:
        return 'enet_ros is not in the ament index: colcon build, then source install/setup.bash'
    return ''


@pytest.mark.skipif(bool(not_installed()), reason=not_installed())
def test_it_launches_plays_and_ends_with_the_source(domain_id: int, random_weights: Path) -> None:
    arguments = ['source:=synthetic', f'weights:={random_weights}', 'engine:=torch', 'rate:=5',
                 'namespace:=car']
    launched = subprocess.Popen(
        [sys.executable, '-c', RUN, str(FILE)] + arguments, env=environment(domain_id), cwd=str(ROOT),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert launched.stdout is not None
    said: List[str] = []
    for line in launched.stdout:
        said.append(line)
        if 'active on /car/image' in line:
            launched.send_signal(signal.SIGINT)
            break
    said += launched.communicate(timeout=60)[0].splitlines()
    assert launched.returncode == 0, said
    assert any('active on /car/image' in line for line in said)
    assert not any('Traceback' in line for line in said)
