"""evaluate_bag in parts, on several bags, after a kill: each frame counts, and once."""

from concurrent.futures import ProcessPoolExecutor
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

import bag_samples as bags
import numpy as np
import pytest
from scored_bags import PREDICTIONS, run

from enet_ros.errors import InputError
from enet_ros.evaluation import sharding
from enet_ros.tools.evaluate_bag import main

pytest.importorskip('rosbags')


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


def test_a_worker_that_dies_while_the_next_one_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool has then closed its pipes: starting a process fails with a ValueError."""
    submit, jobs = ProcessPoolExecutor.submit, []

    def fails(pool, *job):
        jobs.append(job)
        if len(jobs) == 2:
            raise ValueError('bad value(s) in fds_to_keep')
        return submit(pool, *job)
    monkeypatch.setattr(ProcessPoolExecutor, 'submit', fails)
    with pytest.raises(InputError, match='a worker process died'):
        list(sharding.run_in_processes(abs, [1, 2], 2))
    assert not multiprocessing.active_children()


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
