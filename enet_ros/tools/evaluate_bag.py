"""``evaluate_bag``: every frame of one bag or several segmented, matched with annotations, scored."""

import argparse
from contextlib import ExitStack
import os
from pathlib import Path
import sys
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from .. import cli
from ..bags.matching import Choice, frame_topic
from ..bags.reading import open_bag
from ..bags.truth import tolerance
from ..datasets.label_files import file_name
from ..errors import InputError
from ..evaluation import sharding
from ..evaluation.examples import FrameScore
from ..evaluation.offline import Evaluation, provenance
from ..evaluation.resume import Finished
from ..json_files import read_json
from ..metrics.slices import read_tags
from ..reports.frames import FrameCsv
from . import scoring

EPILOG = """The truth is a topic of the bag with the images' own stamps (--truth; by default the one called
ground_truth), or a data-set folder (--truth-folder) whose frames are matched by the bag's frames.csv
or --sidecar, else by frame name, else by the nearest stamp within half a frame period."""


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = cli.parser('evaluate_bag', __doc__.split(': ', 1)[1].strip(), scoring.NEEDS, epilog=EPILOG)
    parser.add_argument('bags', nargs='*', metavar='BAG', help='rosbag2 folder, .mcap or .db3 file')
    frames = parser.add_argument_group('what is scored')
    frames.add_argument('--image', metavar='TOPIC', help='the camera, where the bag has several')
    frames.add_argument('--predictions', metavar='TOPIC', help='score these labels instead of segmenting')
    frames.add_argument('--prediction-classes', metavar='TABLE',
                        help="class table of the predictions; the truth's if not given")
    frames.add_argument('--coding', choices=('trainIds', 'labelIds'), default='trainIds',
                        help="of the predictions: class indices, or the data set's own file values")
    scoring.add_segmenting(parser)
    truth = parser.add_argument_group('truth')
    truth.add_argument('--truth', metavar='TOPIC', help='ground truth in the bag')
    truth.add_argument('--instances', metavar='TOPIC',
                       help='numbers of the objects, for iIoU; by default the topic called instances')
    truth.add_argument('--truth-folder', metavar='DIR', help='data-set folder with the annotations')
    truth.add_argument('--split', help='of that folder')
    truth.add_argument('--truth-classes', metavar='TABLE',
                       help="class table of the truth; the bag's if not given")
    truth.add_argument('--truth-coding', choices=('trainIds', 'labelIds'), default='trainIds',
                       help='of the truth topic')
    truth.add_argument('--match', default='exact', metavar='exact|nearest:MS',
                       help='stamps of a truth topic: equal (exact), or within MS milliseconds')
    truth.add_argument('--sidecar', metavar='FILE', help='CSV with filename,stamp,sequence')
    truth.add_argument('--truth-offset', type=float, default=0.0, metavar='S',
                       help="added to the folder's times before they are compared with stamps")
    work = parser.add_argument_group('how')
    work.add_argument('--jobs', type=cli.count, default=1, metavar='N', help='processes to share the frames')
    work.add_argument('--scheduler', metavar='tcp://HOST:PORT', help='Dask cluster to share the frames')
    work.add_argument('--merge', nargs='+', default=[], metavar='JSON',
                      help='add earlier results (their --json)')
    work.add_argument('--boundary', action='store_true', help='boundary IoU too (twice the time)')
    scoring.add_results(parser)
    scoring.add_gates(parser)
    return parser


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Score; exit code 1 where a gate is not met, 2 where the input is wrong or a bag could not be scored."""
    options = arguments().parse_args(argv)
    if not options.bags and not options.merge:
        raise InputError('name a bag, or earlier results with --merge')
    beside = scoring.Beside(options)
    evaluations: List[Tuple[str, Evaluation]] = []
    failed: List[str] = []
    _check_once(options.bags)
    bags: Dict[str, Any] = {}
    for path in options.merge:
        data = read_json(path)
        evaluations.append((path, Evaluation.from_json(data, path)))
        bags[path] = data.get('bags')
    several = len(options.bags) > 1
    finished = Finished(Path(f'{options.json}.parts') if several and 'json' in options else None)
    with ExitStack() as stack:
        table = stack.enter_context(FrameCsv(options.csv)) if options.csv else None
        found = outcomes(options, finished, table.write if table else None)
        for path, outcome in cli.progress(found, 'bags', len(options.bags), 'bag') if several else found:
            if isinstance(outcome, Evaluation):
                evaluations.append((path, outcome))
                continue
            if len(options.bags) + len(options.merge) == 1:
                raise InputError(outcome)
            failed.append(outcome)
            print(f'error: {outcome}', file=sys.stderr)
    if finished.resumed:
        print(f'{finished.resumed} bags were scored by an earlier run of this command; a report shows no '
              'pictures of them', file=sys.stderr)
    if table is not None and table.loss:
        failed.append(table.loss)
        print(f'error: {table.loss}', file=sys.stderr)
    sharding.distinguish(evaluations)
    result, total = merged(evaluations, bags, failed, options)
    code = scoring.publish(result, total.evaluator, options, beside)
    finished.close()
    return cli.EXIT_INPUT if failed else code


def outcomes(options: argparse.Namespace, finished: Finished,
             on_frame: Optional[Callable[[FrameScore], None]]
             ) -> Iterator[Tuple[str, Union[Evaluation, str]]]:
    """Yield each bag's evaluation, or in one line why it has none, in their order.

    With several processes, or on a cluster, the parts of all bags are in one queue. Each finished bag is kept
    at once.
    """
    known = {path: finished.take(job(path, options)) for path in options.bags}
    plans: Dict[str, List[sharding.Job]] = {}
    for path in options.bags if options.jobs > 1 or options.scheduler else ():
        if known[path] is None:
            plans[path] = _cut(path, options)
    queue = [part for plan in plans.values() for part in plan]
    parts: Iterator[Union[sharding.Part, str]] = iter(())
    if options.scheduler and queue:
        parts = sharding.run_on_cluster(queue, options.scheduler)
    elif queue:
        parts = sharding.run_in_processes(sharding.attempt, queue, min(options.jobs, len(queue)))
    if len(options.bags) == 1 and len(queue) > 1:
        parts = cli.progress(parts, Path(options.bags[0]).name, len(queue), 'part')
    for path in options.bags:
        part, live = known[path], on_frame
        if part is None:
            if path in plans:
                done = [next(parts) for _ in plans[path]]
            else:
                done, live = [_run_here(path, options, on_frame)], None
            failed = [one for one in done if isinstance(one, str)]
            whole = [one for one in done if isinstance(one, sharding.Part)]
            if failed:
                yield path, failed[0]
                continue
            part = sharding.Part(sharding.merge(one.evaluation for one in whole),
                                 [row for one in whole for row in one.rows])
            part.evaluation.provenance['bag'] = path
            finished.keep(job(path, options), part)
        for row in part.rows if live else ():
            live(row)       # type: ignore[misc]  # not None, or there would be no loop
        coverage = part.evaluation.coverage
        yield path, part.evaluation if coverage.frames_evaluated else (
            '{}: no annotation met a frame: {} frames, {} annotations, matched by {}{}'.format(
                path, coverage.frames_in, coverage.truth_frames, coverage.matching.get('by'),
                ''.join('; ' + problem for problem in list(coverage.problems)[:3])))


def _cut(path: str, options: argparse.Namespace) -> List[sharding.Job]:
    """Return the parts of a bag: as many as keep every process busy, one where there are many bags."""
    workers = options.jobs if options.jobs > 1 else 16
    try:
        return sharding.cut(job(path, options), -(-workers // len(options.bags)))
    except InputError:      # reported when it is tried
        return [job(path, options)]


def _run_here(path: str, options: argparse.Namespace,
              on_frame: Optional[Callable[[FrameScore], None]]) -> Union[sharding.Part, str]:
    """Score one bag in this process."""
    work = job(path, options)
    try:
        with open_bag(path) as bag:
            count = bag.topics[frame_topic(bag, work.choice)].count
        return sharding.run(work, on_frame, lambda frames: cli.progress(
            frames, Path(path).name, count if count >= 0 else None))
    except InputError as error:
        return str(error)


def job(path: str, options: argparse.Namespace) -> sharding.Job:
    """Return the work that the options ask for, for one bag."""
    choice = Choice(path, options.image, options.predictions, options.truth, options.instances,
                    options.truth_folder, options.split, options.truth_classes,
                    options.truth_coding == 'labelIds', options.sidecar, options.truth_offset,
                    bool(options.report) or options.flow, tolerance(options.match))
    segmenter = scoring.segmenter_options(options) if options.predictions is None else {}
    if segmenter and options.jobs > 1:
        segmenter['threads'] = max(1, (os.cpu_count() or 1) // options.jobs)
    labels = options.labels
    if labels is not None and len(options.bags) > 1:    # frames of two bags may have one name
        labels /= file_name(path)
    counting = {'label_ids': options.predictions is not None and options.coding == 'labelIds',
                'boundary': options.boundary, 'flow': options.flow,
                'examples': 6 if options.report else 0, 'compared': options.before,
                'tags': read_tags(options.tags) if options.tags else {}}
    return sharding.Job(choice, tuple(segmenter.items()), options.prediction_classes, tuple(counting.items()),
                        options.csv is not None, str(labels) if labels else None)


def _check_once(bags: List[str]) -> None:
    """Raise InputError where one bag is named twice, under one name or two."""
    real = [os.path.realpath(path) for path in bags]
    for place, path in enumerate(real):
        if path in real[:place]:
            raise InputError(f'{bags[place]}: named twice, and would count twice')


def merged(evaluations: List[Tuple[str, Evaluation]], known: Mapping[str, Any], failed: List[str],
           options: argparse.Namespace) -> Tuple[Dict[str, Any], Evaluation]:
    """Return the JSON of all bags together, each bag's own numbers in `bags`, and the merged evaluation.

    `known` are the `bags` of earlier results, which name their own.
    """
    bags: List[Dict[str, Any]] = []
    for path, evaluation in evaluations:
        scores = evaluation.evaluator.confusion.scores(evaluation.evaluator.classes, options.absent)
        bags += known.get(path) or [dict(
            evaluation.coverage.to_dict(), bag=path, mean_iou=scores['mean_iou'],
            global_accuracy=scores['global_accuracy'])]
    total = sharding.merge(evaluation for _, evaluation in evaluations)
    for problem in failed:
        total.coverage.tell(problem)
    names = [str(bag['bag']) for bag in bags]
    total.provenance = dict(total.provenance, **provenance(bag=', '.join(names)))
    return dict(total.to_json(options.absent), bags=bags), total
