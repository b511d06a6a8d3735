"""Recipes: the shipped ones say what was published, and a wrong one is told in one line."""

from pathlib import Path

import pytest

from enet_ros.errors import InputError
from enet_ros.training import recipe as recipes


@pytest.mark.parametrize('name', recipes.names())
def test_every_shipped_recipe_reads(name: str) -> None:
    """Names are those of the files; sizes fit the network."""
    recipe = recipes.load(name)
    assert recipe.name == name and recipe.epochs > 0
    assert recipes.parse(recipe.to_dict() and {'name': 'x'}).stages[0].epochs == 300


def test_the_paper_s_recipe_is_the_paper_s() -> None:
    """Section 5.2: two stages, Adam 5e-4, L2 2e-4, batch 10, 1/ln(1.02 + p), 480x360, no augmentation."""
    recipe = recipes.load('paper')
    assert [stage.part for stage in recipe.stages] == ['encoder', 'all']
    for stage in recipe.stages:
        optimiser = stage.optimiser
        assert (optimiser.kind, optimiser.lr, optimiser.weight_decay) == ('adam', 5e-4, 2e-4)
        assert (stage.batch, stage.loss.weights, stage.loss.weight_c) == (10, 'log', 1.02)
        assert stage.crop == recipe.input_size == (360, 480)
        assert stage.augmentation == recipes.Augmentation() and stage.ema == 0


def test_segnet_s_recipes_are_segnet_s() -> None:
    """SGD 0.9, decay 5e-4, batch 4, 40,000 and 10,000 steps of 367 frames, statistics taken again."""
    for name, rate, steps in (('segnet', 1e-3, 40000), ('segnet-basic', 0.1, 10000)):
        recipe = recipes.load(name)
        stage = recipe.stages[0]
        assert (recipe.network, recipe.recalibrate, stage.loss.weights) == (name, True, 'segnet')
        assert (stage.optimiser.kind, stage.optimiser.momentum, stage.optimiser.lr) == ('sgd', 0.9, rate)
        assert stage.epochs * 92 == pytest.approx(steps, rel=0.01)


def test_stages_inherit_and_override() -> None:
    """Keys at the top hold for every stage; a stage's section changes only the keys it names."""
    recipe = recipes.parse({'batch': 3, 'loss': {'weight_c': 1.1, 'ohem': 0.5}, 'stages': [
        {'part': 'encoder', 'epochs': 2}, {'epochs': 5, 'loss': {'ohem': 1.0}, 'optimiser': {'lr': '5e-4'}}]})
    first, second = recipe.stages
    assert (first.batch, second.batch) == (3, 3)
    assert (first.loss.ohem, second.loss.ohem, second.loss.weight_c) == (0.5, 1.0, 1.1)
    assert second.optimiser.lr == 5e-4
    assert recipes.first_epochs(recipe) == [0, 2]
    taught = recipes.override(recipe, teacher=['a.npz', 'self'])
    assert [stage.loss.teacher for stage in taught.stages] == [('a.npz', 'self')] * 2
    assert recipes.override(recipe, epochs=7, seed=9, batch=None).stages[1].epochs == 7


@pytest.mark.parametrize('data, told', [
    ({'epoch': 3}, 'unknown key epoch'), ({'loss': {'c': 1}}, 'unknown key c'),
    ({'epochs': 'x'}, 'whole number'),
    ({'epochs': 0}, 'above zero'), ({'crop': [100, 100]}, 'multiples of 8'), ({'crop': 5}, 'two numbers'),
    ({'optimiser': {'kind': 'lion'}}, 'one of adam'), ({'optimiser': {'lr': 'fast'}}, 'no number'),
    ({'stages': []}, 'a list'), ({'stages': [5]}, 'no mapping'), ({'loss': 3}, 'a mapping'),
    ({'network': 'segnet', 'stages': [{'part': 'encoder'}]}, 'only enet'),
    ({'compile': 'yes'}, 'true or false'),
    ({'augmentation': {'rare_classes': 'Pole'}}, 'list of names'),
    ({'loss': {'teacher': 'a.npz'}}, 'list of names'), ({'loss': {'teacher_scales': 1}}, 'list of numbers'),
    ({'loss': {'distillation': 1.0}}, 'names no teacher')])
def test_wrong_recipes_are_told(data: dict, told: str) -> None:
    """One line names the file and the key."""
    with pytest.raises(InputError, match=told) as caught:
        recipes.parse(data, 'my.yaml')
    assert 'my.yaml' in str(caught.value) and '\n' not in str(caught.value)


def test_a_recipe_of_one_s_own(tmp_path: Path) -> None:
    """A path is read like a shipped name; a missing one is told."""
    path = tmp_path / 'mine.yaml'
    path.write_text('epochs: 4\naugmentation: {scale: [0.5, 2]}\n')
    assert recipes.load(path).name == 'mine' and recipes.load(path).stages[0].augmentation.scale == (0.5, 2.0)
    with pytest.raises(InputError, match='best.yaml'):
        recipes.load('finest')
