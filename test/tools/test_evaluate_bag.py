"""evaluate_bag: the whole tool on real bags, against evaluate_dataset, in parts, and on bad input."""

import csv
import json
import multiprocessing
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.evaluation import sharding
from enet_ros.tools import evaluate_dataset, record_bag
from enet_ros.tools.evaluate_bag import main

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'bags'))
import bag_samples as bags  # noqa: E402

pytest.importorskip('rosbags')
PREDICTIONS = ['--predictions', bags.LABELS]


@pytest.fixture(scope='module')
def bag(tmp_path_factory) -> Path:
    """Return a bag of 24 annotated frames with predictions."""
    return bags.write(tmp_path_factory.mktemp('bag') / 'drive', bags.pictures(24))


def run(tmp_path: Path, *arguments, name: str = 'result') -> dict:
    """Run the tool; return its JSON."""
    path = tmp_path / (name + '.json')
    assert main([str(argument) for argument in arguments] + ['--json', str(path)]) == 0
    return json.loads(path.read_text())


@pytest.fixture(scope='module')
def whole(bag: Path, tmp_path_factory) -> dict:
    """Return the result of one process over the bag."""
    return run(tmp_path_factory.mktemp('whole'), bag, *PREDICTIONS)


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


def test_parts_in_processes_add_up(bag: Path, whole: dict, tmp_path: Path) -> None:
    """Three processes give the same matrix, account and per-frame lines as one."""
    assert main([str(bag)] + PREDICTIONS + ['--csv', str(tmp_path / 'one.csv')]) == 0
    parts = run(tmp_path, bag, *PREDICTIONS, '--jobs', '3', '--csv', tmp_path / 'three.csv')
    for key in ('confusion', 'class_iou', 'frames_in', 'frames_evaluated', 'truth_frames',
                'truth_without_prediction', 'prediction_without_truth', 'matching'):
        assert parts[key] == whole[key], key
    one, three = (list(csv.DictReader((tmp_path / name).open())) for name in ('one.csv', 'three.csv'))
    assert len(one) == len(three) == 24
    for first, second in zip(one, three):
        assert [first[key] for key in ('name', 'stamp', 'mean_iou')] == [
            second[key] for key in ('name', 'stamp', 'mean_iou')]


def test_several_bags_share_one_pool(bag: Path, tmp_path: Path, capsys) -> None:
    """Parts of all bags in one queue: sum, account and lines as one by one; a bad bag costs itself."""
    other = bags.write(tmp_path / 'other', bags.pictures(9, seed=5), start=10**12)
    one, two = (run(tmp_path, bag, other, *PREDICTIONS, '--csv', tmp_path / f'{name}.csv', *jobs, name=name)
                for name, jobs in (('one', ()), ('two', ('--jobs', '2'))))
    for key in ('confusion', 'frames_in', 'frames_evaluated', 'problems', 'matching'):
        assert one[key] == two[key], key
    assert [entry['mean_iou'] for entry in one['bags']] == [entry['mean_iou'] for entry in two['bags']]
    names = [[row.split(',')[0] for row in (tmp_path / f'{name}.csv').read_text().splitlines()]
             for name in ('one', 'two')]
    assert names[0] == names[1] and len(names[0]) == 34
    assert main([str(bag), str(tmp_path / 'nowhere'), str(other), '--jobs', '2', '--json',
                 str(tmp_path / 'bad.json')] + PREDICTIONS) == 2
    assert json.loads((tmp_path / 'bad.json').read_text())['confusion'] == one['confusion']
    assert not list(tmp_path.glob('*.parts'))


def test_the_same_command_goes_on_after_a_kill(bag: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    """Finished bags are on disk; what is scored again is only the rest. A bag that changed is scored anew."""
    other = bags.write(tmp_path / 'other', bags.pictures(9, seed=5), start=10**12)
    path, scored = tmp_path / 'r.json', []
    arguments = [str(bag), str(other), '--json', str(path), '--csv', str(tmp_path / 'r.csv')] + PREDICTIONS
    run_job = sharding.run

    def killed(job, *rest):
        scored.append(job.choice.bag)
        if len(scored) == 2:
            raise KeyboardInterrupt
        return run_job(job, *rest)
    monkeypatch.setattr(sharding, 'run', killed)
    assert main(arguments) == 130 and scored == [str(bag), str(other)] and not path.exists()
    assert main(arguments) == 0 and scored == [str(bag), str(other), str(other)]
    assert '1 bags were scored by an earlier run' in capsys.readouterr().err
    resumed, lines = json.loads(path.read_text()), (tmp_path / 'r.csv').read_text()
    assert main(arguments) == 0 and len(scored) == 5
    again = json.loads(path.read_text())
    for key in ('confusion', 'intervals', 'timeline', 'frames_in', 'bags', 'provenance'):
        assert resumed[key] == again[key], key
    assert lines == (tmp_path / 'r.csv').read_text()


def test_a_killed_worker_leaves_no_result(bag: Path, tmp_path: Path, capsys) -> None:
    """Out of memory, say: one line, exit code 2, and nothing that looks like a result."""
    def kill() -> None:
        while not multiprocessing.active_children():
            time.sleep(0.01)
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    code = main([str(bag), '--jobs', '2', '--json', str(tmp_path / 'r.json'),
                 '--report', str(tmp_path / 'r.html')] + PREDICTIONS)
    killer.join()
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert code == 2 and len(errors) == 1 and 'a worker process died' in errors[0]
    assert not multiprocessing.active_children() and not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != 'linux', reason='other systems do not tell a process of its parent')
