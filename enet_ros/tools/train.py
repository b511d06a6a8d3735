"""train: the paper's training, better recipes, and fine-tuning on a user's own classes."""

import argparse
from pathlib import Path
import sys
import threading
from typing import Any, Dict, List, Optional, Tuple

from .. import cli, weights
from ..classes import MAX_CLASSES, ClassTable
from ..datasets import Dataset, open_dataset
from ..errors import InputError
from ..json_files import write_json


def main(argv: Optional[List[str]] = None) -> int:
    """Train a network by a recipe; see `docs/training.md`."""
    return _train(sys.argv[1:] if argv is None else argv, None)


def _train(argv: List[str], group: Any) -> int:
    """Train, alone or as one process of a group."""
    arguments = _parser().parse_args(argv)
    # Torch takes seconds to import; --help and wrong arguments need none of it.
    import torch

    from ..training import recipe as recipes
    from ..training.initialise import from_weights
    from ..training.trainer import Trainer
    _check_device(arguments.device)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.processes > 1 and group is None:
        return _lead(arguments, argv)
    recipe = recipes.override(
        recipes.load(arguments.recipe), epochs=arguments.epochs, batch=arguments.batch,
        seed=arguments.seed, precision=arguments.precision, compile=arguments.compile,
        crop=arguments.crop and tuple(arguments.crop),
        input_size=arguments.input_size and tuple(arguments.input_size))
    table = ClassTable.load(arguments.classes) if arguments.classes else None
    init = weights.load(arguments.init) if arguments.init else None
    training, held, classes = _frames(arguments, recipe, table)
    start = from_weights(init, classes, recipe.network, recipe.variant) if init else None
    output = arguments.output or Path('out') / 'train' / recipe.name
    trainer = Trainer(recipe, training, classes, output, held, start, arguments.hours, arguments.device,
                      group)
    trainer.origin = {'data': str(arguments.data if arguments.data.exists() else arguments.data.name),
                      'split': arguments.split, 'hold_out': arguments.hold_out,
                      'init': init and init.sha256, 'validation': _scored_on(arguments)}
    scores = trainer.run()
    if not trainer.leads:
        return 0
    print('weights: {}'.format(output / 'weights.npz'))
    if scores:
        print('mean IoU {:.4f} on {} frames at {}x{}'.format(
            scores['mean_iou'], len(held.frames), recipe.input_size[1], recipe.input_size[0]))
    if 'json' in arguments:
        write_json(arguments.json, dict(
            scores, weights=str(output / 'weights.npz'), epochs=trainer.epoch))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser('train', str(main.__doc__).split(';')[0] + ': weights.npz, log.csv and curves.png.',
                        {'': ['torch', 'tqdm', 'matplotlib']})
    add = parser.add_argument
    add('--data', type=Path, required=True, metavar='FOLDER',
        help="a data-set folder, or 'synthetic' for many synthetic streets")
    add('--recipe', default='best', help='a shipped recipe (best, paper, segnet, ...) or a YAML file')
    add('--output', type=Path, metavar='FOLDER',
        help='where checkpoint, log and weights go; a checkpoint there is continued '
             '(default: out/train/<recipe>)')
    add('--split', default='train', help="split to train on; 'all' for folders without splits")
    add('--validation', default='auto', metavar='SPLIT',
        help="split to score on, 'none', or 'auto': val, else test, where the folder has one")
    add('--hold-out', nargs='+', default=[], metavar='SEQUENCE',
        help='take these drives out of the training data and score on them instead')
    add('--layout', help='what the folder is, where that does not show in it')
    add('--classes', metavar='FILE', help='class table (YAML) of your own images and masks')
    add('--init', metavar='WEIGHTS', help='start from these weights (a name or .npz): fine-tuning')
    add('--epochs', type=_positive, help="epochs of every stage, instead of the recipe's")
    add('--batch', type=_positive, help="frames a step, instead of the recipe's")
    add('--crop', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), help="instead of the recipe's")
    add('--input-size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), help="instead of the recipe's")
    add('--hours', type=float, help='end after this time: the schedule is fitted to it')
    add('--seed', type=int, help="instead of the recipe's")
    add('--precision', choices=('auto', 'float32', 'bfloat16', 'float16'), help="instead of the recipe's")
    add('--compile', dest='compile', action='store_true', default=None, help='use torch.compile')
    add('--no-compile', dest='compile', action='store_false', help='do not')
    add('--threads', type=_positive, help='threads of torch on the CPU, in each process')
    add('--processes', type=_positive, default=1,
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


def _lead(arguments: argparse.Namespace, argv: List[str]) -> int:
    """Train with other processes beside this one."""
    from .. import networks
    from ..training import parallel
    from ..training import recipe as recipes
    recipe = recipes.load(arguments.recipe)
    # As many classes as there can be, and room for the second classifier.
    widest = networks.build(recipe.network, MAX_CLASSES, recipe.variant)
    group = parallel.Group(arguments.processes,
                           sum(p.numel() for p in widest.parameters()) + 129 * MAX_CLASSES)
    followers = parallel.follow(group, _follow, argv)
    try:
        return _train(argv, group)
    except threading.BrokenBarrierError:
        codes = ', '.join(str(process.exitcode) for process in followers)
        raise InputError(f'a process of the training ended early (exit codes: {codes}); its last checkpoint '
                         'is in the output folder, the same command continues') from None
    finally:
        group.leave()
        for process in followers:
            process.join(10)


def _follow(group: Any, argv: List[str]) -> None:
    _train(argv, group)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not above zero')
    return value


def _frames(arguments: argparse.Namespace, recipe: Any, table: Optional[ClassTable]) -> Tuple:
    """Return training frames, frames to score on (or None), and the classes."""
    from ..training import frames
    rare = recipe.stages[-1].augmentation.rare_classes
    dataset, scored = _datasets(arguments, recipe.input_size, table)
    training = frames.load(dataset, recipe.input_size, rare)
    if arguments.hold_out:
        training, held = training.split(arguments.hold_out)
        return training, held, dataset.classes
    return training, scored and frames.load(scored, recipe.input_size), dataset.classes


def _datasets(arguments: argparse.Namespace, size: Tuple[int, int],
              table: Optional[ClassTable]) -> Tuple[Dataset, Optional[Dataset]]:
    """Open the data to train on and to score on."""
    if str(arguments.data) == 'synthetic':
        from ..training import streets
        return streets.Streets(size), streets.held_out(size)
    split = None if arguments.split == 'all' else arguments.split
    options: Dict[str, Any] = {'layout': arguments.layout, 'classes': table}
    dataset = open_dataset(arguments.data, split, **options)
    scored = _scored_on(arguments)
    if scored is None or arguments.hold_out:
        return dataset, None
    return dataset, open_dataset(arguments.data, scored, **options)


def _scored_on(arguments: argparse.Namespace) -> Optional[str]:
    """Return the split to score on, or the held-out drives."""
    if arguments.hold_out:
        return 'hold-out: ' + ', '.join(arguments.hold_out)
    if arguments.validation != 'auto':
        return None if arguments.validation == 'none' else str(arguments.validation)
    if str(arguments.data) == 'synthetic':
        return 'held-out streets'
    # Each data set keeps a split as a folder or a list of its name, somewhere below its root.
    places = ('{}', '{}.txt', 'images/{}', 'image/{}', 'leftImg8bit/{}', 'SUNRGBD-{}_images')
    for name, aliases in (('val', ('val', 'valid')), ('test', ('test',))):
        if any((arguments.data / place.format(alias)).exists() for place in places for alias in aliases):
            return name
    return None


main = cli.guard(main)
