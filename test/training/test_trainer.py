"""The loop: it learns, it resumes to the bit, it says what it did."""

import csv
from pathlib import Path
import pickle
import signal
import time
from typing import Any

import numpy as np
import pytest
import torch

from enet_ros import networks, weights
from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.training import calibration, optimisation, state, teacher
from enet_ros.training import frames as data
from enet_ros.training import recipe as recipes
from enet_ros.training.augmentation import Frame
from enet_ros.training.initialise import from_weights
from enet_ros.training.stage import StageTrainer
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


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an undisturbed run."""
    folder = tmp_path_factory.mktemp('whole')
    _trainer(folder).run()
    return folder


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
            raise _Killed

    save = state.save
    monkeypatch.setattr(state, 'save', save_then_die)
    with pytest.raises(_Killed):
        _trainer(tmp_path / 'parts').run()
    monkeypatch.setattr(state, 'save', save)
    torch.manual_seed(999)
    torch.rand(7)
    _trainer(tmp_path / 'parts').run()
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
    stopped = _trainer(tmp_path / 'parts')
    stopped.run()
    # The signal is seen after the step in which it came.
    assert not stopped.finished and len(taken) == steps + 1 and signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / 'parts' / 'weights.npz').exists()
    _trainer(tmp_path / 'parts').run()
    _assert_equal(whole, tmp_path / 'parts')


def test_a_call_that_may_take_no_time_leaves_a_checkpoint(tmp_path: Path) -> None:
    """`minutes` end a call, not the schedule: call by call the training comes to its end."""
    calls = 0
    while calls < 20:
        calls += 1
        trainer = _trainer(tmp_path, recipes.parse(dict(SMALL, stages=[{'epochs': 1}])))
        trainer.run(minutes=1e-9)
        if trainer.finished:
            break
    assert 1 < calls <= 4 and trainer.epoch == 1

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
    assert [row['stage'] for row in rows] == (['encoder'] if name == 'paper' else []) + ['all', 'final']
    if recipe.recalibrate:      # statistics of the frames, no longer the first ones
        assert any(array.any() for key, array in checkpoint.arrays.items() if key.endswith('running_mean'))


def test_hours_end_a_run(tmp_path: Path) -> None:
    """A run whose time is up stops after the epoch it is in, long before its thousandth."""
    recipe = recipes.parse(dict(SMALL, stages=[{'epochs': 1000}]))
    trainer = _trainer(tmp_path, recipe, hours=0.5 / 3600)
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
    trainer = _trainer(tmp_path, recipe, hours=160 / 3600)
    trainer.run()
    # 60 seconds are left for steps of ten seconds in epochs of three; by epochs alone a step is 1 / 300.
    assert shares[:3] == pytest.approx([0, 1 / 300, 10 / 60])
    assert trainer.clock.compiling == 100 and now[0] == pytest.approx(160, abs=30)


def test_a_teacher_of_other_classes_is_told(tmp_path: Path, random_weights: Path) -> None:
    """Weights of other classes, an array of another shape, an array beside weights: told before the work."""
    short = dict(SMALL, stages=[{'epochs': 1}])

    def taught(*teachers: Path) -> Trainer:
        return _trainer(tmp_path / 'out', recipes.parse(dict(short, loss={
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
    frames = _frames(2).frames
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
    _trainer(tmp_path / 'whole', recipe).run()
    alone = recipes.parse(dict(SMALL, loss={}, stages=[{'epochs': 1}, {'epochs': 2}]))
    _trainer(tmp_path / 'alone', alone).run()
    parts = _trainer(tmp_path / 'parts', recipe)
    save = state.save

    def save_then_die(folder: Path, saved: dict) -> None:
        save(folder, saved)
        if saved['epoch'] == 2:
            raise _Killed

    monkeypatch.setattr(state, 'save', save_then_die)
    with pytest.raises(_Killed):
        parts.run()
    monkeypatch.setattr(state, 'save', save)
    _trainer(tmp_path / 'parts', recipe).run()
    first, again = (weights.load(tmp_path / name / 'weights.npz').arrays for name in ('whole', 'parts'))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    losses = [[float(row['loss'] or 0) for row in csv.DictReader((tmp_path / name / 'log.csv').open())]
              for name in ('whole', 'alone')]
    assert losses[0][0] == losses[1][0] and losses[0][1] > losses[1][1]


def test_a_folder_is_not_continued_with_other_settings(tmp_path: Path) -> None:
    """What differs is named; a finished training says so; the same settings in other order go on."""
    short = dict(SMALL, stages=[{'epochs': 1}])
    _trainer(tmp_path, recipes.parse(short), origin={'split': 'train'}).run()
    with pytest.raises(InputError, match=r'other settings, recipe.stages\[0\].batch: 2, now 4; the same'):
        _trainer(tmp_path, recipes.parse(dict(short, batch=4)), origin={'split': 'train'}).run()
    with pytest.raises(InputError, match='origin.split: train, now train.val, recipe.variant: authors, now'):
        _trainer(tmp_path, recipes.parse(dict(short, variant='paper')), origin={'split': 'train+val'}).run()
    with pytest.raises(InputError, match='this training is finished, see .*weights.npz'):
        _trainer(tmp_path, recipes.parse(dict(short, workers=1)), origin={'split': 'train'}).run()


def test_a_damaged_or_foreign_checkpoint_is_told(tmp_path: Path) -> None:
    """A folder that holds a damaged checkpoint, or an older version's, is not continued silently."""
    short = recipes.parse(dict(SMALL, stages=[{'epochs': 1}]))
    _trainer(tmp_path, short).run()
    checkpoint = tmp_path / 'checkpoint.pt'
    for content in (checkpoint.read_bytes()[:5000], b'', b'hello', pickle.dumps(Path)):
        checkpoint.write_bytes(content)
        with pytest.raises(InputError, match='checkpoint.pt: does not continue'):
            _trainer(tmp_path, short).run()
    torch.save({'recipe': {}, 'stage': 0}, str(checkpoint))
    with pytest.raises(InputError, match='has format None, but this version continues format 2'):
        _trainer(tmp_path, short).run()


def test_a_folder_holds_one_training(tmp_path: Path) -> None:
    """A second training into a folder is refused while the first one runs."""
    with state.locked(tmp_path), pytest.raises(InputError, match='another training runs there'):
        _trainer(tmp_path).run()
    _trainer(tmp_path).run()


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
    Trainer(recipe, _frames(), CLASSES, tmp_path, device='cpu').run()
    arrays = weights.load(tmp_path / 'weights.npz').arrays
    assert all((array < 1e3).all() for name, array in arrays.items() if name.endswith('running_mean'))


def test_the_temperature_is_fitted_on_held_out_frames(tmp_path: Path) -> None:
    """Logits made three times too sure get temperature three; the record of a training has its own."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(20000, 4, generator=generator)
    truth = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert calibration.minimise(3 * logits, truth) == pytest.approx(3, rel=0.05)
    short = recipes.parse(dict(SMALL, stages=[{'epochs': 1}]))
    trainer = _trainer(tmp_path / 'a', short, licence='CC0')
    trainer.run()
    found = weights.load(tmp_path / 'a' / 'weights.npz')
    assert found.temperature == pytest.approx(trainer.temperature, abs=1e-3) and found.licence == 'CC0'
    Trainer(short, _frames(), CLASSES, tmp_path / 'b', device='cpu').run()
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