def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    """A parent that is killed takes its workers along: they hold the pipe that then closes."""
    code = ('import os, signal, sys\nfrom enet_ros.evaluation.sharding import run_in_processes\n'
            'if __name__ == "__main__":\n'
            '    pids = run_in_processes(os.getpgid, [0, 0], 2)\n    next(pids)\n'
            '    print("ready", flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n')
    (tmp_path / 'parent.py').write_text(code)
    root = str(Path(__file__).resolve().parents[2])
    parent = subprocess.Popen([sys.executable, str(tmp_path / 'parent.py')], stdout=subprocess.PIPE,
                              env=dict(os.environ, PYTHONPATH=root), start_new_session=True)
    said, _ = parent.communicate(timeout=60)      # ends when the last one that holds the pipe is gone
    assert said == b'ready\n' and parent.returncode == -9


def test_parts_on_a_cluster_add_up(bag: Path, whole: dict, tmp_path: Path) -> None:
    """A real Dask scheduler with two workers gives the same matrix."""
    distributed = pytest.importorskip('distributed')
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        parts = run(tmp_path, bag, *PREDICTIONS, '--scheduler', cluster.scheduler_address)
    assert parts['confusion'] == whole['confusion'] and parts['frames_in'] == whole['frames_in']


def test_several_bags_and_earlier_results_merge(bag: Path, whole: dict, tmp_path: Path) -> None:
    """Two bags at once, and two results later, are the same sum; each bag's own numbers stay visible."""
    other = bags.write(tmp_path / 'other', bags.pictures(7, seed=5), start=10**12)
    both = run(tmp_path, bag, other, *PREDICTIONS, name='both')
    run(tmp_path, bag, *PREDICTIONS, name='a')
    run(tmp_path, other, *PREDICTIONS, name='b')
    later = run(tmp_path, '--merge', tmp_path / 'a.json', tmp_path / 'b.json', name='later')
    assert both['confusion'] == later['confusion'] and both['frames_in'] == later['frames_in'] == 31
    assert [entry['frames_in'] for entry in both['bags']] == [24, 7]
    assert both['bags'][0]['mean_iou'] == whole['mean_iou']
    total = np.array(both['confusion']['counts']) - np.array(whole['confusion']['counts'])
    assert (total >= 0).all() and total.sum() > 0


def test_nothing_is_counted_twice(bag: Path, tmp_path: Path, capsys) -> None:
    """One bag by two names, one result twice, and a bag beside its own result are refused."""
    run(tmp_path, bag, *PREDICTIONS, name='a')
    shutil.copy(str(tmp_path / 'a.json'), str(tmp_path / 'copy.json'))
    (tmp_path / 'link').symlink_to(bag)
    for arguments in ([bag, tmp_path / 'link'], ['--merge', tmp_path / 'a.json', tmp_path / 'copy.json'],
                      [bag, '--merge', tmp_path / 'a.json']):
        assert main([str(argument) for argument in arguments] + PREDICTIONS) == 2
        assert 'count twice' in capsys.readouterr().err


def test_bags_of_one_name_are_several_drives(tmp_path: Path) -> None:
    """monday/drive and tuesday/drive are two drives; merged results list the bags, not the JSON files."""
    for seed, day in enumerate(('monday', 'tuesday', 'friday')):
        bags.write(tmp_path / day / 'drive', bags.pictures(9, seed=seed), start=seed * 10**12)
    monday, tuesday, friday = (tmp_path / day / 'drive' for day in ('monday', 'tuesday', 'friday'))
    run(tmp_path, monday, tuesday, *PREDICTIONS, name='two')
    later = run(tmp_path, friday, *PREDICTIONS, '--merge', tmp_path / 'two.json', name='three')
    assert len({point['sequence'] for point in later['timeline']}) == 3
    assert [entry['bag'] for entry in later['bags']] == [str(monday), str(tuesday), str(friday)]
    assert later['provenance']['bag'] == f'{monday}, {tuesday}, {friday}'


def test_labels_of_several_bags_are_kept_apart(random_weights: Path, tmp_path: Path) -> None:
    """Frames of two bags may have one name: neither takes the other's place."""
    folder, paths = tmp_path / 'labels', [tmp_path / name for name in 'ab']
    for seed, path in enumerate(paths):
        bags.write(path, bags.pictures(2, seed=seed), labels=False)
    options = ['--weights', random_weights, '--engine', 'torch', '--labels']
    run(tmp_path, *paths, *options, folder)
    for path in paths:
        run(tmp_path, path, *options, tmp_path / 'alone')
        own, = [place for place in folder.iterdir() if place.name.endswith(path.name)]
        kept = {file.name: file.read_bytes() for file in own.iterdir()}
        assert len(kept) == 2
        assert kept == {file.name: file.read_bytes() for file in (tmp_path / 'alone').iterdir()}


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
