"""Recipes: how a network is trained, read from YAML and checked before anything runs."""

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type, TypeVar, Union

from .. import resources
from ..classes import read_yaml
from ..errors import InputError

Section = TypeVar('Section')
Range = Tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training frame; every part is off at its default."""

    scale: Range = (1.0, 1.0)       # of the frame at input size, drawn log-uniformly
    stretch: float = 0.0            # extra horizontal scale, up to 1 + stretch or its inverse
    flip: float = 0.0               # probability of a left-right flip
    brightness: float = 0.0         # factor 1 +- this
    contrast: float = 0.0           # around the crop's mean, factor 1 +- this
    saturation: float = 0.0         # towards or away from grey, factor 1 +- this
    channels: float = 0.0           # factor 1 +- this for red, green and blue apart
    gamma: float = 0.0              # exponent between 1 / (1 + this) and 1 + this
    blur: float = 0.0               # probability of a 3x3 blur
    noise: float = 0.0              # standard deviation of pixel noise, of 255, drawn up to this
    rare: float = 0.0               # probability that a crop is centred on a pixel of a rare class
    paste: float = 0.0              # probability that rare objects of another frame are pasted in place
    rare_classes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Loss:
    """Cross entropy weighted by class, and what may be added to it."""

    weights: str = 'log'            # 'log': 1 / ln(c + p); 'median': median frequency; 'none'
    weight_c: float = 1.02          # c of the paper's weighting (section 5.2)
    smoothing: float = 0.0          # label smoothing
    ohem: float = 1.0               # share of the hardest pixels that count; 1 is all
    jaccard: float = 0.0            # weight of the soft Jaccard loss, 1 - mean soft IoU of the batch
    auxiliary: float = 0.0          # weight of a second classifier on the encoder (1/8 size), dropped later
    distillation: float = 0.0       # weight of the divergence from a teacher's softened answer
    temperature: float = 2.0        # of that softening
    teacher: str = ''               # a .npz of a larger network trained here, same classes


@dataclass(frozen=True)
class Optimiser:
    """The optimiser and its learning rate over time."""

    kind: str = 'adam'              # adam (decay as L2), adamw, sgd, muon (matrices; AdamW for the rest)
    lr: float = 5e-4
    weight_decay: float = 2e-4
    momentum: float = 0.9           # of sgd and muon
    vector_lr: float = 2e-3         # muon only: AdamW's rate for vectors and the last layer
    schedule: str = 'constant'      # constant, poly, trapezoid (flat, then down to zero)
    power: float = 0.9              # of poly
    warmup: float = 0.0             # share of the training over which the rate rises from zero
    cooldown: float = 0.3           # trapezoid: share over which it falls to zero


@dataclass(frozen=True)
class Stage:
    """One run of the optimiser over a part of the network."""

    part: str = 'all'               # 'encoder' (1/8 labels, paper section 5.2) or 'all'
    epochs: int = 300
    batch: int = 10
    crop: Tuple[int, int] = (360, 480)      # height, width; multiples of 8
    dropout: float = -1.0           # of the blocks that have 0.1 as published; negative: leave it
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: Loss = field(default_factory=Loss)
    optimiser: Optimiser = field(default_factory=Optimiser)
    ema: float = 0.0                # decay per step of the averaged weights, 0: none


@dataclass(frozen=True)
class Recipe:
    """A whole training: the network, its input size and one stage after the other."""

    name: str
    stages: Tuple[Stage, ...]
    network: str = 'enet'
    variant: str = 'authors'
    input_size: Tuple[int, int] = (360, 480)
    seed: int = 1
    precision: str = 'auto'         # auto, float32, bfloat16, float16 (GPU)
    compile: bool = False           # torch.compile of the forward pass with its loss
    channels_last: bool = True
    workers: int = 2                # threads that prepare batches
    validate_every: int = 5         # epochs
    recalibrate: bool = False       # batch-norm statistics taken again over full frames at the end
    sequence_balance: float = 0.0   # 0: frames as they are; 1: every sequence equally often

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return sum(stage.epochs for stage in self.stages)

    def to_dict(self) -> Dict[str, Any]:
        """Return plain types, as they go into a checkpoint's record."""
        return asdict(self)


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
        path = resources.find('config', 'recipes/{}.yaml'.format(name))
    return parse(read_yaml(path), str(path))


def parse(data: Mapping[str, Any], origin: str = 'recipe') -> Recipe:
    """Build a recipe from plain types; InputError begins with `origin`."""
    data = dict(data)
    data.setdefault('name', Path(origin).stem)
    own = {entry.name for entry in fields(Recipe)} - {'stages'}
    common = {key: data.pop(key) for key in list(data) if key not in own | {'stages'}}
    listed = data.pop('stages', [{}])
    if not isinstance(listed, list) or not listed:
        raise InputError('{}: `stages` is a list with one entry a stage'.format(origin))
    stages = tuple(_stage(common, entry, '{}: stage {}'.format(origin, number))
                   for number, entry in enumerate(listed, 1))
    recipe = _build(Recipe, dict(data, stages=stages), origin)
    _check(recipe, origin)
    return recipe


