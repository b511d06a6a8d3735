"""A benchmark's result in Markdown."""

from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple

from . import machine
from .speed import PAPER_MS
from .targets import Target, busy

NAMES = {'enet': 'ENet', 'segnet': 'SegNet', 'segnet-basic': 'SegNet-Basic'}

Row = Dict[str, Any]
Columns = Sequence[Tuple[str, Callable[[Row], str]]]

_TIMES: Columns = (
    ('network', lambda row: NAMES[row['network']]),
    ('size', lambda row: '{}x{}'.format(row['height'], row['width'])),
    ('engine', lambda row: row['engine'] + (' (peer)' if row['peer'] else '')),
    ('median ms', lambda row: _number(row['median_ms'])),
    ('p10..p90', lambda row: '{:.1f}..{:.1f}'.format(row['p10_ms'], row['p90_ms'])),
    ('min', lambda row: _number(row['minimum_ms'])),
    ('processor ms', lambda row: _number(row['cpu_ms'])),
    ('frames/s', lambda row: _number(row['rate_hz'])),
    ('runs', lambda row: str(row['count'])),
    ('labels as eager', lambda row: '{:.3%}'.format(row['agreement']) if 'agreement' in row else ''),
    ("paper's TX1 ms", lambda row: str(
        PAPER_MS['TX1'].get((row['network'], (row['height'], row['width']))) or '')))

_COSTS: Columns = (
    ('network', lambda row: NAMES[row['network']]),
    ('classes', lambda row: str(row['classes'])),
    ('parameters', lambda row: '{:,}'.format(row['parameters'])),
    ('fp16 MiB', lambda row: '{:.2f}'.format(row['model_mb_fp16'])),
    ('GMAC', lambda row: '{:.3f}'.format(row['macs'] / 1e9)),
    ('GFLOP', lambda row: '{:.2f}'.format(row['flops'] / 1e9)),
    ("paper's GFLOP", lambda row: str(row['paper_gflop'] or '')),
    ('MB moved as deployed, fp16', lambda row: '{:.0f}'.format(row['mb_moved_fp16'])))

_NODE: Columns = (
    ('camera', lambda row: row['load']),
    ('sent', lambda row: str(row['sent'])),
    ('received', lambda row: str(row['frames_in'])),
    ('segmented', lambda row: str(row['frames_segmented'])),
    ('labels/s', lambda row: _number(row['rate_hz'])),
    ('delay p50 ms', lambda row: _number(row['latency_ms']['p50'])),
    ('max', lambda row: _number(row['latency_ms']['max'])),
    ('engine p50', lambda row: _number(row['engine_ms'])),
    ('own work p50', lambda row: _number(row['own_ms'])),
    ('cores', lambda row: '{:.2f}'.format(row['cores'])),
    ('MB', lambda row: '{:.0f}'.format(row['memory_mb'])),
    ('first label s', lambda row: _number(row['first_label_s'])))

_TARGETS: Columns = (
    ('what', lambda row: row['what']),
    ('target', lambda row: '{} {:g} {}'.format('>=' if row['at_least'] else '<=', row['bound'], row['unit'])),
    ('measured', lambda row: (
        '-' if row['measured'] is None else '{:.2f} {}'.format(row['measured'], row['unit']))),
    ('spread over rounds', lambda row: '{:.2f}..{:.2f}'.format(*row['spread']) if row['spread'] else ''),
    ('met', lambda row: {True: 'yes', False: '**no**', None: 'not judged'}[row['met']]))

_RIVALS: Columns = (
    ('engine', lambda row: row['engine']),
    ('camera', lambda row: '{}x{} {:g} Hz'.format(*row['size'], row['rate'])),
    ('transport', lambda row: 'config/fastdds.xml' if row['profile'] else 'own'),
    ('node', lambda row: row['node']),
    ('delay p50 ms', lambda row: _number(row['p50'])),
    ('p99', lambda row: _number(row['p99'])),
    ('processor ms a label', lambda row: '{:.2f}'.format(row['processor_ms'])),
    ('labels', lambda row: str(row['count'])))

