"""`doctor` as its users run it, beside a real camera and without one; and the hints for slips of the pen."""

import json
import subprocess
import sys

import pytest

from enet_ros import __main__ as entry
from enet_ros import __version__, weights
from enet_ros.datasets import open_dataset
from enet_ros.errors import InputError

CAMERA = """
import rclpy, sys
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('camera')
publisher = node.create_publisher(Image, 'front/image', 1)
print('up', flush=True)
rclpy.spin(node)
"""


def doctor(env, tmp_path, *more):
    done = subprocess.run([sys.executable, '-m', 'enet_ros', 'doctor', '--json', str(tmp_path / 'found.json'),
                           *map(str, more)], env=env, cwd=str(tmp_path), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    found = json.loads((tmp_path / 'found.json').read_text()) if (tmp_path / 'found.json').exists() else {}
    return done, {each['what']: each for each in found.get('findings', [])}


def test_a_camera_is_seen_and_a_frame_is_timed(ros_env, random_weights, tmp_path):
    pytest.importorskip('rclpy')
    with subprocess.Popen([sys.executable, '-c', CAMERA], env=ros_env, stdout=subprocess.PIPE) as camera:
        try:
            assert camera.stdout.readline() == b'up\n'
            done, found = doctor(ros_env, tmp_path, '--weights', random_weights, '--seconds', '20')
        finally:
            camera.terminate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert found['cameras']['found'] == '/front/image (1)'
    assert ' ms at 96x128 by ' in found['a frame']['found']
    assert 'no faults' in done.stdout and 'domain ' + ros_env['ROS_DOMAIN_ID'] in found['ROS 2']['found']


def test_what_is_missing_comes_with_its_cure(ros_env, tmp_path):
    hide = tmp_path / 'hide'
    hide.mkdir()
    (hide / 'sitecustomize.py').write_text(
        "import sys\nsys.modules.update(dict.fromkeys(['rclpy', 'openvino']))\n")
    env = dict(ros_env, PYTHONPATH=f'{hide}:{ros_env["PYTHONPATH"]}')
    done, found = doctor(env, tmp_path, '--weights', 'camvd')
    assert done.returncode == 1 and '2 fault(s): ROS 2, a frame' in done.stdout and not done.stderr
    assert found['openvino']['cure'].startswith('pip install openvino') and found['ROS 2']['cure']
    assert "did you mean 'enet_camvid.npz'?" in found['a frame']['found']


@pytest.mark.parametrize('arguments', [['--seconds', '-1'], ['--seconds', 'long'], ['--no-such']])
def test_bad_options(ros_env, tmp_path, arguments):
    done, _ = doctor(ros_env, tmp_path, *arguments)
    assert done.returncode == 2 and 'error: ' in done.stderr and 'Traceback' not in done.stderr


def test_version_and_slips_of_the_pen(capsys, tmp_path):
    assert entry.main(['--version']) == 0
    assert capsys.readouterr().out == f'enet_ros {__version__}\n'
    assert entry.main(['predct']) == 2
    assert "there is no 'predct'; did you mean 'predict'?" in capsys.readouterr().err
    with pytest.raises(InputError, match="did you mean 'enet_camvid.npz'"):
        weights.load('camvd')
    (tmp_path / 'train').mkdir()
    (tmp_path / 'trainannot').mkdir()
    with pytest.raises(InputError, match="did you mean 'train'"):
        open_dataset(tmp_path, 'trian', 'segnet')
