"""A student learns from a teacher, which is checked before the work."""

import csv
from pathlib import Path
import pickle

import numpy as np
import pytest
from small import CLASSES, SMALL, Killed, make_frames, make_trainer
import torch

from enet_ros import networks, weights
from enet_ros.errors import InputError
from enet_ros.training import recipe as recipes
from enet_ros.training import state, teacher
from enet_ros.training.trainer import Trainer


def test_a_teacher_of_other_classes_is_told(tmp_path: Path, random_weights: Path) -> None:
    """Weights of other classes, an array of another shape, an array beside weights: told before the work."""
    short = dict(SMALL, stages=[{'epochs': 1}])

    def taught(*teachers: Path) -> Trainer:
        return make_trainer(tmp_path / 'out', recipes.parse(dict(short, loss={
            'distillation': 1.0, 'teacher': [str(name) for name in teachers]})))

    with pytest.raises(InputError, match='other classes'):
        taught(random_weights)
    np.save(str(tmp_path / 'soft.npy'), np.zeros((5, 16, 24, 4), np.uint8))
    with pytest.raises(InputError, match=r'soft.npy: holds uint8 .*4\), not uint8 \(5, 16, 24, 3\)'):
        taught(tmp_path / 'soft.npy').run()
    with pytest.raises(InputError, match='the only teacher'):
        taught(tmp_path / 'soft.npy', 'self')
    (tmp_path / 'soft.npy').write_bytes(pickle.dumps(Path))
    with pytest.raises(InputError, match='no array of probabilities'):
        taught(tmp_path / 'soft.npy').run()


def test_a_teacher_s_answers_are_its_mean_over_views(tmp_path: Path) -> None:
    """At scale 1: the mean over the frame and its mirror image, softened, at half size, as bytes."""
    network = networks.build('enet', 3).eval()
    frames = make_frames(2).frames
    options = recipes.Loss(distillation=1.0, temperature=2.0, teacher=('self',))
    teacher.prepare(tmp_path / 'soft.npy', options, frames, CLASSES, network, torch.device('cpu'))
    soft = teacher.load(tmp_path / 'soft.npy', options, frames, CLASSES)
    assert soft.shape == (2, 16, 24, 3)
    image = torch.from_numpy(frames[1].image)[None].permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        views = [network(image).softmax(1), network(image.flip(3)).softmax(1).flip(3)]
    halves = [torch.nn.functional.interpolate(view, (16, 24), mode='bilinear', antialias=True)
              for view in views]
    wanted = (sum(halves) / 2).sqrt()
    wanted = (wanted / wanted.sum(1, keepdim=True))[0].permute(1, 2, 0).numpy()
    assert np.abs(soft[1] / 255 - wanted).max() < 0.6 / 255
    both = options.__class__(**dict(vars(options), teacher_scales=(0.75, 1.0)))
    teacher.prepare(tmp_path / 'two.npy', both, frames, CLASSES, network, torch.device('cpu'))
    assert (teacher.load(tmp_path / 'two.npy', both, frames, CLASSES) != soft).any()


def test_students_learn_from_a_teacher_and_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second stage taught by the first ('self') resumes to the bit; the teacher's part enters the loss."""
    recipe = recipes.parse(dict(SMALL, loss={}, stages=[
        {'epochs': 1}, {'epochs': 2, 'loss': {'distillation': 2.0, 'teacher': ['self']}}]))
    make_trainer(tmp_path / 'whole', recipe).run()
    alone = recipes.parse(dict(SMALL, loss={}, stages=[{'epochs': 1}, {'epochs': 2}]))
    make_trainer(tmp_path / 'alone', alone).run()
    parts = make_trainer(tmp_path / 'parts', recipe)
    save = state.save

    def save_then_die(folder: Path, saved: dict) -> None:
        save(folder, saved)
        if saved['epoch'] == 2:
            raise Killed

    monkeypatch.setattr(state, 'save', save_then_die)
    with pytest.raises(Killed):
        parts.run()
    monkeypatch.setattr(state, 'save', save)
    make_trainer(tmp_path / 'parts', recipe).run()
    first, again = (weights.load(tmp_path / name / 'weights.npz').arrays for name in ('whole', 'parts'))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    losses = [[float(row['loss'] or 0) for row in csv.DictReader((tmp_path / name / 'log.csv').open())]
              for name in ('whole', 'alone')]
    assert losses[0][0] == losses[1][0] and losses[0][1] > losses[1][1]