def override(recipe: Recipe, **changes: Any) -> Recipe:
    """Return the recipe with some of its own values, or of every stage's, replaced; None is no change."""
    given = {key: value for key, value in changes.items() if value is not None}
    own = {key: value for key, value in given.items() if hasattr(recipe, key) and key != 'epochs'}
    rest = {key: value for key, value in given.items() if key not in own}
    changed = replace(recipe, stages=tuple(replace(stage, **rest) for stage in recipe.stages), **own)
    _check(changed, 'recipe')
    return changed


def _stage(common: Mapping[str, Any], entry: Any, origin: str) -> Stage:
    if not isinstance(entry, dict):
        raise InputError('{} is no mapping'.format(origin))
    merged = dict(common)
    for key, value in entry.items():
        if key in _SECTIONS and isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = dict(merged[key], **value)
        merged[key] = value
    for key, section in _SECTIONS.items():
        if key in merged:
            merged[key] = _build(section, merged[key], '{}: {}'.format(origin, key))
    return _build(Stage, merged, origin)


def _build(section: Type[Section], data: Any, origin: str) -> Section:
    if not isinstance(data, dict):
        raise InputError('{}: a mapping with keys is expected'.format(origin))
    known = {entry.name: entry for entry in fields(section)}
    unknown = sorted(str(key) for key in set(data) - set(known))
    if unknown:
        raise InputError('{}: unknown key {} (known: {})'.format(
            origin, ', '.join(unknown), ', '.join(sorted(known))))
    values = {key: _value(known[key].type, value, '{}: {}'.format(origin, key))
              for key, value in data.items()}
    for key in set(values) & set(_POSITIVE):
        if values[key] <= 0:
            raise InputError('{}: {} must be above zero, not {}'.format(origin, key, values[key]))
    for key in set(values) & set(_CHOICES):
        if values[key] not in _CHOICES[key]:
            raise InputError('{}: {} is one of {}, not {!r}'.format(
                origin, key, ', '.join(_CHOICES[key]), values[key]))
    return section(**values)


def _value(kind: Any, value: Any, origin: str) -> Any:
    """Check and convert one value; YAML reads 5e-4 as text, which is taken as the number it is."""
    if kind in (Range, Tuple[int, int]):
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise InputError('{}: two numbers are expected, not {!r}'.format(origin, value))
        item = float if kind == Range else int
        return tuple(_value(item, entry, origin) for entry in value)
    if kind == Tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            raise InputError('{}: a list of names is expected, not {!r}'.format(origin, value))
        return tuple(str(entry) for entry in value)
    if kind is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            raise InputError('{}: {!r} is no number'.format(origin, value)) from None
    if kind in (int, bool, str) and type(value) is not kind:
        raise InputError('{}: {!r} is no {}'.format(
            origin, value, {int: 'whole number', bool: 'true or false', str: 'text'}[kind]))
    return value


def _check(recipe: Recipe, origin: str) -> None:
    if any(side % 8 or side <= 0 for side in recipe.input_size):
        raise InputError('{}: input_size {} is no height and width in multiples of 8'.format(
            origin, list(recipe.input_size)))
    for stage in recipe.stages:
        if any(side % 8 or side <= 0 for side in stage.crop):
            raise InputError('{}: crop {} is no height and width in multiples of 8'.format(
                origin, list(stage.crop)))
        if stage.part == 'encoder' and recipe.network != 'enet':
            raise InputError('{}: only enet has an encoder stage'.format(origin))
        if stage.loss.auxiliary and recipe.network != 'enet':
            raise InputError('{}: only enet has an auxiliary classifier'.format(origin))


def stage_of(recipe: Recipe, epoch: int) -> Tuple[int, int]:
    """Return (stage number, first epoch of that stage) of an epoch counted over all stages from 0."""
    first = 0
    for number, stage in enumerate(recipe.stages):
        if epoch < first + stage.epochs:
            return number, first
        first += stage.epochs
    return len(recipe.stages) - 1, first - recipe.stages[-1].epochs


def names() -> List[str]:
    """Return the names of the recipes that ship."""
    return sorted(path.stem for path in (resources.root('config') / 'recipes').glob('*.yaml'))


def find(name: str) -> Optional[Path]:
    """Return the file of a shipped recipe, None where there is none of that name."""
    path = resources.root('config') / 'recipes' / '{}.yaml'.format(name)
    return path if path.is_file() else None
