"""A training that ends early goes on to the same bits, and only where it may."""

import csv
from pathlib import Path
import pickle
import signal
from typing import Any

import numpy as np
import pytest
from small import SMALL, Killed, make_trainer
import torch

from enet_ros import weights
from enet_ros.errors import InputError
from enet_ros.training import log, state
from enet_ros.training import recipe as recipes
from enet_ros.training.stage import StageTrainer


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an undisturbed run."""
    folder = tmp_path_factory.mktemp('whole')
    make_trainer(folder).run()
    return folder


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave curves.png out: it is drawn from log.csv, a second a run."""
    monkeypatch.setattr(log, 'draw', lambda *_: None)


def _assert_equal(whole: Path, parts: Path) -> None:
    """Two runs gave the same weights, and the same losses epoch by epoch."""
    first, second = (weights.load(folder / 'weights.npz') for folder in (whole, parts))
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)
    rows = [list(csv.DictReader((folder / 'log.csv').open())) for folder in (whole, parts)]
    assert [row['loss'] for row in rows[0]] == [row['loss'] for row in rows[1]]
    assert [row['stage'] for row in rows[1]] == ['encoder', 'all', 'all', 'final']


@pytest.mark.parametrize('last', [1, 2])
def test_a_resumed_run_ends_with_the_same_bits(last: int, whole: Path, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after an epoch of either stage and taken up again: weights, average and log are the same."""
    def save_then_die(folder: Path, saved: dict) -> None:
        save(folder, saved)
        if saved['epoch'] == last:
            raise Killed

    save = state.save
    monkeypatch.setattr(state, 'save', save_then_die)
    with pytest.raises(Killed):
        make_trainer(tmp_path / 'parts').run()
    monkeypatch.setattr(state, 'save', save)
    torch.manual_seed(999)
    torch.rand(7)
    make_trainer(tmp_path / 'parts').run()
    _assert_equal(whole, tmp_path / 'parts')


@pytest.mark.parametrize('steps', [1, 4])
def test_stopped_within_an_epoch_it_goes_on_from_that_step(steps: int, whole: Path, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the first epoch, or in a later one, keeps a checkpoint, and nothing of the result changes."""
    taken, step = [], StageTrainer.step

    def interrupted(stage: StageTrainer, *arguments: Any) -> Any:
        taken.append(1)
        if len(taken) == steps:
            signal.raise_signal(signal.SIGINT)
        return step(stage, *arguments)

    monkeypatch.setattr(StageTrainer, 'step', interrupted)
    handler = signal.getsignal(signal.SIGINT)
    stopped = make_trainer(tmp_path / 'parts')
    stopped.run()
    # The signal is seen after the step in which it came.
    assert not stopped.finished and len(taken) == steps + 1 and signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / 'parts' / 'weights.npz').exists()
    make_trainer(tmp_path / 'parts').run()
    _assert_equal(whole, tmp_path / 'parts')


def test_a_call_that_may_take_no_time_leaves_a_checkpoint(tmp_path: Path) -> None:
    """`minutes` end a call, not the schedule: call by call the training comes to its end."""
    calls = 0
    while calls < 20:
        calls += 1
        trainer = make_trainer(tmp_path, recipes.parse(dict(SMALL, stages=[{'epochs': 1}])))
        trainer.run(minutes=1e-9)
        if trainer.finished:
            break
    assert 1 < calls <= 4 and trainer.epoch == 1


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    """The equality above is no accident of a run that does nothing."""
    short = recipes.parse(dict(SMALL, stages=[{'epochs': 1}]))
    make_trainer(tmp_path / 'a', short).run()
    make_trainer(tmp_path / 'b', recipes.override(short, seed=2)).run()
    first, second = (weights.load(tmp_path / name / 'weights.npz') for name in 'ab')
    assert any((first.arrays[name] != second.arrays[name]).any() for name in first.arrays)


def test_a_folder_is_not_continued_with_other_settings(tmp_path: Path) -> None:
    """What differs is named; a finished training says so; the same settings in other order go on."""
    short = dict(SMALL, stages=[{'epochs': 1}])
    make_trainer(tmp_path, recipes.parse(short), origin={'split': 'train'}).run()
    with pytest.raises(InputError, match=r'other settings, recipe.stages\[0\].batch: 2, now 4; the same'):
        make_trainer(tmp_path, recipes.parse(dict(short, batch=4)), origin={'split': 'train'}).run()
    with pytest.raises(InputError, match='origin.split: train, now train.val, recipe.variant: authors, now'):
        make_trainer(tmp_path, recipes.parse(dict(short, variant='paper')),
                     origin={'split': 'train+val'}).run()
    with pytest.raises(InputError, match='this training is finished, see .*weights.npz'):
        make_trainer(tmp_path, recipes.parse(dict(short, workers=1)), origin={'split': 'train'}).run()


def test_a_damaged_or_foreign_checkpoint_is_told(tmp_path: Path) -> None:
    """A folder that holds a damaged checkpoint, or an older version's, is not continued silently."""
    short = recipes.parse(dict(SMALL, stages=[{'epochs': 1}]))
    make_trainer(tmp_path, short).run()
    checkpoint = tmp_path / 'checkpoint.pt'
    for content in (checkpoint.read_bytes()[:5000], b'', b'hello', pickle.dumps(Path)):
        checkpoint.write_bytes(content)
        with pytest.raises(InputError, match='checkpoint.pt: does not continue'):
            make_trainer(tmp_path, short).run()
    torch.save({'recipe': {}, 'stage': 0}, str(checkpoint))
    with pytest.raises(InputError, match='has format None, but this version continues format 2'):
        make_trainer(tmp_path, short).run()


def test_a_folder_holds_one_training(tmp_path: Path) -> None:
    """A second training into a folder is refused while the first one runs."""
    with state.locked(tmp_path), pytest.raises(InputError, match='another training runs there'):
        make_trainer(tmp_path).run()
    make_trainer(tmp_path).run()
