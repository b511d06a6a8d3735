"""The loop: it learns, it resumes to the bit, it says what it did."""

import csv
from pathlib import Path
import pickle

import numpy as np
import pytest
import torch

from enet_ros import networks, weights
from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.training import frames as data
from enet_ros.training import recipe as recipes
from enet_ros.training import state
from enet_ros.training.augmentation import Frame
from enet_ros.training.initialise import from_weights
from enet_ros.training.trainer import Trainer

CLASSES = ClassTable.from_dict({'name': 'three', 'classes': [
    {'name': name, 'colour': [n, n, n]} for n, name in enumerate(('Sky', 'Road', 'Robot'))]})
SMALL = {'name': 'small', 'batch': 2, 'crop': [32, 32], 'input_size': [32, 48], 'workers': 2,
         'validate_every': 2, 'ema': 0.9, 'recalibrate': True, 'precision': 'float32',
         'optimiser': {'kind': 'muon', 'lr': 0.02, 'schedule': 'trapezoid'},
         'loss': {'jaccard': 0.5, 'auxiliary': 0.4},
         'augmentation': {'scale': [0.8, 1.5], 'flip': 0.5, 'brightness': 0.2, 'rare': 0.5, 'paste': 0.5,
                          'rare_classes': ['Robot', 'Unicorn']},
         'stages': [{'part': 'encoder', 'epochs': 1}, {'epochs': 2}]}


