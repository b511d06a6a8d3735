"""The demo as its users start it: a process of its own, with real nodes over DDS."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Dict, List

import cv2
import numpy as np
import psutil
import pytest

from enet_ros import weights
from enet_ros.bags.writing import BagWriter
from enet_ros.errors import InputError
from enet_ros.rigs import demo


def command(*arguments: str) -> List[str]:
    return [sys.executable, '-m', 'enet_ros', 'demo'] + [str(argument) for argument in arguments]


@pytest.mark.timeout(240)
def test_demo(ros_env, random_weights, tmp_path):
    out = tmp_path / 'demo'
    done = subprocess.run(
        command('--weights', random_weights, '--frames', 30, '--output', out,
                '--json', tmp_path / 'again.json'),
        env=ros_env, cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        universal_newlines=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    assert summary == json.loads((tmp_path / 'again.json').read_text())

    # Every frame that reached the node has its fate; the score speaks of those that became labels.
    assert 0 < summary['frames_in'] <= 30
    assert summary['frames_in'] == summary['frames_segmented'] + summary['frames_dropped']
    assert summary['frames_dropped'] == sum(summary['dropped_by'].values())
    assert summary['frames_evaluated'] == summary['frames_segmented']
    assert 0 <= summary['mean_iou'] < 0.2, 'these weights know nothing'
    assert 0 < summary['latency_ms']['p50'] <= summary['latency_ms']['max']

    overlay = cv2.imread(str(out / 'overlay.png'))
    assert overlay.shape == (360, 480, 3) and np.ptp(overlay) > 50
    for line in ('frames ', 'rate ', 'delay ', 'IoU ', 'report.html'):
        assert line in done.stdout
    page = (out / 'report.html').read_text()
    assert f'over {summary["frames_evaluated"]} frames' in page and 'Class shares over time' in page
    assert 0 < page.count('class="pair"') <= 6 and 0 < page.count('<circle') <= summary['frames_segmented']
    assert (out / 'evaluation.html').is_file() and 'segmenting' in done.stderr


@pytest.mark.parametrize('source', ['nowhere', 'notes.txt', 'empty'])
def test_bad_source(source, random_weights, tmp_path):
    (tmp_path / 'notes.txt').write_text('no video')
    (tmp_path / 'empty').mkdir()
    done = subprocess.run(
        command('--source', tmp_path / source, '--weights', random_weights, '--output', tmp_path / 'demo'),
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[2])), cwd=str(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('error: ') and done.stderr.count('\n') == 1 and source in done.stderr


def test_a_bag_that_names_no_classes(random_weights, tmp_path):
    """Its ground truth is refused until a class table is named, which then reaches every node."""
    labels = np.zeros((8, 8), np.uint8)
    with BagWriter(tmp_path / 'bag') as bag:
        bag.image('/camera/image', 1, 'camera', np.zeros((8, 8, 3), np.uint8))
        bag.labels('/camera/ground_truth', 1, 'camera', labels)
    with pytest.raises(InputError, match='--truth-classes'):
        demo.open_source(str(tmp_path / 'bag'))
    options = demo.arguments(['--source', str(tmp_path / 'bag'), '--truth-classes', 'cityscapes'])
    source = demo.open_source(options.source, truth_classes=options.truth_classes)
    options.truth = demo.truth_classes(source, weights.load(str(random_weights)), options.truth_classes)
    assert source.classes.name == options.truth == 'cityscapes'
    assert demo.playback(options, source)['truth_classes'] == 'cityscapes'
    assert 'truth_classes:="cityscapes"' in dict(demo.nodes(options))[demo.EVALUATION]


@pytest.mark.timeout(120)
def test_bad_weights(tmp_path):
    done = subprocess.run(
        command('--weights', 'no_such', '--output', tmp_path / 'demo'), cwd=str(tmp_path),
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[2])),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 2 and done.stderr.count('\n') == 1 and 'no_such' in done.stderr


@pytest.mark.timeout(240)
@pytest.mark.parametrize('how, sign', [(signal.SIGINT, 'starting the nodes'),
                                       (signal.SIGTERM, 'segmenting:')])
def test_interrupted(how, sign, ros_env: Dict[str, str], random_weights, tmp_path):
    """Whenever it is ended, it ends every node with it and says no more than that."""
    process = subprocess.Popen(
        command('--weights', random_weights, '--frames', 1000, '--out', tmp_path / 'demo'),
        env=dict(ros_env, PYTHONUNBUFFERED='1'), cwd=str(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = ''
    while sign not in said:
        character = process.stdout.read(1)
        assert character, f'it ended: {said}'
        said += character.decode()
    nodes = psutil.Process(process.pid).children(recursive=True)
    assert len(nodes) >= 3
    process.send_signal(how)
    said += process.communicate()[0].decode()
    assert process.returncode == 130 and 'Traceback' not in said and said.rstrip().endswith('interrupted')
    assert not [node for node in nodes if node.is_running() and node.status() != psutil.STATUS_ZOMBIE]
