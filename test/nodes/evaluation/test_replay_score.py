"""A replay scored live, frame by frame in step, equals the same data scored from its folder, bit for bit."""

import json
import signal
import subprocess
import sys

import cv2
from harness import PATIENCE, Process, environment
import numpy as np
import pytest

from enet_ros.datasets import SyntheticStreet

FRAMES = 12


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


def test_replay_in_step_scores_as_the_folder_does(folder, random_weights, domain_id, tmp_path):
    remaps = ('labels:=segmentation_node/labels', 'timing:=segmentation_node/timing')
    with Process('evaluation_node', domain_id, [
            f'output:={tmp_path}/live.json', f'report:={tmp_path}/live.html',
            f'weights:={random_weights}'], remaps) as evaluation, \
            Process('segmentation_node', domain_id, [
                f'weights:={random_weights}', 'engine:=openvino']) as segmentation, \
            Process('playback_node', domain_id, [
                f'source:={folder}', 'split:=val', 'pace:=step', 'step_timeout:=60.0',
                'wait_for_nodes:=[segmentation_node, evaluation_node]',
                'wait_for_subscribers:=2']) as playback:
        assert playback.ends() == 0, playback.said
        for process in (evaluation, segmentation):
            assert process.interrupt(signal.SIGTERM) == 0 and 'Traceback' not in process.said, process.said
    live = json.loads((tmp_path / 'live.json').read_text())
    # A process as well: the last bits, and so a tie between two classes, may depend on the threads.
    command = [sys.executable, '-m', 'enet_ros', 'evaluate_dataset', str(folder), '--split', 'val',
               '--weights', str(random_weights), '--engine', 'openvino',
               '--json', str(tmp_path / 'folder.json')]
    subprocess.run(command, env=environment(domain_id), check=True, stdout=subprocess.DEVNULL,
                   timeout=PATIENCE)
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
