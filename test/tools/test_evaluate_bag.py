"""evaluate_bag: the whole tool on real bags, against evaluate_dataset, and on bad input."""

import json
from pathlib import Path
import shutil

import bag_samples as bags
import numpy as np
import pytest
from scored_bags import PREDICTIONS, run

from enet_ros.classes import ClassTable
from enet_ros.tools import evaluate_dataset, record_bag
from enet_ros.tools.evaluate_bag import main

pytest.importorskip('rosbags')


def test_camvid_in_a_bag_scores_as_in_its_folder(camvid_root: Path, random_weights: Path,
                                                 tmp_path: Path) -> None:
    """The same weights on the folder and on the bag made of it: the same counts, bit for bit."""
    arguments = ['--weights', str(random_weights), '--engine', 'torch']
    for storage in ('mcap', 'sqlite3'):
        assert record_bag.main([str(camvid_root), str(tmp_path / storage), '--split', 'val', '--frames', '25',
                                '--storage', storage]) == 0
    results = [run(tmp_path, tmp_path / storage, *arguments) for storage in ('mcap', 'sqlite3')]
    arguments += ['--split', 'val']
    results.append(run(tmp_path, tmp_path / 'mcap', '--truth-folder', camvid_root, *arguments))
    # The folder holds 101 frames; those that the bag has not are truth without prediction.
    assert results[2]['matching']['by'] == 'sidecar' and results[2]['truth_without_prediction'] == 76
    subset = tmp_path / 'subset'
    for folder in ('val', 'valannot'):
        (subset / folder).mkdir(parents=True)
        for path in sorted((camvid_root / folder).iterdir())[:25]:
            (subset / folder / path.name).symlink_to(path)
    assert evaluate_dataset.main([str(subset), '--json', str(tmp_path / 'd.json')] + arguments) == 0
    folder_result = json.loads((tmp_path / 'd.json').read_text())
    for result in results:
        assert result['confusion'] == folder_result['confusion']
        assert result['intervals']['mean_iou'] == folder_result['intervals']['mean_iou']
        assert result['frames_in'] == result['frames_segmented'] == result['frames_evaluated'] == 25
    assert sum(map(sum, folder_result['confusion']['counts'])) > 25 * 300 * 480


def test_gates_decide_the_exit_code(bag: Path, whole: dict, tmp_path: Path, capsys) -> None:
    """Met: 0. Not met: 1, and everything is written all the same."""
    baseline = tmp_path / 'before.json'
    baseline.write_text(json.dumps(whole))
    met = ['--fail-under', 'mean_iou=0.1', '--min-coverage', '0.99', '--baseline', baseline]
    run(tmp_path, bag, *PREDICTIONS, *met)
    path, junit = tmp_path / 'r.json', tmp_path / 'gates.xml'
    assert main([str(bag)] + PREDICTIONS + ['--fail-under', 'class_iou.Road=0.999', '--json', str(path),
                                            '--junit', str(junit)]) == 1
    assert json.loads(path.read_text())['gates'][0]['passed'] is False and b'<failure' in junit.read_bytes()
    assert 'FAILED: class_iou.Road' in capsys.readouterr().out


def test_stamps_within_a_tolerance(bag: Path, tmp_path: Path) -> None:
    """--match nearest:MS is handed on, and told in the result."""
    result = run(tmp_path, bag, *PREDICTIONS, '--match', 'nearest:4')
    assert result['matching']['within_ms'] == 4.0 and result['frames_evaluated'] == 24


def test_report_csv_and_comparison(bag: Path, tmp_path: Path, capsys) -> None:
    """One HTML file with pictures, and a comparison that names the other result."""
    run(tmp_path, bag, *PREDICTIONS, name='before')
    run(tmp_path, bag, *PREDICTIONS, '--report', tmp_path / 'r.html', '--compare', tmp_path / 'before.json')
    assert 'before.json' in capsys.readouterr().out
    html = (tmp_path / 'r.html').read_text()
    assert 'data:image/' in html and 'before.json' in html


