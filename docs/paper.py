"""Write docs/paper.md: every figure of the paper's Tables 1 to 6 and its Figure 3, beside ours.

make paper CAMVID=~/CamVid
"""

import argparse
from pathlib import Path
import shlex
import sys
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import torch

from enet_ros import __main__ as executables
from enet_ros import cli, networks
from enet_ros.errors import InputError
from enet_ros.json_files import read_json
from enet_ros.reports import tables
from enet_ros.rigs.benchmark import machine, speed
from enet_ros.rigs.benchmark.report import NAMES
from enet_ros.rigs.benchmark.speed import PAPER_MS, SIZES

HERE = Path(__file__).parent
REPRODUCED, OTHER, NOT_RUN = 'reproduced', 'another protocol', 'not run'
# Table 1: name, type, output (maps, side) for an input of 512x512, and the module that it is here.
SECTION = ('', 'dilated 2', 'asymmetric 5', 'dilated 4', '', 'dilated 8', 'asymmetric 5', 'dilated 16')
TABLE_1 = [('initial', '', (16, 256), 'encoder.initial'),
           ('bottleneck1.0', 'downsampling', (64, 128), 'encoder.down1')]
TABLE_1 += [(f'bottleneck1.{n + 1}', '', (64, 128), f'encoder.section1.{n}') for n in range(4)]
TABLE_1 += [('bottleneck2.0', 'downsampling', (128, 64), 'encoder.down2')]
TABLE_1 += [(f'bottleneck{s}.{n + 1}', kind, (128, 64), f'encoder.section{s}.{n}')
            for s in (2, 3) for n, kind in enumerate(SECTION)]
TABLE_1 += [('bottleneck4.0', 'upsampling', (64, 128), 'decoder.up4'),
            ('bottleneck4.1', '', (64, 128), 'decoder.section4.0'),
            ('bottleneck4.2', '', (64, 128), 'decoder.section4.1'),
            ('bottleneck5.0', 'upsampling', (16, 256), 'decoder.up5'),
            ('bottleneck5.1', '', (16, 256), 'decoder.section5.0'),
            ('fullconv', '', (20, 512), 'decoder.last')]
TABLE_3 = {'segnet': ('286.03', '29.46', '56.2'), 'enet': ('3.83', '0.37', '0.7')}
PAPER_FPS = {('enet', 'TX1'): ('21.1', '14.6', '3.8'), ('enet', 'Titan X'): ('135.4', '46.8', '21.6'),
             ('segnet', 'TX1'): ('1.3', '0.8', '-'), ('segnet', 'Titan X'): ('14.6', '3.5', '1.6')}
CLASSES = 20        # as Table 3 counts: Cityscapes' nineteen and the ignored one
# Read by whoever holds CamVid's test frames, once, in November 2026 (models/README.md): percent.
HELD_BACK = {'Class avg.': '78.3', 'Class IoU': '66.05'}
HELD_BACK_BY = ('`enet_ros evaluate_dataset CAMVID --split test`, read once, apart from this run '
                '(models/README.md)')


class Cell(NamedTuple):
    """One figure of the paper, ours, and how they compare."""

    name: str
    paper: str
    ours: str
    mark: str       # REPRODUCED, OTHER or NOT_RUN
    how: str        # the command; what differs; why it was not run


class Run:
    """Runs tools of the package; keeps the command that a reader would type."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str) -> Tuple[Dict[str, Any], str]:
        """Return a tool's JSON and its command; InputError where it fails."""
        result = self.folder / f'{words[0]}.json'
        if executables.run(words[0], [*words[1:], '--json', str(result)]):
            raise InputError('failed: enet_ros ' + ' '.join(words))
        typed = [f'{Path(word).name}/' if Path(word).is_dir() else word for word in words]
        return read_json(result), '`enet_ros ' + ' '.join(shlex.quote(word) for word in typed) + '`'


def table_1() -> Iterator[Cell]:
    """Yield each block's type and output, as the network itself has them."""
    sizes: Dict[str, Tuple[int, int]] = {}

    def keep(name: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            sizes[name] = (output.shape[1], output.shape[2])
        return hook

    with torch.device('meta'):
        network = networks.build('enet', CLASSES).eval()
        modules = dict(network.named_modules())
        for _, _, _, place in TABLE_1:
            modules[place].register_forward_hook(keep(place))
        with torch.no_grad():
            network(torch.empty(1, 3, 512, 512))
    for name, kind, output, place in TABLE_1:
        ours = (kind_of(modules[place]), sizes[place])
        mark = REPRODUCED if ours == (kind, output) else OTHER
        yield Cell(name, block(kind, output), block(*ours), mark, f'`networks/enet.py`, `{place}`')


def kind_of(module: Any) -> str:
    """Return a block's type in the words of Table 1."""
    for name in ('Downsampling', 'Upsampling'):
        if type(module).__name__.startswith(name):
            return name.lower()
    main = [layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d)
            and max(layer.kernel_size) > 2]
    kernel, dilation = max([(max(layer.kernel_size), max(layer.dilation)) for layer in main] or [(0, 1)])
    return f'asymmetric {kernel}' if kernel == 5 else f'dilated {dilation}' if dilation > 1 else ''


