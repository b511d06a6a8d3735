"""The launch files run by the real launch and launch_ros, where those are installed."""

import importlib.util
import json
import os
from pathlib import Path
import re
import signal
import sys
from typing import Any, List

import cv2
from harness import Observer, Process
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# What `ros2 launch` does, exit code included.
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


pytestmark = pytest.mark.skipif(bool(not_installed()), reason=not_installed())


def launched(name: str, domain: int, *arguments: str) -> Process:
    return Process(name, domain, command=[
        sys.executable, '-c', RUN, str(ROOT / 'launch' / (name + '.launch.py'))] + list(arguments))


def id_of(process: Process, node: str, which: int = -1) -> int:
    """Return the process id that launch told of a node it started."""
    return int(re.findall(rf'\[{node}-\d+\]: process started with pid \[(\d+)\]', process.said)[which])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return three frames as a CamVid folder."""
    names = [f'0016E5_0000{number}.png' for number in (2, 4, 6)]
    for kind, shape in (('val', (96, 128, 3)), ('valannot', (96, 128))):
        (tmp_path / kind).mkdir()
        for index, name in enumerate(names):
            assert cv2.imwrite(str(tmp_path / kind / name), np.full(shape, 3 * index, np.uint8))
    (tmp_path / 'val.txt').write_text(''.join(f'val/{name} valannot/{name}\n' for name in names))
    return tmp_path


@pytest.mark.parametrize('name, arguments, words', [
    ('segment', ['overlay_alpha:=abc'], "overlay_alpha is 'abc'"),
    ('segment', ['cameras:=[front'], "cameras is '[front'"),
    ('segment', ['source:=synthetic', 'rate:=fast'], "rate is 'fast'"),
    ('segment', ['params_file:=/nowhere.yaml'], 'params_file: /nowhere.yaml is no file'),
    ('segment', ['weights:=/nowhere.npz'], 'segmentation_node was given bad input'),
    ('segment', ['source:=/nowhere'], 'playback_node failed with exit code 2'),
    ('evaluate', ['source:=/nowhere'], 'playback_node failed with exit code 2'),
    ('evaluate', ['exit_after_idle:=soon'], "exit_after_idle is 'soon'"),
    ('evaluate', ['cameras:=[front, rear]'], 'cameras is no argument of evaluate.launch.py'),
])
def test_bad_input_ends_the_launch_with_one_reason_and_a_code(
        domain_id: int, name: str, arguments: List[str], words: str, tmp_path: Path) -> None:
    where = [f'output:={tmp_path}/result.json'] if name == 'evaluate' else []
    with launched(name, domain_id, *arguments, *where) as process:
        assert process.ends() == 1, process.said
    [line] = [line for line in process.said.splitlines() if '[ERROR] [launch]' in line]
    assert words in line
    assert 'Traceback' not in process.said


def test_a_replay_is_scored_and_ends(domain_id: int, random_weights: Path, folder: Path) -> None:
    with launched('evaluate', domain_id, f'source:={folder}', 'split:=val', 'pace:=step', 'engine:=torch',
                  f'weights:={random_weights}', 'output:={}'.format(folder / 'result.json'),
                  'exit_after_idle:=3.0', 'namespace:=car', 'image:=front/image') as process:
        assert process.ends() == 0, process.said
    assert json.loads((folder / 'result.json').read_text())['frames_evaluated'] == 3, process.said


def test_it_comes_back_after_a_crash_and_not_after_a_shutdown(domain_id: int, random_weights: Path) -> None:
    with launched('segment', domain_id, f'weights:={random_weights}', 'engine:=torch', 'namespace:=car',
                  'image:=/image') as process, Observer(domain_id) as observer:
        process.wait_for('active on /image')
        os.kill(id_of(process, 'segmentation_node'), signal.SIGKILL)
        process.wait_for('failed with exit code -9; it is started again')
        process.wait_for('active on /image', count=2)
        observer.call(ChangeState, '/car/segmentation_node/change_state',
                      ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN)))
        assert process.ends() == 0, process.said
    assert 'shut down' in process.said and process.said.count('process started') == 2


def test_topics_of_the_camera_stand_beside_its_images(domain_id: int, random_weights: Path) -> None:
    with launched('segment', domain_id, 'source:=synthetic', 'rate:=5', 'engine:=torch', 'namespace:=car',
                  f'weights:={random_weights}', 'image:=/front/image') as process, \
            Observer(domain_id) as observer:
        process.wait_for('active on /front/image')
        observer.wait(lambda: {'/front/image', '/front/camera_info', '/front/ground_truth'} <= {
            name for name, _ in observer.node.get_topic_names_and_types()})
        assert process.interrupt() == 0, process.said
    assert 'Traceback' not in process.said


@pytest.mark.parametrize('text, names', (('', []), ('front', ['front']), ('front, rear', ['front', 'rear']),
                                         ('[front, rear]', ['front', 'rear']), ("['']", [])))
def test_cameras_are_read_in_both_notations(text: str, names: List[str]) -> None:
    from launch import LaunchContext

    from enet_ros.nodes.common import launching
    context: Any = LaunchContext()
    context.launch_configurations['cameras'] = text
    assert launching.names(context, 'cameras') == names
