"""train: the paper's training, better recipes, and fine-tuning on a user's own classes."""

import argparse
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from .. import cli, licences, weights
from ..classes import ClassTable
from ..datasets import Dataset, open_dataset, recognise
from ..errors import InputError
from ..json_files import write_json

if TYPE_CHECKING:
    from ..training.frames import Frames
    from ..training.parallel import Group
    from ..training.recipe import Recipe
    from ..training.trainer import Trainer


EXIT_PAUSED = 3         # stopped by --minutes, with a checkpoint


def main(argv: Optional[List[str]] = None) -> int:
    """Train a network by a recipe; see `docs/training.md`."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    trainer = _trainer(arguments)
    from ..training import data_check, parallel
    pixels, frames = trainer.frames.pixels, trainer.frames.frames
    unannotated = 1 - pixels.sum() / sum(frame.label.size for frame in frames)
    for line in data_check.warnings(pixels, unannotated, trainer.classes.names):
        print(f'warning: {line}', file=sys.stderr)
    group = parallel.lead(arguments.processes, _follow, argv) if arguments.processes > 1 else None
    try:
        scores = trainer.run(group, arguments.minutes)
    except RuntimeError as error:
        if not parallel.lost(error):
            raise
        raise InputError('a process of the training ended early, out of memory perhaps; its last checkpoint '
                         f'is in {trainer.folder}, the same command continues') from None
    finally:
        if group is not None:
            group.leave()
    return _report(trainer, scores, arguments)


def _report(trainer: 'Trainer', scores: Dict[str, Any], arguments: argparse.Namespace) -> int:
    path = trainer.folder / 'weights.npz'
    if 'json' in arguments:
        write_json(arguments.json, dict(
            scores, schema='enet_ros/training 1', weights=str(path), epochs=trainer.epoch,
            finished=trainer.finished, share=trainer.progress()))
    if not trainer.finished:
        print(f'stopped after {trainer.progress():.1%} of the training; the same command continues it')
        if arguments.minutes:
            return EXIT_PAUSED
        raise KeyboardInterrupt
    print(f'weights: {path}')
    if trainer.validation is not None:
        height, width = trainer.recipe.input_size
        print(f"mean IoU {scores['mean_iou']:.4f} on {scores['frames']} frames at {height}x{width}")
    return 0


def _trainer(arguments: argparse.Namespace) -> 'Trainer':
    """Read recipe, data and weights; InputError for whatever is wrong with them."""
    # Torch takes seconds to import; --help and wrong arguments need none of it.
    import torch

    from ..training import recipe as recipes
    from ..training.initialise import from_weights
    from ..training.trainer import Trainer
    _check_device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = recipes.override(
        recipes.load(arguments.recipe), epochs=arguments.epochs, batch=arguments.batch,
        seed=arguments.seed, precision=arguments.precision, compile=arguments.compile,
        teacher=arguments.teacher, crop=arguments.crop, input_size=arguments.input_size)
    init = weights.load(arguments.init) if arguments.init else None
    if init is None and recipe.stages[0].loss.distillation and 'self' in recipe.stages[0].loss.teacher:
        raise InputError(f"recipe '{recipe.name}' begins with the teacher 'self', which needs --init WEIGHTS")
    training, held, dataset = _frames(arguments, recipe)
    start = from_weights(init, dataset.classes, recipe.network, recipe.variant) if init else None
    data = arguments.data.resolve() if arguments.data.exists() else arguments.data
    origin = {'data': data.name, 'split': arguments.split, 'hold_out': arguments.hold_out,
              'init': init and init.sha256, 'validation': _scored_on(arguments)}
    known = [dataset.licence, init.licence if init else ''] + [
        weights.load(name).licence for stage in recipe.stages for name in stage.loss.teacher
        if name.endswith('.npz')]
    return Trainer(recipe, training, dataset.classes,
                   arguments.output or Path('out') / 'train' / recipe.name, held, start, arguments.hours,
                   arguments.device, origin, licences.together(known))


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser('train', 'Train a network by a recipe: weights.npz, log.csv and curves.png.',
                        {'': ['torch', 'tqdm', 'matplotlib']})
    add = parser.add_argument
    add('--data', type=Path, required=True, metavar='FOLDER',
        help="a data-set folder, or 'synthetic' for many synthetic streets")
    add('--recipe', default='best', help='a shipped recipe (best, paper, segnet, ...) or a YAML file')
    add('--output', type=Path, metavar='FOLDER',
        help='where checkpoint, log and weights go; a checkpoint there is continued '
             '(default: out/train/<recipe>)')
    add('--split', default='train',
        help="split to train on, or several: train+val; 'all' for a folder of your own without splits")
    add('--validation', default='auto', metavar='SPLIT',
        help="split to score on, 'none', or 'auto': val where the folder has one and it is not trained on")
    add('--hold-out', nargs='+', default=[], metavar='SEQUENCE',
        help='take these drives out of the training data and score on them instead')
    add('--layout', help='what the folder is, where that does not show in it')
    add('--classes', metavar='FILE', help='class table (YAML) of your own images and masks')
    add('--init', metavar='WEIGHTS', help='start from these weights (a name or .npz): fine-tuning')
    add('--teacher', nargs='+', metavar='WEIGHTS',
        help="whose answers the recipe distils: .npz files, 'self' (the stage before), or one .npy")
    add('--epochs', type=cli.count, help="epochs of every stage, instead of the recipe's")
    add('--batch', type=cli.count, help="frames a step, instead of the recipe's")
    add('--crop', type=cli.size, metavar='HEIGHTxWIDTH', help="instead of the recipe's")
    add('--input-size', type=cli.size, metavar='HEIGHTxWIDTH', help="instead of the recipe's")
    add('--hours', type=float, help='end after this time: the schedule is fitted to it')
    add('--minutes', type=float,
        help=f'stop this call after so long, with exit code {EXIT_PAUSED}; the same command continues')
    add('--seed', type=int, help="instead of the recipe's")
    add('--precision', choices=('auto', 'float32', 'bfloat16', 'float16'), help="instead of the recipe's")
    add('--compile', dest='compile', action='store_true', default=None, help='use torch.compile')
    add('--no-compile', dest='compile', action='store_false', help='do not')
    add('--threads', type=cli.count, help='threads of torch on the CPU, in each process')
    add('--processes', type=cli.count, default=1,
        help='share every batch among so many processes, which wait for one another once a step')
    add('--device', default='auto', help='auto, cpu, cuda, cuda:1, ...')
    return parser


def _check_device(name: str) -> None:
    """Raise InputError where a device is not there."""
    import torch
    try:
        torch.zeros(1, device='cpu' if name == 'auto' else name)
    except (RuntimeError, AssertionError) as error:     # the latter: built without CUDA
        reason = ' '.join(str(error).split('\n')[0].split())
        raise InputError(f'--device {name}: {reason}; use cpu, or auto for the best there is') from None


def _follow(join: Callable[[], 'Group'], argv: List[str]) -> None:
    """Train as another process of the group."""
    trainer = _trainer(_parser().parse_args(argv))
    trainer.run(join())


def _frames(arguments: argparse.Namespace,
            recipe: 'Recipe') -> Tuple['Frames', Optional['Frames'], Dataset]:
    """Return training frames, frames to score on (or None), and the data set that names the classes."""
    from ..training import frames
    table = ClassTable.load(arguments.classes) if arguments.classes else None
    rare = recipe.stages[-1].augmentation.rare_classes
    parts, scored = _datasets(arguments, recipe.input_size, table)
    training = frames.merge([frames.load(part, recipe.input_size, rare) for part in parts])
    if arguments.hold_out:
        training, held = training.split(arguments.hold_out)
        return training, held, parts[0]
    return training, frames.load(scored, recipe.input_size) if scored else None, parts[0]


def _datasets(arguments: argparse.Namespace, size: Tuple[int, int],
              table: Optional[ClassTable]) -> Tuple[List[Dataset], Optional[Dataset]]:
    """Open the data to train on and to score on."""
    if str(arguments.data) == 'synthetic':
        from ..training import streets
        return [streets.Streets(size)], streets.held_out(size)
    options: Dict[str, Any] = {'layout': arguments.layout, 'classes': table}
    splits: List[Optional[str]] = arguments.split.split('+')
    if arguments.split == 'all':
        if _layout(arguments) not in ('folder', 'images') or (arguments.data / 'test.txt').exists():
            raise InputError(f'{arguments.data}: --split all would train on its test frames; '
                             'give train or train+val')
        splits = [None]
    elif 'test' in splits:
        raise InputError('test frames are for the final score, not for training; give train or train+val')
    scored = _scored_on(arguments)
    if scored and scored in splits:
        raise InputError(f"split '{scored}' cannot be trained and scored on; give --validation none")
    parts = [open_dataset(arguments.data, split, **options) for split in splits]
    if scored is None or arguments.hold_out:
        return parts, None
    return parts, open_dataset(arguments.data, scored, **options)


def _layout(arguments: argparse.Namespace) -> Optional[str]:
    return arguments.layout or (recognise(arguments.data) if arguments.data.is_dir() else None)


def _scored_on(arguments: argparse.Namespace) -> Optional[str]:
    """Return the split to score on, or the held-out drives."""
    if arguments.hold_out:
        return 'hold-out: ' + ', '.join(arguments.hold_out)
    if arguments.validation != 'auto':
        return None if arguments.validation == 'none' else str(arguments.validation)
    if str(arguments.data) == 'synthetic':
        return 'held-out streets'
    # Each data set keeps a split as a folder or a list of its name, somewhere below its root.
    places = ('{}', '{}.txt', 'images/{}', 'image/{}', 'leftImg8bit/{}')
    there = any((arguments.data / place.format(alias)).exists()
                for place in places for alias in ('val', 'valid'))
    return 'val' if 'val' not in arguments.split.split('+') and (
        there or _layout(arguments) == 'official') else None


main = cli.guard(main)