def block(kind: str, output: Tuple[int, int]) -> str:
    """Return type and output as the paper prints them."""
    return f'{kind}{", " if kind else ""}{output[0]} x {output[1]} x {output[1]}'


def table_2(times: List[Dict[str, Any]], where: Dict[str, Any]) -> Iterator[Cell]:
    """Yield times of a frame: the paper's boards are not here, so on this machine where measured."""
    for network in ('segnet', 'enet'):
        for board, known in PAPER_MS.items():
            for size, fps in zip(SIZES[:3] if board == 'TX1' else SIZES[1:], PAPER_FPS[network, board]):
                name = f'{NAMES[network]}, {board}, {size[1]}x{size[0]}'
                paper = known.get((network, size))
                printed = '-' if paper is None else f'{paper} ms, {fps} fps'
                rows = [row for row in times if not row['peer'] and (
                    row['network'], row['height'], row['width']) == (network, *size)]
                if rows:
                    best = min(rows, key=lambda row: row['median_ms'])
                    ours = f'{best["median_ms"]:.1f} ms, {best["rate_hz"]:.1f} fps'
                    yield Cell(name, printed, ours, OTHER, f'no {board}: {best["engine"]} on '
                               f'{where["processor"]}, {where["cores"]} cores: `enet_ros benchmark --times`')
                else:
                    yield Cell(name, printed, '', NOT_RUN,
                               f'no {board} here; `--benchmark` takes what `benchmark --times` measured')


def table_3(costs: List[Dict[str, Any]], command: str) -> Iterator[Cell]:
    """Yield operations, parameters and size, counted from the layers."""
    for row in costs:
        if row['classes'] == CLASSES and row['network'] in TABLE_3:
            ours = (f'{row["flops"] / 1e9:.2f}', f'{row["parameters"] / 1e6:.2f}',
                    f'{row["model_mb_fp16"]:.1f}')
            columns = ('GFLOPs', 'parameters, millions', 'fp16 model, MB')
            for column, paper, mine in zip(columns, TABLE_3[row['network']], ours):
                equal = paper == mine
                why = '' if equal else ': what the paper counts is not known (docs/speed.md)'
                yield Cell(f'{NAMES[row["network"]]}, {column}', paper, mine, REPRODUCED if equal else OTHER,
                           command + why)


def scores(table: tables.PaperTable, result: Optional[Dict[str, Any]], how: str,
           held_back: Dict[str, str]) -> Iterator[Cell]:
    """Yield the cells of a table of accuracy: only ENet is scored."""
    found = tables.paper_row(result) if result else None
    values = dict(zip(table.columns, found[1])) if found else {}
    split = (result or {}).get('provenance', {}).get('split')
    for network, row in table.rows:
        for column, paper in zip(table.columns, row):
            name, printed = f'{network}, {column}', 'n/a' if paper is None else f'{paper:.1f}'
            ours = values.get(column)
            if network != 'ENet':
                yield Cell(name, printed, '', NOT_RUN, f'no {network} was trained here')
            elif split != 'test' and column in held_back:
                yield Cell(name, printed, held_back[column], REPRODUCED, HELD_BACK_BY)
            elif ours is None:
                yield Cell(name, printed, '', NOT_RUN, how)
            else:
                mark, what = (REPRODUCED, '') if split == 'test' else (OTHER, f'{split} instead of test: ')
                yield Cell(name, printed, f'{ours:.1f}', mark, what + how)


def figure_3(result: Dict[str, Any], command: str) -> Iterator[Cell]:
    """Yield what can be said of the slopes of the PReLUs."""
    layers = result['layers']
    encoder = [layer for layer in layers if not layer['decoder']]
    below = sum(layer['mean'] < 0 for layer in encoder)
    what = 'weights for CamVid, from another training than that of the figure: '
    yield Cell('PReLUs of the encoder; where the decoder begins', '67th module', str(len(encoder)),
               REPRODUCED if len(encoder) == 67 else OTHER, command)
    yield Cell('slopes inside the bottlenecks', 'negative',
               f'{below} of {len(encoder)} layers have a negative mean', OTHER, what + command)
    yield Cell('mean, smallest and largest by depth', 'a plot', '[images/prelu.png](images/prelu.png)', OTHER,
               what + command)
    decoder = len(layers) - len(encoder)
    yield Cell('slopes of the decoder', 'much more positive',
               f'{decoder} layers in the plot' if decoder else '', OTHER if decoder else NOT_RUN,
               what + command if decoder else 'the network of these weights has ReLU in its decoder')


