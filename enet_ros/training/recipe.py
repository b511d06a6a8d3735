"""Recipes: how a network is trained, read from YAML and checked before anything runs."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple, Type, TypeVar, Union

from .. import resources
from ..errors import InputError
from ..yaml_files import read_mapping
from .settings import Augmentation, Loss, Optimiser, Range, Recipe, Stage

__all__ = ['Augmentation', 'Loss', 'Optimiser', 'Recipe', 'Stage', 'first_epochs', 'load', 'names',
           'override', 'parse']

Section = TypeVar('Section', Augmentation, Loss, Optimiser, Stage, Recipe)

_CHOICES = {
    'part': ('encoder', 'all'), 'kind': ('adam', 'adamw', 'sgd', 'muon'),
    'schedule': ('constant', 'poly', 'trapezoid'), 'weights': ('log', 'median', 'segnet', 'none'),
    'precision': ('auto', 'float32', 'bfloat16', 'float16'),
    'network': ('enet', 'segnet', 'segnet-basic')}
_SECTIONS: Dict[str, type] = {'augmentation': Augmentation, 'loss': Loss, 'optimiser': Optimiser}
_POSITIVE = ('epochs', 'batch', 'validate_every', 'lr', 'workers')


def load(name: Union[str, Path]) -> Recipe:
    """Read a shipped recipe by name ('best', 'paper', 'segnet', ...) or a YAML file by its path.

    Keys of a stage that stand at the top of the file hold for every stage. InputError, which names
    the file and the key, for anything unknown or of the wrong kind.
    """
    path = Path(name)
    if path.suffix not in ('.yaml', '.yml'):
        path = resources.find('config', f'recipes/{name}.yaml')
    return parse(read_mapping(path), str(path))


def parse(data: Mapping[str, Any], origin: str = 'recipe') -> Recipe:
    """Build a recipe from plain types; InputError begins with `origin`."""
    data = dict(data)
    data.setdefault('name', Path(origin).stem)
    own = {entry.name for entry in fields(Recipe)} - {'stages'}
    common = {key: data.pop(key) for key in list(data) if key not in own | {'stages'}}
    listed = data.pop('stages', [{}])
    if not isinstance(listed, list) or not listed:
        raise InputError(f'{origin}: `stages` is a list with one entry a stage')
    stages = tuple(_stage(common, entry, f'{origin}: stage {number}')
                   for number, entry in enumerate(listed, 1))
    recipe = _build(Recipe, dict(data, stages=stages), origin)
    _check(recipe, origin)
    return recipe


def override(recipe: Recipe, **changes: Any) -> Recipe:
    """Return the recipe with some of its own values, or of every stage's, replaced; None is no change."""
    given = {key: value for key, value in changes.items() if value is not None}
    own = {key: value for key, value in given.items() if hasattr(recipe, key) and key != 'epochs'}
    rest = {key: value for key, value in given.items() if key not in own}
    teacher = rest.pop('teacher', None)
    stages = [replace(stage, **rest) for stage in recipe.stages]
    if teacher is not None:
        stages = [replace(stage, loss=replace(stage.loss, teacher=tuple(teacher))) for stage in stages]
    changed = replace(recipe, stages=tuple(stages), **own)
    _check(changed, 'recipe')
    return changed


def _stage(common: Mapping[str, Any], entry: Any, origin: str) -> Stage:
    if not isinstance(entry, dict):
        raise InputError(f'{origin} is no mapping')
    merged = dict(common)
    for key, value in entry.items():
        if key in _SECTIONS and isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = {**merged[key], **value}
        merged[key] = value
    for key, section in _SECTIONS.items():
        if key in merged:
            merged[key] = _build(section, merged[key], f'{origin}: {key}')
    return _build(Stage, merged, origin)


def _build(section: Type[Section], data: Any, origin: str) -> Section:
    if not isinstance(data, dict):
        raise InputError(f'{origin}: a mapping with keys is expected')
    known = {entry.name: entry for entry in fields(section)}
    unknown = sorted(str(key) for key in set(data) - set(known))
    if unknown:
        raise InputError('{}: unknown key {} (known: {})'.format(
            origin, ', '.join(unknown), ', '.join(sorted(known))))
    values = {key: _value(known[key].type, value, f'{origin}: {key}')
              for key, value in data.items()}
    for key in set(values) & set(_POSITIVE):
        if values[key] <= 0:
            raise InputError(f'{origin}: {key} must be above zero, not {values[key]}')
    for key in set(values) & set(_CHOICES):
        if values[key] not in _CHOICES[key]:
            raise InputError('{}: {} is one of {}, not {!r}'.format(
                origin, key, ', '.join(_CHOICES[key]), values[key]))
    return section(**values)


def _value(kind: Any, value: Any, origin: str) -> Any:
    """Check and convert one value; YAML reads 5e-4 as text, which is taken as the number it is."""
    if kind in (Range, Tuple[int, int]):
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise InputError(f'{origin}: two numbers are expected, not {value!r}')
        item = float if kind == Range else int
        return tuple(_value(item, entry, origin) for entry in value)
    if kind in (Tuple[str, ...], Tuple[float, ...]):
        if not isinstance(value, (list, tuple)):
            what = 'names' if kind == Tuple[str, ...] else 'numbers'
            raise InputError(f'{origin}: a list of {what} is expected, not {value!r}')
        return tuple(str(entry) if kind == Tuple[str, ...] else _value(float, entry, origin)
                     for entry in value)
    if kind is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            raise InputError(f'{origin}: {value!r} is no number') from None
    if kind in (int, bool, str) and type(value) is not kind:
        raise InputError('{}: {!r} is no {}'.format(
            origin, value, {int: 'whole number', bool: 'true or false', str: 'text'}[kind]))
    return value


def _check(recipe: Recipe, origin: str) -> None:
    if any(side % 8 or side <= 0 for side in recipe.input_size):
        raise InputError(f'{origin}: input_size {list(recipe.input_size)} is no height and width in '
                         'multiples of 8')
    for stage in recipe.stages:
        if any(side % 8 or side <= 0 for side in stage.crop):
            raise InputError(f'{origin}: crop {list(stage.crop)} is no height and width in multiples of 8')
        if stage.part == 'encoder' and recipe.network != 'enet':
            raise InputError(f'{origin}: only enet has an encoder stage')
        if stage.loss.auxiliary and recipe.network != 'enet':
            raise InputError(f'{origin}: only enet has an auxiliary classifier')
        if stage.loss.distillation and not stage.loss.teacher:
            raise InputError(f'{origin}: distils but names no teacher (loss: teacher: [FILE.npz])')


def first_epochs(recipe: Recipe) -> List[int]:
    """Return the first epoch of every stage, counted over all stages from 0."""
    return [sum(stage.epochs for stage in recipe.stages[:number]) for number in range(len(recipe.stages))]


def names() -> List[str]:
    """Return the names of the recipes that ship."""
    return sorted(path.stem for path in (resources.root('config') / 'recipes').glob('*.yaml'))