def test_boundary_iou_where_asked_for(bag: Path, whole: dict, tmp_path: Path) -> None:
    """It costs as much as all else, so that it is asked for."""
    assert 'mean_boundary_iou' not in whole
    assert 'mean_boundary_iou' in run(tmp_path, bag, *PREDICTIONS, '--boundary')


def test_predictions_in_another_coding(tmp_path: Path) -> None:
    """Cityscapes labels against CamVid truth are scored in CamVid's classes, and the result says so."""
    from enet_ros.bags.writing import BagWriter, describe
    camvid, cityscapes = ClassTable.load('camvid'), ClassTable.load('cityscapes')
    with BagWriter(tmp_path / 'b', 'mcap', describe('noise', camvid)) as writer:
        writer.labels(bags.TRUTH, 1, 'camera', np.full((4, 4), camvid.index('Road'), np.uint8))
        writer.labels(bags.LABELS, 1, 'camera', np.full((4, 4), cityscapes.index('road'), np.uint8))
    result = run(tmp_path, tmp_path / 'b', *PREDICTIONS, '--prediction-classes', 'cityscapes')
    assert result['global_accuracy'] == 1.0
    assert result['coding'] == {'prediction': 'cityscapes', 'truth': 'camvid', 'scores': 'camvid'}


def test_one_bad_bag_of_several_costs_only_itself(bag: Path, whole: dict, tmp_path: Path, capsys) -> None:
    """The others are scored and written; the exit code and the result tell what is missing."""
    path = tmp_path / 'r.json'
    assert main([str(bag), str(tmp_path / 'nowhere')] + PREDICTIONS + ['--json', str(path)]) == 2
    result = json.loads(path.read_text())
    assert result['confusion'] == whole['confusion']
    assert any('nowhere' in problem['text'] for problem in result['problems'])
    assert 'nowhere' in capsys.readouterr().err


def test_damaged_bag_is_scored_and_told(tmp_path: Path, capsys) -> None:
    """What could be read is scored; lost frames stand beside the score. One process does it."""
    path = bags.write(tmp_path / 'b', bags.pictures(60, (96, 128)))
    file = bags.storage_file(path)
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])
    result = run(tmp_path, path, *PREDICTIONS, '--jobs', '2')
    assert result['frames_in'] == 60 > result['frames_evaluated'] > 15
    assert result['dropped_by']['damaged'] > 15 and result['problems']
    assert 'dropped' in capsys.readouterr().out


@pytest.mark.parametrize('arguments', (
    [], ['{bag}', '--jobs', '0'], ['/nowhere'], ['{bag}', '--truth', '/nothing'],
    ['--merge', '{bag}/metadata.yaml'], ['{bag}', '--predictions', '/nothing'],
    ['{bag}', '--compare', '/nowhere.json'], ['{bag}', '--weights', '/no.npz'],
    ['{bag}', '--predictions', bags.LABELS, '--scheduler', 'tcp://127.0.0.1:1'],
    ['{bag}', '--predictions', bags.LABELS, '--json', '/proc/nothing/x.json'],
    ['{bag}', '--predictions', bags.LABELS, '--prediction-classes', 'sun_rgbd']))
def test_bad_input_is_one_line_and_code_2(arguments, bag: Path, capsys, monkeypatch) -> None:
    """No traceback whatever is asked for."""
    if '--scheduler' in arguments:
        monkeypatch.setattr('enet_ros.evaluation.sharding.CLUSTER_TIMEOUT', '1s')
    assert main([argument.format(bag=bag) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert 'Traceback' not in error and error.splitlines()[-1].startswith('error: ')


def test_nothing_matched_is_an_error(tmp_path: Path, capsys) -> None:
    """A score of no frames is none."""
    path = bags.write(tmp_path / 'b', bags.pictures(4), truth_of=())
    shutil.copy(str(bags.storage_file(path)), str(tmp_path / 'copy.mcap'))
    assert main([str(path)] + PREDICTIONS) == 2
    with_truth = bags.write(tmp_path / 'c', bags.pictures(4), truth_of=(0,))
    assert main([str(with_truth), '--predictions', bags.LABELS, '--truth', bags.TRUTH]) == 0
    assert main([str(tmp_path / 'copy.mcap')] + PREDICTIONS) == 2
    assert 'ground truth' in capsys.readouterr().err