def gather(options: argparse.Namespace, run: Run) -> Iterator[Tuple[str, str, List[Cell]]]:
    """Yield each table's title, a sentence, and its cells."""
    yield ('Table 1: architecture', 'Type and output of every block, for an input of 512 x 512.',
           list(table_1()))
    measured = read_json(options.benchmark) if options.benchmark else {}
    yield ('Table 2: time of a frame', '',
           list(table_2(measured.get('times', []), measured.get('machine', {}))))
    yield ('Table 3: hardware requirements', f'For 640x360 and {CLASSES} classes.',
           list(table_3(speed.costs(), '`enet_ros benchmark --costs`')))
    for number, table, name, root, weights in (
            (4, tables.CITYSCAPES, 'Cityscapes', options.cityscapes, options.cityscapes_weights),
            (5, tables.CAMVID, 'CamVid', options.camvid, 'camvid'),
            (6, tables.SUN_RGBD, 'SUN RGB-D', options.sun_rgbd, options.sun_rgbd_weights)):
        result, how = None, f'no {name} here' if root is None else f'no weights for {name} here'
        if root is not None and weights is not None:
            result, how = score(run, root, weights, options.quick)
        ours = " Our weights are not of the paper's training." if result else ''
        yield (f'Table {number}: {name}, test set', 'Percent.' + ours,
               list(scores(table, result, how, HELD_BACK if name == 'CamVid' else {})))
    plot, _ = run('plot_prelu', '--weights', 'camvid', '--output', str(options.image))
    yield ('Figure 3: PReLU slopes', '', list(figure_3(plot, '`enet_ros plot_prelu --weights camvid`')))


def score(run: Run, root: Path, weights: str, quick: bool) -> Tuple[Dict[str, Any], str]:
    """Score the test split where it is there, else val."""
    from enet_ros.datasets import open_dataset
    for split in ('test', 'val'):
        try:
            if open_dataset(root, split)[0].label is None:
                continue
        except InputError:
            continue
        return run('evaluate_dataset', str(root), '--split', split, '--weights', weights,
                   *(['--frames', '3'] if quick else []))
    raise InputError(f'{root}: neither a test nor a val split with annotations')


def page(parts: List[Tuple[str, str, List[Cell]]], made_on: str) -> str:
    """Return the whole page."""
    counts = {mark: sum(cell.mark == mark for _, _, cells in parts for cell in cells)
              for mark in (REPRODUCED, OTHER, NOT_RUN)}
    lines = ['# The paper, figure by figure', '',
             'Every cell of Tables 1 to 6 and Figure 3 of Paszke et al., *ENet* (arXiv:1606.02147), beside',
             'ours, from one run:', '', '```sh', 'make paper CAMVID=~/CamVid', '```', '',
             f'- **{REPRODUCED}** ({counts[REPRODUCED]} cells): the same quantity by the same rule; our '
             'figure may be better or worse.',
             f'- **{OTHER}** ({counts[OTHER]}): measured in another way, which the last column names.',
             f'- **{NOT_RUN}** ({counts[NOT_RUN]}): the last column says why.', '', f'Made on {made_on}.', '']
    for title, sentence_, cells in parts:
        lines += [f'## {title}', ''] + ([sentence_, ''] if sentence_ else [])
        lines += ['| cell | paper | ours | | |', '|---|---|---|---|---|']
        lines += ['| ' + ' | '.join(cell) + ' |' for cell in cells] + ['']
    return '\n'.join(lines).rstrip() + '\n'


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ('camvid', 'cityscapes', 'sun-rgbd'):
        parser.add_argument(f'--{name}', type=Path, metavar='DIR', help='the data set, where it is there')
    for name in ('cityscapes', 'sun-rgbd'):
        parser.add_argument(f'--{name}-weights', metavar='NPZ', help='weights trained on it')
    parser.add_argument('--benchmark', type=Path, metavar='JSON', help='of `benchmark --times --json`')
    parser.add_argument('--output', type=Path, default=HERE / 'paper.md', help='the page')
    parser.add_argument('--image', type=Path, default=HERE / 'images/prelu.png', help='its plot')
    parser.add_argument('--quick', action='store_true', help='three frames of each data set')
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        parts = list(gather(options, run))
    made_on = machine.sentence(machine.describe())
    made_on += ', in the quick mode' if options.quick else ''
    options.output.write_text(page(parts, made_on), 'utf-8')
    print(f'{options.output}: {sum(len(cells) for _, _, cells in parts)} cells')
    return 0


if __name__ == '__main__':
    sys.exit(main())