def _frames(count: int = 5, seed: int = 0) -> data.Frames:
    """Return frames whose colour tells the class, with some void."""
    rng = np.random.RandomState(seed)
    frames = []
    for _ in range(count):
        label = np.kron(rng.randint(0, 3, (4, 6)), np.ones((8, 8), int)).astype(np.uint8)
        image = (np.array([[30, 60, 200], [90, 90, 90], [220, 40, 30]], np.uint8)[label]
                 + rng.randint(0, 20, (32, 48, 3))).astype(np.uint8)
        label[:2] = 255
        frames.append(Frame(image, label, np.argwhere(label == 2)[:, ::-1].astype(np.int16)))
    return data._collect(frames, ['a', 'b'] * (count // 2) + ['a'], 3)


def _trainer(folder: Path, recipe: recipes.Recipe = recipes.parse(SMALL), **options) -> Trainer:
    return Trainer(recipe, _frames(), CLASSES, folder, _frames(3, 9), device='cpu', **options)


class _Killed(Exception):
    pass


@pytest.mark.parametrize('last', [1, 2])
def test_a_resumed_run_ends_with_the_same_bits(last: int, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after an epoch of either stage and taken up again: weights, average and log are the same."""
    whole = _trainer(tmp_path / 'whole')
    whole.run()

    def save_then_die(trainer: Trainer) -> None:
        save(trainer)
        if trainer.epoch == last:
            raise _Killed

    save = state.save
    monkeypatch.setattr(state, 'save', save_then_die)
    with pytest.raises(_Killed):
        _trainer(tmp_path / 'parts').run()
    monkeypatch.setattr(state, 'save', save)
    torch.manual_seed(999)
    torch.rand(7)
    _trainer(tmp_path / 'parts').run()
    first, second = (weights.load(tmp_path / name / 'weights.npz') for name in ('whole', 'parts'))
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)
    rows = [list(csv.DictReader((tmp_path / name / 'log.csv').open())) for name in ('whole', 'parts')]
    assert [row['loss'] for row in rows[0]] == [row['loss'] for row in rows[1]] and len(rows[0]) == 3
    assert [row['stage'] for row in rows[0]] == ['encoder', 'all', 'all']


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    """The equality above is no accident of a run that does nothing."""
    short = recipes.parse(dict(SMALL, stages=[{'epochs': 1}]))
    _trainer(tmp_path / 'a', short).run()
    _trainer(tmp_path / 'b', recipes.override(short, seed=2)).run()
    first, second = (weights.load(tmp_path / name / 'weights.npz') for name in 'ab')
    assert any((first.arrays[name] != second.arrays[name]).any() for name in first.arrays)


def test_it_learns_and_leaves_its_papers(tmp_path: Path) -> None:
    """Loss falls, the easy classes are found, and weights, log, plot and record are there."""
    recipe = recipes.parse(dict(SMALL, stages=[{'epochs': 8}], validate_every=4))
    scores = _trainer(tmp_path, recipe).run()
    rows = list(csv.DictReader((tmp_path / 'log.csv').open()))
    assert float(rows[-1]['loss']) < 0.85 * float(rows[0]['loss'])
    assert rows[3]['Robot'] and not rows[2]['Robot'] and scores['frames'] == 3
    assert (tmp_path / 'curves.png').stat().st_size > 1000
    checkpoint = weights.load(tmp_path / 'weights.npz')
    record = checkpoint.metadata
    assert record['training']['epochs'] == 8 and record['training']['frames'] == 5
    assert record['scores']['mean_iou'] == pytest.approx(scores['mean_iou'])
    assert record['training']['recipe']['stages'][0]['optimiser']['kind'] == 'muon'
    network = networks.from_checkpoint(checkpoint)
    image = torch.from_numpy(_frames(1, 4).frames[0].image)[None].permute(0, 3, 1, 2) / 255
    assert network(image).shape == (1, 3, 32, 48)


@pytest.mark.parametrize('name', ['paper', 'segnet-basic'])
def test_published_recipes_run(name: str, tmp_path: Path) -> None:
    """The shipped recipes of the papers train their networks, shrunk to the size of the test's frames."""
    recipe = recipes.override(recipes.load(name), epochs=1, batch=3, crop=(32, 48), input_size=(32, 48),
                              precision='float32')
    scores = _trainer(tmp_path, recipe).run()
    checkpoint = weights.load(tmp_path / 'weights.npz')
    assert checkpoint.network == recipe.network and scores['frames'] == 3
    assert all(np.isfinite(array).all() for array in checkpoint.arrays.values())
    rows = list(csv.DictReader((tmp_path / 'log.csv').open()))
    assert [row['stage'] for row in rows] == (['encoder', 'all'] if name == 'paper' else ['all'])
    if recipe.recalibrate:      # statistics of the frames, no longer the first ones
        assert any(array.any() for key, array in checkpoint.arrays.items() if key.endswith('running_mean'))


def test_hours_end_a_run(tmp_path: Path) -> None:
    """A run whose time is up stops after the epoch it is in, long before its thousandth."""
    recipe = recipes.parse(dict(SMALL, stages=[{'epochs': 1000}]))
    trainer = _trainer(tmp_path, recipe, hours=0.5 / 3600)
    trainer.run()
    assert trainer.epoch < 1000 and trainer.progress() >= 1


def test_distillation_needs_a_teacher_of_the_same_classes(tmp_path: Path, random_weights: Path) -> None:
    """The teacher's answers enter the loss; no teacher, or one of other classes, is told."""
    with pytest.raises(InputError, match='names no teacher'):
        _trainer(tmp_path, recipes.parse({'loss': {'distillation': 1.0}})).run()
    strange = recipes.parse({'loss': {'distillation': 1.0, 'teacher': str(random_weights)}})
    with pytest.raises(InputError, match='other classes'):
        _trainer(tmp_path, strange).run()
    short = dict(SMALL, stages=[{'epochs': 1}])
    _trainer(tmp_path / 'teacher', recipes.parse(short)).run()
    taught = recipes.parse(dict(short, loss={'distillation': 1.0,
                                             'teacher': str(tmp_path / 'teacher' / 'weights.npz')}))
    _trainer(tmp_path / 'taught', taught).run()
    _trainer(tmp_path / 'alone', recipes.parse(dict(short, loss={}))).run()
    losses = [float(list(csv.DictReader((tmp_path / name / 'log.csv').open()))[0]['loss'])
              for name in ('taught', 'alone')]
    assert losses[0] > losses[1]


def test_a_checkpoint_of_another_network_is_told(tmp_path: Path) -> None:
    """A folder that holds another training, or a damaged one, is not continued silently."""
    short = dict(SMALL, stages=[{'epochs': 1}])
    _trainer(tmp_path, recipes.parse(short)).run()
    with pytest.raises(InputError, match='does not continue this recipe'):
        _trainer(tmp_path, recipes.parse(dict(short, variant='paper', loss={}))).run()
    checkpoint = tmp_path / 'checkpoint.pt'
    for content in (checkpoint.read_bytes()[:5000], b'', b'hello', pickle.dumps(Path)):
        checkpoint.write_bytes(content)
        with pytest.raises(InputError, match='checkpoint.pt: does not continue'):
            _trainer(tmp_path, recipes.parse(short)).run()


def test_fine_tuning_takes_over_the_classes_in_common(random_checkpoint: weights.Checkpoint) -> None:
    """Everything but the last layer is taken as it is; of that, the slices of classes both tables name."""
    torch.manual_seed(0)
    network = from_weights(random_checkpoint, CLASSES, 'enet', 'authors')
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


def test_epochs_are_drawn_evenly_or_balanced() -> None:
    """Every frame once; with balance 1 both sequences equally often; threads do not change a batch."""
    frames = _frames(5)
    rng = np.random.default_rng(0)
    assert sorted(data.order(frames, 0.0, rng)) == list(range(5))
    drawn = np.concatenate([data.order(frames, 1.0, rng) for _ in range(200)])
    share = np.mean([frames.sequences[n] == 'a' for n in drawn])
    assert abs(share - 0.5) < 0.03
    recipe = recipes.parse(SMALL)
    batches = [list(data.batches(frames, recipes.override(recipe, workers=workers), recipe.stages[0], [2], 3))
               for workers in (1, 3)]
    assert len(batches[0]) == 3
    for one, three in zip(*batches):
        assert (one.images == three.images).all() and (one.labels == three.labels).all()


def test_sequences_are_held_out_whole() -> None:
    """The parts share no sequence and count their own pixels; an unknown name is told."""
    training, held = _frames(5).split(['b'])
    assert set(training.sequences) == {'a'} and set(held.sequences) == {'b'}
    assert (training.pixels + held.pixels == _frames(5).pixels).all() and held.pixels.any()
    with pytest.raises(InputError, match="'c' is not in the training data; there are: a, b"):
        _frames(5).split(['c'])
