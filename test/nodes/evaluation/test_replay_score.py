"""A replay scored live, frame by frame in step, equals the same data scored from its folder, bit for bit."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from enet_ros.datasets import SyntheticStreet

pytest.importorskip('rclpy')
FRAMES = 12
TIMEOUT = 90.0


@pytest.fixture
def folder(tmp_path):
    """Return FRAMES frames of the synthetic street as a CamVid folder."""
    root = tmp_path / 'camvid'
    for kind in ('val', 'valannot'):
        (root / kind).mkdir(parents=True)
    street, names = SyntheticStreet(size=(96, 128), seed=5, frames=FRAMES), []
    for index in range(FRAMES):
        sample = street[index]
        names.append(f'0016E5_{2 * index:05d}.png')
        assert cv2.imwrite(str(root / 'val' / names[-1]), sample.image[..., ::-1])
        label = np.where(sample.label == 255, 11, sample.label)
        assert cv2.imwrite(str(root / 'valannot' / names[-1]), label)
    (root / 'val.txt').write_text(''.join(f'val/{name} valannot/{name}\n' for name in names))
    return root


@pytest.fixture
def run(ros_env):
    """Return a function that starts an executable with parameters; what still runs is ended."""
    started = []

    def start(name, remaps=(), **parameters):
        words = [word for key, value in parameters.items() for word in ('-p', f'{key}:={value}')]
        words += [word for remap in remaps for word in ('-r', remap)]
        command = [sys.executable, '-m', 'enet_ros', name, '--ros-args'] + words
        process = subprocess.Popen(command, env=ros_env, stderr=subprocess.PIPE, universal_newlines=True)
        started.append(process)
        return process
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process):
    _, said = process.communicate(timeout=TIMEOUT)
    print(said)
    assert process.returncode == 0 and 'Traceback' not in said, said


def test_replay_in_step_scores_as_the_folder_does(folder, run, random_weights, ros_env, tmp_path):
    remaps = ('labels:=segmentation_node/labels', 'timing:=segmentation_node/timing')
    evaluation = run('evaluation_node', remaps, output=tmp_path / 'live.json', report=tmp_path / 'live.html',
                     weights=random_weights)
    segmentation = run('segmentation_node', weights=random_weights, engine='torch')
    playback = run('playback_node', source=folder, split='val', pace='step', step_timeout=60.0,
                   wait_for_truth_subscribers=1)
    ended(playback)
    for process in (evaluation, segmentation):
        process.terminate()
        ended(process)
    live = json.loads((tmp_path / 'live.json').read_text())
    # A process as well: torch's last bits, and so a tie between two classes, depend on its threads.
    command = [sys.executable, '-m', 'enet_ros', 'evaluate_dataset', str(folder), '--split', 'val',
               '--weights', str(random_weights), '--engine', 'torch', '--json', str(tmp_path / 'folder.json')]
    subprocess.run(command, env=ros_env, check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT)
    offline = json.loads((tmp_path / 'folder.json').read_text())
    assert live['frames_evaluated'] == offline['frames_evaluated'] == FRAMES
    assert live['confusion'] == offline['confusion']
    assert live['class_boundary_iou'] == offline['class_boundary_iou']
    # A first image that met nobody yet is sent again, which is why there may be one or two more.
    assert live['frames_in'] == live['frames_segmented'] == FRAMES + live['repeated']
    assert live['truth_without_prediction'] == live['prediction_without_truth'] == 0
    page = (tmp_path / 'live.html').read_text()
    # Six worst and six best; a first image may have been sent before this subscription was known.
    assert page.count('<img alt="truth of') == FRAMES <= page.count('<img alt="image of') + 1
