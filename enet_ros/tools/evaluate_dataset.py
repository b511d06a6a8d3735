"""Score a data-set folder: its images segmented, or label images that are there, against its annotations."""

import argparse
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

import numpy as np

from .. import cli
from ..datasets import LAYOUTS, open_dataset
from ..datasets.label_files import CODINGS, LabelWriter, Predictions, submission
from ..datasets.sample import Dataset, Sample
from ..errors import InputError
from ..evaluation import sharding
from ..evaluation.examples import FrameScore
from ..evaluation.offline import Coverage, Evaluation, Frame, dataset_frames, evaluate, provenance
from ..metrics.slices import read_tags
from ..reports.frames import FrameCsv
from . import scoring

PARTS_A_JOB = 4     # so that the others do not wait long for a slow part


def arguments() -> argparse.ArgumentParser:
    """Return the tool's parser."""
    parser = cli.parser('evaluate_dataset', __doc__.splitlines()[0], scoring.NEEDS)
    parser.add_argument('root', metavar='ROOT', help="the data set's folder, or 'synthetic'")
    parser.add_argument('--split', help='train, val or test; without it every frame')
    parser.add_argument('--layout', choices=LAYOUTS, help='what the folder is, where it is not recognised')
    parser.add_argument('--classes', type=scoring.class_table, help='class table (YAML) of your own folder')
    parser.add_argument('--jobs', type=cli.count, default=1, metavar='N', help='processes to use')
    parser.add_argument('--frames', type=cli.count, help='score only that many frames, spread evenly')
    scoring.add_segmenting(parser)
    ready = parser.add_argument_group('scoring existing labels')
    ready.add_argument('--predictions', type=Path, metavar='DIR',
                       help='label images <name>*.png, instead of segmenting')
    ready.add_argument('--coding', default='trainIds', choices=CODINGS,
                       help="their values: class indices, or the data set's own ids (Cityscapes' labelIds)")
    ready.add_argument('--prediction-classes', type=scoring.class_table, metavar='TABLE',
                       help="class table of the predictions, where it is not the data set's")
    scoring.add_results(parser)
    scoring.add_gates(parser)
    parser.add_argument('--submission', type=Path, metavar='DIR',
                        help='write label images for the Cityscapes test server: labelIds, full resolution')
    return parser


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool."""
    options = arguments().parse_args(argv)
    open_dataset(options.root, options.split, options.layout, options.classes)      # before anything is begun
    beside = scoring.Beside(options)
    csv = FrameCsv(options.csv) if options.csv else None
    outcome, written = _score_all(options, csv.write if csv else None)
    if csv is not None:
        csv.close()
        if csv.loss:
            outcome.coverage.tell(csv.loss)
    if not outcome.coverage.frames_evaluated and not written:
        problems = list(outcome.coverage.problems) or [f'{options.root}: no annotations there']
        raise InputError(f'nothing could be scored: {problems[0]}')
    code = scoring.publish(outcome.to_json(options.absent), outcome.evaluator, options, beside)
    if written:
        print(f'{written} label images written to {options.submission}')
    return cli.EXIT_INPUT if csv is not None and csv.loss else code


def _score_all(options: argparse.Namespace,
               on_frame: Optional[Callable[[FrameScore], None]]) -> Tuple[Evaluation, int]:
    """Score here or in several processes; return the outcome and how many files were written to submit."""
    if options.jobs == 1:
        return _score_part(options, on_frame=on_frame)
    parts = PARTS_A_JOB * options.jobs
    tasks = [(options, part, parts) for part in range(parts)]
    results = sharding.run_in_processes(_worker, tasks, options.jobs)
    outcomes, written = [], 0
    for outcome, count, rows in cli.progress(results, 'frames', parts, 'part'):
        outcomes.append(outcome)
        written += count
        for row in rows if on_frame else ():
            on_frame(row)       # type: ignore[misc]
    return sharding.merge(outcomes), written


def _worker(task: Tuple[argparse.Namespace, int, int]) -> Tuple[Evaluation, int, List[FrameScore]]:
    rows: List[FrameScore] = []
    outcome, written = _score_part(*task, on_frame=rows.append)
    return outcome, written, rows if task[0].csv else []


def _score_part(options: argparse.Namespace, part: int = 0, parts: int = 1,
                on_frame: Optional[Callable[[FrameScore], None]] = None) -> Tuple[Evaluation, int]:
    """Score one of some parts of consecutive frames."""
    dataset = open_dataset(options.root, options.split, options.layout, options.classes)
    count = len(dataset) if options.frames is None else min(options.frames, len(dataset))
    own = range(count * part // parts, count * (part + 1) // parts)
    places = [place * len(dataset) // count for place in own]
    kept = {'on_frame': on_frame, 'flow': options.flow, 'compared': options.before,
            'examples': 6 if options.report else 0, 'tags': read_tags(options.tags) if options.tags else {}}
    shown = cli.progress(places, 'frames', len(places)) if parts == 1 else places
    return (_score_files if options.predictions else _segment)(dataset, shown, options, kept)


def _segment(dataset: Dataset, places: Iterable[int], options: argparse.Namespace,
             kept: Dict[str, Any]) -> Tuple[Evaluation, int]:
    """Segment and score."""
    arguments = scoring.segmenter_options(options)
    if options.jobs > 1:
        arguments['threads'] = max(1, (os.cpu_count() or 1) // options.jobs)
    segmenter = sharding.open_segmenter(tuple(arguments.items()))
    files = [LabelWriter(options.labels)] if options.labels else []
    if options.submission:
        files.append(submission(options.submission, segmenter.classes, dataset.classes))

    def write(frame: Frame, labels: np.ndarray) -> None:
        for writer in files:
            writer.write(frame, labels)
    coverage = Coverage(matching={'by': 'dataset'})
    frames = dataset_frames(_samples(dataset, places, coverage), None, coverage)
    outcome = evaluate(frames, segmenter.classes, dataset.classes, segmenter, coverage=coverage,
                       on_labels=write, **kept)
    outcome.provenance = provenance(segmenter, **_sources(dataset, options))
    outcome.provenance['engine_reason'] = getattr(segmenter.engine, 'reason', None)
    return outcome, files[-1].written if options.submission else 0


def _score_files(dataset: Dataset, places: Iterable[int], options: argparse.Namespace,
                 kept: Dict[str, Any]) -> Tuple[Evaluation, int]:
    """Score the label images of --predictions."""
    classes = options.prediction_classes or dataset.classes
    predictions = Predictions(options.predictions, classes, options.coding)
    coverage = Coverage(matching={'by': 'name'})
    frames = dataset_frames(_samples(dataset, places, coverage, read=_without_image),
                            lambda sample: predictions.read(sample.name), coverage)
    outcome = evaluate(frames, classes, dataset.classes, coverage=coverage,
                       label_ids=options.coding == 'labelIds', **kept)
    complaint = predictions.complaint()
    if complaint:
        coverage.tell(complaint)
    outcome.provenance = provenance(predictions=f'{options.predictions} ({options.coding})',
                                    labels=str(options.predictions.absolute())
                                    if options.coding == 'trainIds' else None,
                                    **_sources(dataset, options))
    return outcome, 0


def _without_image(dataset: Dataset, index: int) -> Sample:
    """Return a sample whose image is only decoded where the report shows it, or the flow needs it."""
    def image() -> Any:
        try:
            return dataset[index].image
        except InputError:
            return None
    return dataset.annotation(index)._replace(image=image)  # type: ignore[arg-type]  # called where needed


def _samples(dataset: Dataset, places: Iterable[int], coverage: Coverage,
             read: Optional[Callable[[Dataset, int], Sample]] = None) -> Iterator[Sample]:
    """Yield the samples at some places; one that cannot be read is reported and left out."""
    for place in places:
        try:
            yield read(dataset, place) if read else dataset[place]
        except InputError as error:
            coverage.frames_in += 1
            coverage.drop('refused')
            coverage.tell(str(error))


def _sources(dataset: Dataset, options: argparse.Namespace) -> Dict[str, Any]:
    return {'source': '{} {}'.format(dataset.name, options.split or '(all frames)'),
            'dataset': str(options.root), 'split': options.split}
