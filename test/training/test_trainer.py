"""The loop: it learns, and says what it did."""

import csv
from pathlib import Path
import time
from typing import Any

import numpy as np
import pytest
from small import CLASSES, SMALL, make_frames, make_trainer
import torch

from enet_ros import networks, weights
from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.training import calibration, optimisation
from enet_ros.training import frames as data
from enet_ros.training import recipe as recipes
from enet_ros.training.initialise import from_weights
from enet_ros.training.stage import StageTrainer
from enet_ros.training.trainer import Trainer


def test_it_learns_and_leaves_its_papers(tmp_path: Path) -> None:
    """Loss falls, the easy classes are found, and weights, log, plot and record are there."""
    recipe = recipes.parse(dict(SMALL, stages=[{'epochs': 8}], validate_every=4))
    scores = make_trainer(tmp_path, recipe).run()
    rows = list(csv.DictReader((tmp_path / 'log.csv').open()))
    assert float(rows[-2]['loss']) < 0.85 * float(rows[0]['loss'])
    assert rows[3]['Robot'] and not rows[2]['Robot'] and scores['frames'] == 3
    assert (tmp_path / 'curves.png').stat().st_size > 1000
    final = rows[-1]
    assert len(rows) == 9 and final['stage'] == 'final' and not final['loss']
    assert float(final['mean_iou']) == pytest.approx(scores['mean_iou'], rel=1e-4)
    best = weights.load(tmp_path / 'best.npz').metadata['scores']['mean_iou']
    assert best == pytest.approx(max(float(row['mean_iou']) for row in rows[:8] if row['mean_iou']), rel=1e-4)
    checkpoint = weights.load(tmp_path / 'weights.npz')
    record = checkpoint.metadata
    assert record['training']['epochs'] == 8 and record['training']['frames'] == 5
    assert record['scores']['mean_iou'] == pytest.approx(scores['mean_iou'])
    assert record['training']['recipe']['stages'][0]['optimiser']['kind'] == 'muon'
    network = networks.from_checkpoint(checkpoint)
    image = torch.from_numpy(make_frames(1, 4).frames[0].image)[None].permute(0, 3, 1, 2) / 255
    assert network(image).shape == (1, 3, 32, 48)


@pytest.mark.parametrize('name', ['paper', 'segnet-basic'])
def test_published_recipes_run(name: str, tmp_path: Path) -> None:
    """The shipped recipes of the papers train their networks, shrunk to the size of the test's frames."""
    recipe = recipes.override(recipes.load(name), epochs=1, batch=3, crop=(32, 48), input_size=(32, 48),
                              precision='float32')
    scores = make_trainer(tmp_path, recipe).run()
    checkpoint = weights.load(tmp_path / 'weights.npz')
    assert checkpoint.network == recipe.network and scores['frames'] == 3
    assert all(np.isfinite(array).all() for array in checkpoint.arrays.values())
    rows = list(csv.DictReader((tmp_path / 'log.csv').open()))
    assert [row['stage'] for row in rows] == (['encoder'] if name == 'paper' else []) + ['all', 'final']
    if recipe.recalibrate:      # statistics of the frames, no longer the first ones
        assert any(array.any() for key, array in checkpoint.arrays.items() if key.endswith('running_mean'))


def test_hours_end_a_run(tmp_path: Path) -> None:
    """A run whose time is up stops after the epoch it is in, long before its thousandth."""
    recipe = recipes.parse(dict(SMALL, stages=[{'epochs': 1000}]))
    trainer = make_trainer(tmp_path, recipe, hours=0.5 / 3600)
    trainer.run()
    assert trainer.epoch < 1000 and trainer.progress() >= 1 and trainer.finished


def test_compiling_is_no_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step of a stage may take minutes: the schedule begins after it, and ends in time."""
    now, shares, step = [0.0], [], StageTrainer.step

    def slow(stage: StageTrainer, batch: data.Batch, share: float, stop: bool) -> Any:
        now[0] += 100.0 if stage.steps == 0 else 10.0
        shares.append(share)
        return step(stage, batch, share, stop)

    monkeypatch.setattr(StageTrainer, 'step', slow)
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(torch, 'compile', lambda call, **how: call)
    recipe = recipes.parse(dict(SMALL, compile=True, recalibrate=False, stages=[{'epochs': 100}]))
    trainer = make_trainer(tmp_path, recipe, hours=160 / 3600)
    trainer.run()
    # 60 seconds are left for steps of ten seconds in epochs of three; by epochs alone a step is 1 / 300.
    assert shares[:3] == pytest.approx([0, 1 / 300, 10 / 60])
    assert trainer.clock.compiling == 100 and now[0] == pytest.approx(160, abs=30)


def test_without_frames_to_score_on_training_frames_judge_new_statistics(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recalibrated batch norms that ruin the network are not taken over unseen."""
    def ruin(network: torch.nn.Module, images: Any) -> int:
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.fill_(1e4)
        return 0

    monkeypatch.setattr(optimisation, 'recalibrate', ruin)
    recipe = recipes.parse(dict(SMALL, stages=[{'epochs': 4}]))
    Trainer(recipe, make_frames(), CLASSES, tmp_path, device='cpu').run()
    arrays = weights.load(tmp_path / 'weights.npz').arrays
    assert all((array < 1e3).all() for name, array in arrays.items() if name.endswith('running_mean'))


def test_the_temperature_is_fitted_on_held_out_frames(tmp_path: Path) -> None:
    """Logits made three times too sure get temperature three; the record of a training has its own."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(20000, 4, generator=generator)
    truth = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert calibration.minimise(3 * logits, truth) == pytest.approx(3, rel=0.05)
    short = recipes.parse(dict(SMALL, stages=[{'epochs': 1}]))
    trainer = make_trainer(tmp_path / 'a', short, licence='CC0')
    trainer.run()
    found = weights.load(tmp_path / 'a' / 'weights.npz')
    assert found.temperature == pytest.approx(trainer.temperature, abs=1e-3) and found.licence == 'CC0'
    Trainer(short, make_frames(), CLASSES, tmp_path / 'b', device='cpu').run()
    assert 'temperature' not in weights.load(tmp_path / 'b' / 'weights.npz').metadata


def test_fine_tuning_takes_over_the_classes_in_common(random_checkpoint: weights.Checkpoint) -> None:
    """Everything but the last layer is taken as it is; of that, the slices of classes both tables name."""
    torch.manual_seed(0)
    classes = ClassTable.from_dict({'name': 'three', 'classes': [
        {'name': name, 'colour': [n, n, n]} for n, name in enumerate(('sky', 'ROAD', 'Robot'))]})
    network = from_weights(random_checkpoint, classes, 'enet', 'authors')
    old, new = random_checkpoint.arrays, network.state_dict()
    assert all(np.array_equal(array, new[name].numpy()) for name, array in old.items()
               if not name.startswith('decoder.last'))
    camvid = random_checkpoint.classes
    for name, axis in (('decoder.last.weight', 1), ('decoder.last.bias', 0)):
        for place, known in ((0, 'Sky'), (1, 'Road')):
            mine, its = new[name].numpy().take(place, axis), old[name].take(camvid.index(known), axis)
            assert np.array_equal(mine, its)
        fresh = new[name].numpy().take(2, axis)
        assert not any(np.array_equal(fresh, old[name].take(n, axis)) for n in range(11))
    with pytest.raises(InputError, match="the recipe trains enet 'paper'"):
        from_weights(random_checkpoint, CLASSES, 'enet', 'paper')
