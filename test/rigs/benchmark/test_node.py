"""The whole node measured over DDS, with a small camera and network."""

import os
import signal

import pytest

pytest.importorskip('torch')
pytest.importorskip('rclpy')

from enet_ros.errors import InputError  # noqa: E402
from enet_ros.rigs.benchmark import node, rivals  # noqa: E402


@pytest.mark.parametrize('load', [node.Load((96, 128), 20.0, overlay=True), node.Load((96, 128), 20.0, True)])
def test_a_run_accounts_for_its_frames(load, random_weights, tmp_path, ros_env, request):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)       # as a script's background job
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    parameters = {'weights': random_weights, 'engine': 'openvino', 'input_height': 48, 'input_width': 64,
                  'threads': 1}
    run = node.measure(load, parameters, tmp_path, seconds=2.0)
    assert run['load'] == load.name
    assert 0 < run['frames_segmented'] <= run['frames_in'] <= run['sent']
    assert run['frames_in'] == run['frames_segmented'] + run['frames_dropped']
    assert run['cores'] > 0 and run['memory_mb'] > 50
    assert 0 < run['first_label_s'] < 60
    assert run['engine_ms'] > 0 and run['own_ms'] > 0


def test_a_node_that_does_not_start_is_told(tmp_path, ros_env):
    with pytest.raises(InputError, match='segmentation_node gave no label; see .*segmentation_node.log'):
        node.measure(node.Load((96, 128), 20.0), {'weights': tmp_path / 'no.npz'}, tmp_path, seconds=1.0)
    assert 'no.npz' in (tmp_path / 'segmentation_node.log').read_text()


def test_the_node_beside_a_plain_one(tmp_path, ros_env, monkeypatch):
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', '/mine.xml')
    rows = rivals.compare(rivals.Duel(rivals.NULL, (96, 128), 40.0, True), 'camvid', tmp_path, seconds=2.0)
    assert [row['node'] for row in rows] == ['segmentation_node', 'naive node']
    for row in rows:
        assert 0 < row['p50'] <= row['p99'] and row['processor_ms'] > 0 and row['count'] > 30
    assert os.environ['FASTDDS_DEFAULT_PROFILES_FILE'] == '/mine.xml'


def test_a_rival_without_labels_is_told(tmp_path, ros_env, monkeypatch):
    monkeypatch.setattr(rivals, 'RIVALS', {'nobody': None})
    with pytest.raises(InputError, match='no labels came; see .*rivals.log'):
        rivals.compare(rivals.Duel(rivals.NULL, (96, 128), 40.0, True), 'camvid', tmp_path, seconds=1.0)
    assert 'nobody' in (tmp_path / 'rivals.log').read_text()


def test_an_engine_alone_is_called_at_the_cameras_rate(random_weights):
    figures = rivals.alone(rivals.Duel('torch', rivals.SIZE, 20.0, True), random_weights, seconds=0.5)
    assert figures['count'] == 10 and 0 < figures['p50'] <= figures['p99']
