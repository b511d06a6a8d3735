"""What the tools that score share: how to segment, what to write, earlier results to compare with."""

import argparse
from pathlib import Path
from typing import Any, Dict

from .. import cli
from ..classes import ClassTable
from ..deploy.factory import ENGINES, PRECISIONS
from ..errors import InputError
from ..evaluation.evaluator import Evaluator
from ..files import write_bytes
from ..geometry import RESIZE_MODES
from ..json_files import read_json, write_json
from ..latency.files import read_summary
from ..metrics.scores import ABSENT
from ..reports import gates
from ..reports.comparison import before, check, compare, comparison_text
from ..reports.text import summary
from ..segmenter import UPSAMPLING

NEEDS = {'': ['tqdm'], 'report': ['jinja2'], 'scheduler': ['distributed']}


def class_table(name: str) -> ClassTable:
    """Load a class table; for argparse, which would keep the reason to itself."""
    try:
        return ClassTable.load(name)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_segmenting(parser: argparse.ArgumentParser) -> None:
    """Add the options of the segmenter; `segmenter_options` reads them."""
    group = parser.add_argument_group('segmenting')
    group.add_argument('--weights', default='camvid', help='a shipped name or a file')
    group.add_argument('--engine', default='auto', choices=ENGINES, help='what runs the network')
    group.add_argument('--precision', choices=PRECISIONS, help="arithmetic; None: the engine's choice")
    group.add_argument('--input-size', type=cli.size, metavar='HEIGHTxWIDTH',
                       help='network input; None: as trained')
    group.add_argument('--resize', default='stretch', choices=RESIZE_MODES,
                       help='how an image of another shape meets the network')
    group.add_argument('--calibration', dest='confidence', action='store_true',
                       help='measure how true the confidence is: reliability and calibration error')
    group.add_argument('--upsample', default='labels', choices=UPSAMPLING,
                       help='labels: nearest, as a robot does; logits: bilinear, as papers do')


def segmenter_options(options: argparse.Namespace) -> Dict[str, Any]:
    """Return the arguments of `Segmenter.open`."""
    return {name: getattr(options, name)
            for name in ('weights', 'engine', 'input_size', 'precision', 'resize', 'upsample',
                         'confidence')}


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add what is written and how absent classes count."""
    group = parser.add_argument_group('results')
    group.add_argument('--csv', type=Path, metavar='FILE', help='one line per frame')
    group.add_argument('--report', type=Path, metavar='FILE', help='HTML report')
    group.add_argument('--labels', type=Path, metavar='DIR',
                       help='keep the labels as PNG: a later --compare shows them, --predictions scores them')
    group.add_argument('--compare', type=Path, nargs='+', default=[], metavar='JSON',
                       help='earlier results to compare with')
    group.add_argument('--tags', type=Path, metavar='CSV',
                       help='frame,weather,light: scores apart for each value of each column but the first')
    group.add_argument('--latency', type=Path, metavar='FILE',
                       help="latency_node's recording, for the report")
    group.add_argument('--absent', default='skip', choices=ABSENT,
                       help='classes with neither truth nor prediction: skip them in means, or count zero')
    group.add_argument('--flow', action='store_true',
                       help='measure flicker by optical flow where there are no annotations for it (slow)')


def add_gates(parser: argparse.ArgumentParser) -> None:
    """Add what a result must reach; where it does not, the exit code is 1."""
    group = parser.add_argument_group('gates (exit code 1 where one is not met)')
    group.add_argument('--fail-under', action='append', default=[], metavar='NAME=VALUE',
                       help='least value of a score of the JSON: mean_iou=0.70, class_iou.Pedestrian=0.5')
    group.add_argument('--min-coverage', type=cli.number(float, 0, 1), metavar='SHARE',
                       help='least share of the annotated frames that must be evaluated: 0.99')
    group.add_argument('--baseline', type=Path, metavar='JSON',
                       help='an earlier result: mean IoU and no class may be worse')
    group.add_argument('--tolerance', type=cli.number(float, 0, 1), default=0.0, metavar='SHARE',
                       help='how much lower than the baseline is accepted: 0.01')
    group.add_argument('--junit', type=Path, metavar='FILE', help='the gates as JUnit XML')


class Beside:
    """What earlier runs left, read before any work is done, so that a bad file is reported at once."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Read; InputError where a file is not what it should be."""
        if options.confidence and options.predictions is not None:
            raise InputError('--calibration needs the network: it does not go with --predictions')
        if options.labels and options.predictions is not None:
            raise InputError('--labels keeps what is segmented; the labels of --predictions are kept already')
        self.others = [(path.name, read_json(path)) for path in options.compare]
        options.before = []     # workers get the options, and keep the pictures of what changed
        for path, (_, other) in zip(options.compare, self.others):
            check(other, str(path))
            if options.report:
                options.before.append(before(other, str(path)))
        self.latency = read_summary(options.latency) if options.latency else None
        self.thresholds = [gates.threshold(text) for text in options.fail_under]
        self.baseline = read_json(options.baseline) if options.baseline else None
        if options.baseline:
            check(self.baseline, str(options.baseline))
        if options.junit and not (self.thresholds or options.baseline or options.min_coverage is not None):
            raise InputError('--junit needs a gate: --fail-under, --min-coverage or --baseline')


def publish(result: Dict[str, Any], evaluator: Evaluator, options: argparse.Namespace, beside: Beside) -> int:
    """Print the result, compared with earlier ones, and write what the options ask for.

    Return the exit code: 1 where a gate is not met.
    """
    judged = gates.judge(result, beside.thresholds, options.min_coverage, beside.baseline, options.tolerance,
                         str(options.baseline))
    if judged:
        result = dict(result, gates=[gate._asdict() for gate in judged])
    print(summary(result))
    if options.labels:
        result['provenance']['labels'] = str(options.labels.absolute())
    for name, other in beside.others:
        print('\n' + comparison_text(compare(result, other, name)))
    if 'json' in options:
        write_json(options.json, result)
    if options.report:
        from ..reports.html import write_report
        write_report(options.report, result, evaluator.examples, latency=beside.latency, others=beside.others,
                     changes=evaluator.changes)
    if options.junit:
        write_bytes(options.junit, gates.junit(judged), 'the JUnit file was')
    if judged:
        print('\n' + gates.gates_text(judged))
    return cli.EXIT_GATE if not all(gate.passed for gate in judged) else 0
