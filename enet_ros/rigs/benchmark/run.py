"""``benchmark``: speed against peers, SegNet and the roofline, on this machine."""

import argparse
import importlib.util
from pathlib import Path
from typing import Any, Dict, List, Optional

from ... import cli, weights
from ...errors import InputError
from ...json_files import write_json

SECTIONS = ('times', 'costs', 'layers', 'stages', 'node')
_CAMERA, _NETWORK = (720, 1280), (360, 640)
DESCRIPTION = """Measures ENet and SegNet at the paper's sizes on every engine there is, beside what users run
otherwise (eager PyTorch, onnxruntime, OpenCV dnn) and beside what processor and memory can do at most; the
runs of all are interleaved. Without --times, --costs, --layers, --stages or --node it measures all of them.
Writes benchmark.md, benchmark.json and time.png."""


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the sections asked for; return the exit code."""
    options = _parser().parse_args(argv)
    asked = _sections(options)
    from . import machine, report
    from .plot import plot
    from .targets import assess
    checkpoint = weights.load(options.weights) if options.weights else None
    result: Dict[str, Any] = {'machine': machine.describe(), 'quick': options.quick, 'missing': {}}
    company = machine.Company()
    for section in asked:
        measured = _RUNS[section](options, checkpoint)
        result['missing'].update(measured.pop('missing', {}))
        result.update(measured)
    result['machine']['others_cores'] = company.cores()
    targets = assess(result)
    result['targets'] = [target._asdict() for target in targets]
    text = report.markdown(result, targets)
    write_json(options.output / 'benchmark.json', result)
    (options.output / 'benchmark.md').write_text(text)
    if result.get('times'):
        plot(result, options.output / 'time.png')
    if hasattr(options, 'json'):
        write_json(options.json, result)
    print(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser('benchmark', DESCRIPTION, {'': ['torch', 'tqdm', 'matplotlib'],
                                                   'node': ['rclpy', 'psutil']})
    parser.add_argument('--output', type=Path, default=Path('out/benchmark'), help='folder of the results')
    parser.add_argument('--weights', help='shipped name or .npz; where none is named an untrained network: '
                                          'time does not depend on the values')
    parser.add_argument('--threads', type=int, help='cores for the engines; all of them where not given')
    parser.add_argument('--quick', action='store_true',
                        help='under four minutes on two cores: peers at 360x640 only, SegNet up to there')
    parser.add_argument('--times', action='store_true', help="the paper's Table 2")
    parser.add_argument('--costs', action='store_true', help="the paper's Table 3")
    parser.add_argument('--layers', action='store_true', help='share of time by kind of operation')
    parser.add_argument('--stages', action='store_true', help="the node's own work, stage by stage")
    parser.add_argument('--node', action='store_true', help='the whole node over DDS (needs ROS 2)')
    parser.add_argument('--seconds', type=float, default=6.0, help='length of each run of --node')
    return parser


def _sections(options: argparse.Namespace) -> List[str]:
    """Return the sections to run."""
    asked = [section for section in SECTIONS if getattr(options, section)]
    if importlib.util.find_spec('rclpy') is not None:
        return asked or list(SECTIONS)
    return asked or [section for section in SECTIONS if section != 'node']


def _times(options: argparse.Namespace, checkpoint: Optional[weights.Checkpoint]) -> Dict[str, Any]:
    from . import speed
    plan = speed.QUICK if options.quick else speed.Plan()
    return speed.run(plan, checkpoint, options.threads,
                     lambda rounds, what: cli.progress(rounds, what, unit='round'))


def _costs(options: argparse.Namespace, checkpoint: Optional[weights.Checkpoint]) -> Dict[str, Any]:
    from . import speed
    return {'costs': speed.costs()}


def _layers(options: argparse.Namespace, checkpoint: Optional[weights.Checkpoint]) -> Dict[str, Any]:
    from . import contestants, layers
    checkpoint = checkpoint or contestants.untrained('enet')
    shares = {'PyTorch eager': layers.torch_shares(checkpoint, _NETWORK)}
    try:
        shares['OpenVINO'] = layers.openvino_shares(checkpoint, _NETWORK)
    except ImportError:
        pass
    return {'layers': shares}


def _stages(options: argparse.Namespace, checkpoint: Optional[weights.Checkpoint]) -> Dict[str, Any]:
    from . import stages
    timings = stages.measure(
        _CAMERA, _NETWORK, progress=lambda rounds: cli.progress(rounds, 'stages', unit='round'))
    return {'stages': {'timings': {name: timing._asdict() for name, timing in timings.items()},
                       'own_ms': stages.own_cost_ms(timings),
                       'own_with_overlay_ms': stages.own_cost_ms(timings, overlay=True)}}


def _node(options: argparse.Namespace, checkpoint: Optional[weights.Checkpoint]) -> Dict[str, Any]:
    from . import contestants, node, rivals
    folder = options.output.absolute() / 'node'
    if options.weights:
        named = str(Path(options.weights).absolute()) if Path(options.weights).is_file() else options.weights
    else:
        named = str(folder / 'untrained.npz')
        weights.save(named, contestants.untrained('enet'))
    parameters = {'weights': named, 'engine': 'auto', 'input_height': _NETWORK[0], 'input_width': _NETWORK[1],
                  'threads': options.threads or 0, 'engine_cache': str(folder / 'cache')}
    loads = node.QUICK_LOADS if options.quick else node.LOADS
    runs: List[Dict[str, Any]] = []
    missing: Dict[str, str] = {}
    for load in cli.progress(loads, 'node', unit='load'):
        try:
            runs.append(node.measure(load, parameters, folder, options.seconds))
        except InputError as error:     # what the other sections measured took long
            missing['node, ' + load.name] = str(error)
    compared: List[Dict[str, Any]] = []
    duels = rivals.QUICK_DUELS if options.quick else rivals.DUELS
    for duel in cli.progress(duels, 'rivals', unit='duel'):
        try:
            compared += rivals.compare(duel, named, folder / 'rivals', options.seconds)
        except InputError as error:
            missing[f'rivals, engine {duel.engine}, {duel.size}'] = str(error)
    return {'node': runs, 'missing': missing, 'rivals': compared}


_RUNS = {'times': _times, 'costs': _costs, 'layers': _layers, 'stages': _stages, 'node': _node}
