"""The launch files' structure, read without launch: arguments, parameters, topics."""

import ast
from pathlib import Path
from typing import Any, Dict, List, Set

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = {name: ROOT / 'launch' / (name + '.launch.py') for name in ('segment', 'evaluate')}
CHOICES = {'engine', 'image_transport', 'rviz', 'use_sim_time', 'pace', 'autostart',
           'confidence', 'points'}


def calls(name: str, function: str) -> List[ast.Call]:
    """Return the calls of a function or class in a launch file."""
    return [node for node in ast.walk(ast.parse(FILES[name].read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function]


def keywords(call: ast.Call) -> Dict[str, ast.expr]:
    return {keyword.arg or '': keyword.value for keyword in call.keywords}


def declared(name: str) -> Dict[str, Dict[str, ast.expr]]:
    return {call.args[0].value: keywords(call)      # type: ignore[attr-defined]
            for call in calls(name, 'DeclareLaunchArgument')}


@pytest.mark.parametrize('name', FILES)
def test_arguments_are_declared_at_the_top_and_explain_themselves(name: str) -> None:
    """Inside an OpaqueFunction they would vanish from --show-args."""
    tree = ast.parse(FILES[name].read_text())
    at_top = [node for statement in tree.body if isinstance(statement, ast.Assign)
              for node in ast.walk(statement) if isinstance(node, ast.Call)]
    assert len(declared(name)) == sum(getattr(call.func, 'id', '') == 'DeclareLaunchArgument'
                                      for call in at_top) >= 12
    for argument, given in declared(name).items():
        assert len(ast.literal_eval(given['description'])) > 10 and 'default_value' in given, argument
        if 'choices' in given:
            assert argument in CHOICES
            assert ast.literal_eval(given['default_value']) in ast.literal_eval(given['choices'])


@pytest.mark.parametrize('name', FILES)
def test_every_argument_is_declared_and_used(name: str) -> None:
    text = FILES[name].read_text()
    for argument in declared(name):
        assert text.count(f"'{argument}'") >= 2, argument
    used = {call.args[-1].value for function in ('given', 'text', 'LaunchConfiguration')
            for call in calls(name, function) if isinstance(call.args[-1], ast.Constant)}
    assert used <= set(declared(name))


def test_arguments_of_the_included_file_are_its_own() -> None:
    include = calls('evaluate', 'IncludeLaunchDescription')[0]
    passed = {node.value for keyword in include.keywords for node in ast.walk(keyword.value)
              if isinstance(node, ast.Constant) and node.value != 'none'}
    assert passed <= set(declared('segment')) and 'source' in passed


def test_parameters_are_the_nodes_own() -> None:
    pytest.importorskip('rclpy')
    from enet_ros.nodes.evaluation.parameters import PARAMETERS as EVALUATION
    from enet_ros.nodes.playback.parameters import PARAMETERS as PLAYBACK
    known = {'evaluation_node': set(EVALUATION), 'playback_node': set(PLAYBACK)}
    found: Dict[str, Set[Any]] = {}
    for call in calls('evaluate', 'Node'):
        parameters: Any = keywords(call)['parameters']
        found[ast.literal_eval(keywords(call)['executable'])] = {key.value for key in parameters.elts[0].keys}
    assert set(found) == set(known)
    for name, parameters in found.items():
        assert parameters <= known[name] | {'use_sim_time'}, name


def test_the_parameter_file_lists_all_parameters() -> None:
    pytest.importorskip('rclpy')
    from enet_ros.nodes.points.parameters import PARAMETERS as POINTS
    from enet_ros.nodes.segmentation.parameters import PARAMETERS as SEGMENTATION
    parameters = yaml.safe_load((ROOT / 'config' / 'enet.yaml').read_text())
    for node, table in (('segmentation_node', SEGMENTATION), ('points_node', POINTS)):
        assert {name: parameter.default for name, parameter in table.items()} == \
            parameters['/**/' + node]['ros__parameters']


def test_the_costmap_example_marks_and_does_not_clear_by_what_there_is() -> None:
    pytest.importorskip('rclpy')
    from enet_ros.nodes.common.parameters import problem
    from enet_ros.nodes.points.parameters import PARAMETERS
    example = yaml.safe_load((ROOT / 'config' / 'nav2_costmap.yaml').read_text())
    chosen = example['/**/points_node']['ros__parameters']
    assert set(chosen) <= set(PARAMETERS)
    assert not any(problem(PARAMETERS, name, value) for name, value in chosen.items())
    layer = example['local_costmap']['local_costmap']['ros__parameters']['obstacle_layer']
    camera = layer['camera']
    assert camera['topic'] == '/points_node/obstacles' and camera['data_type'] == 'PointCloud2'
    assert camera['marking'] is True and camera['clearing'] is False
    assert camera['expected_update_rate'] > chosen['max_age']
    assert camera['obstacle_max_range'] <= chosen['max_range']
    assert max(camera['min_obstacle_height'], layer['min_obstacle_height']) < 0
    assert camera['max_obstacle_height'] > 0