_CONVENTION = ('Two operations a multiply-accumulate, one for a bias and an activation, batch norm folded, '
               'SegNet with pools that round down. 286.03 comes out exactly; no convention gives 3.83.')


def markdown(result: Row, targets: Sequence[Target]) -> str:
    """Return everything that was measured as Markdown tables."""
    parts = ['# Benchmark', machine.sentence(result['machine']) + '.',
             'Load of the machine when it began: {load_average:.1f}; others kept {others_cores:.2f} cores '
             'busy meanwhile.'.format(**result['machine'])]
    if busy(result['machine']):
        parts.append('**The machine was busy: nothing is judged.** Ratios within one table still compare.')
    if result.get('roofline'):
        parts.append('Measured in the same run: matrix product {gflops:.0f} GFLOP/s in fp32, copy '
                     '{copy_gb_s:.1f} GB/s (read and written).'.format(**result['roofline']))
    if result.get('times'):
        parts += ['## Time of a frame: uint8 frame in, uint8 labels out', _table(_TIMES, result['times'])]
    if result.get('costs'):
        parts += ['## Cost of the networks at 360x640', _table(_COSTS, result['costs']), _CONVENTION]
    if result.get('layers'):
        parts += ['## Share of time by kind of operation', _layers(result['layers'])]
    if result.get('stages'):
        parts += ["## The node's own work: 720x1280 camera, 360x640 network", _stages(result['stages'])]
    if result.get('node'):
        parts += ['## The whole node over DDS', _table(_NODE, result['node'])]
    if result.get('rivals'):
        parts += ['## The node beside a plain one, from stamp to label', _table(_RIVALS, result['rivals'])]
    if targets:
        parts += ['## Targets', _table(_TARGETS, [target._asdict() for target in targets])]
    if result.get('missing'):
        parts.append('Not there: {}.'.format('; '.join(
            f'{name} ({why.splitlines()[0]})' for name, why in sorted(result['missing'].items()))))
    return '\n\n'.join(parts) + '\n'


def _number(value: Any) -> str:
    return '-' if value is None else f'{value:.1f}'


def _table(columns: Columns, rows: Iterable[Row]) -> str:
    lines = ['| ' + ' | '.join(head for head, _ in columns) + ' |', '|' + ' --- |' * len(columns)]
    return '\n'.join(lines + ['| ' + ' | '.join(cell(row) for _, cell in columns) + ' |' for row in rows])


def _share(name: str, row: Row) -> str:
    return f'{row[name]:.1%}'


def _layers(layers: Dict[str, Dict[str, float]]) -> str:
    most = {kind: max(shares.get(kind, 0.0) for shares in layers.values())
            for shares in layers.values() for kind in shares}
    columns: List[Tuple[str, Callable[[Row], str]]] = [('operation', lambda row: row['kind'])]
    columns += [(name, partial(_share, name)) for name in layers]
    return _table(columns, [dict({name: shares.get(kind, 0.0) for name, shares in layers.items()}, kind=kind)
                            for kind in sorted(most, key=lambda kind: -most[kind])])


def _stages(stages: Row) -> str:
    columns: Columns = (
        ('stage', lambda row: row['name']),
        ('median ms', lambda row: '{:.2f}'.format(row['median_ms'])),
        ('min', lambda row: '{:.2f}'.format(row['minimum_ms'])),
        ('processor ms', lambda row: '{:.2f}'.format(row['cpu_ms'])))
    table = _table(columns, [dict(timing, name=name) for name, timing in stages['timings'].items()])
    return table + '\n\nA raw image: {:.2f} ms without an overlay listener, {:.2f} ms with one.'.format(
        stages['own_ms'], stages['own_with_overlay_ms'])
