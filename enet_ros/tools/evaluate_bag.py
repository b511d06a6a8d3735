"""``evaluate_bag``: every frame of one bag or several segmented, matched with annotations, scored."""

import argparse
from contextlib import ExitStack
from pathlib import Path
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple

from .. import sharding
from ..bags.matching import Choice, frame_topic
from ..bags.reading import open_bag
from ..deploy.factory import ENGINES, PRECISIONS
from ..errors import InputError
from ..evaluation import Evaluation, provenance
from ..metrics.gallery import FrameScore
from ..metrics.scores import ABSENT
from ..reports.comparison import compare, comparison_text
from ..reports.frames import FrameCsv
from ..reports.text import summary
from ..segmenter import UPSAMPLING
from . import cli

EPILOG = """The truth is a topic of the bag with the images' own stamps (--truth; found by itself where it is
called ground_truth), or a data-set folder (--truth-folder) whose frames are matched by the bag's frames.csv
or --sidecar, else by frame name, else by the nearest stamp within half a frame period."""


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = cli.parser('evaluate_bag', __doc__.split(': ', 1)[1].strip(), epilog=EPILOG)
    parser.add_argument('bags', nargs='*', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    frames = parser.add_argument_group('what is scored')
    frames.add_argument('--image', metavar='TOPIC', help='the camera, where the bag has several')
    frames.add_argument('--predictions', metavar='TOPIC', help='score these labels instead of segmenting')
    frames.add_argument('--classes', metavar='TABLE',
                        help="class table of the predictions; the truth's if not given")
    frames.add_argument('--coding', choices=('trainIds', 'labelIds'), default='trainIds',
                        help="of the predictions: class indices, or the data set's own file values")
    frames.add_argument('--weights', default='camvid', help='shipped name or .npz to segment with')
    frames.add_argument('--engine', choices=ENGINES, default='auto', help='what runs the network')
    frames.add_argument('--precision', choices=PRECISIONS, help="the engine's own choice if not given")
    frames.add_argument('--input-size', metavar='WxH', help="of the network; the training's if not given")
    frames.add_argument('--upsample', choices=UPSAMPLING, default='labels',
                        help='labels: as on the robot; logits: as the literature scores')
    truth = parser.add_argument_group('truth')
    truth.add_argument('--truth', metavar='TOPIC', help='ground truth in the bag')
    truth.add_argument('--truth-folder', metavar='DIR', help='data-set folder with the annotations')
    truth.add_argument('--split', help='of that folder')
    truth.add_argument('--truth-classes', metavar='TABLE',
                       help="class table of the truth; the bag's if not given")
    truth.add_argument('--truth-coding', choices=('trainIds', 'labelIds'), default='trainIds',
                       help='of the truth topic')
    truth.add_argument('--sidecar', metavar='FILE', help='CSV with filename,stamp,sequence')
    truth.add_argument('--truth-offset', type=float, default=0.0, metavar='S',
                       help="added to the folder's times before they are compared with stamps")
    work = parser.add_argument_group('how')
    work.add_argument('--jobs', type=int, default=1, metavar='N', help='processes to share the frames')
    work.add_argument('--scheduler', metavar='tcp://HOST:PORT', help='Dask cluster to share the frames')
    work.add_argument('--merge', nargs='+', default=[], metavar='JSON',
                      help='add earlier results (their --json)')
    work.add_argument('--absent', choices=ABSENT, default='skip',
                      help='classes that are nowhere are left out of means, or 0')
    work.add_argument('--boundary', action='store_true', help='boundary IoU too (twice the time)')
    out = parser.add_argument_group('what is written')
    out.add_argument('--csv', type=Path, metavar='FILE', help="every frame's score")
    out.add_argument('--report', type=Path, metavar='FILE', help='one HTML file to look at')
    out.add_argument('--compare', metavar='JSON',
                     help='an earlier result beside this one, with the difference')
    out.add_argument('--latency', metavar='JSON', help='summary of latency_node for the report')
    return parser


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Score; exit code 2 where the input is wrong, also where only some of several bags could be scored."""
    options = arguments().parse_args(argv)
    if not options.bags and not options.merge:
        raise InputError('name a bag, or earlier results with --merge')
    if options.jobs < 1:
        raise InputError('--jobs is 1 or more')
    earlier = {name: sharding.read_json(name) for name in (options.compare, options.latency) if name}
    evaluations: List[Tuple[str, Evaluation]] = []
    failed: List[str] = []
    for path in options.merge:
        evaluations.append((path, Evaluation.from_json(sharding.read_json(path), path)))
    with ExitStack() as stack:
        on_frame = stack.enter_context(FrameCsv(options.csv)).write if options.csv else None
        for path in options.bags:
            try:
                evaluations.append((path, score(path, options, on_frame)))
            except InputError as error:
                if len(options.bags) + len(options.merge) == 1:
                    raise
                failed.append(str(error))
                print('error: {}'.format(error), file=sys.stderr)
    result, total = merged(evaluations, failed, options)
    print(summary(result))
    tell(result, total, earlier, options)
    return cli.EXIT_INPUT if failed else 0


def score(path: str, options: argparse.Namespace,
          on_frame: Optional[Callable[[FrameScore], None]]) -> Evaluation:
    """Score one bag; InputError where it cannot be, or where no annotation met a frame."""
    jobs = [job(path, options)]
    if options.jobs > 1 or options.scheduler:
        jobs = sharding.cut(jobs[0], options.jobs if options.jobs > 1 else 16)
    if options.scheduler:
        parts = sharding.run_on_cluster(jobs, options.scheduler)
    elif len(jobs) > 1:
        parts = sharding.run_in_processes(jobs, options.jobs)
    else:
        with open_bag(path) as bag:
            count = bag.topics[frame_topic(bag, jobs[0].choice)].count
        parts = iter([sharding.run(jobs[0], on_frame, lambda frames: cli.progress(
            frames, Path(path).name, count if count >= 0 else None))])
    if len(jobs) > 1:
        parts = cli.progress(parts, Path(path).name, len(jobs), 'part')
    done = []
    for part in parts:
        done.append(part.evaluation)
        for row in part.rows if on_frame else ():
            on_frame(row)
    outcome = sharding.merge(done)
    coverage = outcome.coverage
    if not coverage.frames_evaluated:
        raise InputError('{}: no annotation met a frame: {} frames, {} annotations, matched by {}{}'.format(
            path, coverage.frames_in, coverage.truth_frames, coverage.matching.get('by'),
            ''.join('; ' + problem for problem in list(coverage.problems)[:3])))
    return outcome


def job(path: str, options: argparse.Namespace) -> sharding.Job:
    """Return the work that the options ask for, for one bag."""
    choice = Choice(path, options.image, options.predictions, options.truth, options.truth_folder,
                    options.split, options.truth_classes, options.truth_coding == 'labelIds', options.sidecar,
                    options.truth_offset, bool(options.report))
    segmenter: Dict[str, Any] = {}
    if options.predictions is None:
        segmenter = {'weights': options.weights, 'engine': options.engine, 'precision': options.precision,
                     'upsample': options.upsample, 'input_size': size(options.input_size)}
    tally = {'label_ids': options.predictions is not None and options.coding == 'labelIds',
             'boundary': options.boundary, 'exhibits': 6 if options.report else 0}
    return sharding.Job(choice, tuple(segmenter.items()), options.classes, tuple(tally.items()),
                        options.csv is not None)


def size(text: Optional[str]) -> Optional[Tuple[int, int]]:
    """Return WIDTHxHEIGHT as (height, width)."""
    if text is None:
        return None
    try:
        width, height = (int(part) for part in text.lower().split('x'))
    except ValueError:
        raise InputError('--input-size is WIDTHxHEIGHT, not {}'.format(text)) from None
    return height, width


def merged(evaluations: List[Tuple[str, Evaluation]], failed: List[str],
           options: argparse.Namespace) -> Tuple[Dict[str, Any], Evaluation]:
    """Return the JSON of all bags together, each bag's own numbers in `bags`, and the merged evaluation."""
    bags = [dict(evaluation.coverage.to_dict(), bag=path, mean_iou=scores['mean_iou'],
                 global_accuracy=scores['global_accuracy'])
            for path, evaluation in evaluations
            for scores in [evaluation.tally.confusion.scores(evaluation.tally.classes, options.absent)]]
    total = sharding.merge(evaluation for _, evaluation in evaluations)
    for problem in failed:
        total.coverage.tell(problem)
    names = [path for path, _ in evaluations]
    total.provenance = dict(total.provenance, **provenance(bag=', '.join(names)))
    return dict(total.to_json(options.absent), bags=bags), total


def tell(result: Dict[str, Any], total: Evaluation, earlier: Dict[str, Any],
         options: argparse.Namespace) -> None:
    """Write what was asked for."""
    other = earlier.get(options.compare)
    if other is not None:
        print('\n' + comparison_text(compare(result, other, Path(options.compare).stem)))
    if getattr(options, 'json', None):
        cli.write_json(options.json, result)
    if options.report:
        from ..reports.html import write_report
        write_report(options.report, result, total.tally.gallery, '', earlier.get(options.latency), other,
                     Path(options.compare).stem if options.compare else 'other')
