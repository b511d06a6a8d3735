"""Score a data-set folder: its images segmented, or label images that are there, against its annotations."""

import argparse
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .. import cli
from ..classes import ClassTable
from ..datasets import LAYOUTS, open_dataset
from ..datasets.label_files import CODINGS, Predictions, Submission
from ..datasets.sample import Dataset, Sample
from ..errors import InputError
from ..evaluation.offline import Coverage, Evaluation, dataset_frames, evaluate, provenance
from ..reports.frames import FrameCsv
from ..segmenter import Segmenter
from . import scoring


def arguments() -> argparse.ArgumentParser:
    """Return the tool's parser."""
    parser = cli.parser('evaluate_dataset', __doc__.splitlines()[0], scoring.NEEDS)
    parser.add_argument('root', metavar='ROOT', help="the data set's folder, or 'synthetic'")
    parser.add_argument('--split', help='train, val or test; without it every frame')
    parser.add_argument('--layout', choices=LAYOUTS, help='what the folder is, where it does not show')
    parser.add_argument('--classes', type=ClassTable.load, help="class table of a user's own folder (YAML)")
    parser.add_argument('--frames', type=_positive, help='score only that many frames, spread evenly')
    scoring.add_segmenting(parser)
    ready = parser.add_argument_group('scoring labels that are there')
    ready.add_argument('--predictions', type=Path, metavar='DIR',
                       help='label images <name>*.png, instead of segmenting')
    ready.add_argument('--coding', default='trainIds', choices=CODINGS,
                       help="their values: class indices, or the data set's own ids (Cityscapes' labelIds)")
    ready.add_argument('--prediction-classes', type=ClassTable.load, metavar='TABLE',
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
    dataset = open_dataset(options.root, options.split, options.layout, options.classes)
    beside = scoring.Beside(options)
    if options.predictions:
        outcome, written = _score_files(dataset, options), 0
    else:
        outcome, written = _segment(dataset, options)
    if not outcome.coverage.frames_evaluated and not written:
        problems = list(outcome.coverage.problems) or [f'{options.root}: no annotations there']
        raise InputError(f'nothing could be scored: {problems[0]}')
    code = scoring.publish(outcome.to_json(options.absent), outcome.evaluator.examples, options, beside)
    if written:
        print(f'{written} label images written to {options.submission}')
    return cli.EXIT_INPUT if 'failed' in options else code


def _segment(dataset: Dataset, options: argparse.Namespace) -> Tuple[Evaluation, int]:
    """Segment and score; return the outcome and how many files of a submission were written."""
    with Segmenter.open(**scoring.segmenter_options(options)) as segmenter:
        submission = None
        if options.submission:
            submission = Submission(options.submission, segmenter.classes, dataset.classes)
        coverage = Coverage(matching={'by': 'dataset'})
        frames = dataset_frames(_samples(dataset, options.frames, coverage), None, coverage)
        outcome = _evaluate(frames, segmenter.classes, dataset, coverage, options, segmenter=segmenter,
                            on_labels=submission.write if submission else None)
        outcome.provenance = provenance(segmenter, **_sources(dataset, options))
        outcome.provenance['engine_reason'] = getattr(segmenter.engine, 'reason', None)
    return outcome, submission.written if submission else 0


def _score_files(dataset: Dataset, options: argparse.Namespace) -> Evaluation:
    """Score the label images of --predictions."""
    classes = options.prediction_classes or dataset.classes
    predictions = Predictions(options.predictions, classes, options.coding)
    coverage = Coverage(matching={'by': 'name'})
    frames = dataset_frames(_samples(dataset, options.frames, coverage, read=_without_image),
                            lambda sample: predictions.read(sample.name), coverage)
    outcome = _evaluate(frames, classes, dataset, coverage, options, label_ids=options.coding == 'labelIds')
    complaint = predictions.complaint()
    if complaint:
        coverage.tell(complaint)
    outcome.provenance = provenance(predictions=f'{options.predictions} ({options.coding})',
                                    **_sources(dataset, options))
    return outcome


def _evaluate(frames: Any, predicted: ClassTable, dataset: Dataset, coverage: Coverage,
              options: argparse.Namespace, **more: Any) -> Evaluation:
    csv = FrameCsv(options.csv) if options.csv else None
    try:
        return evaluate(frames, predicted, dataset.classes, on_frame=csv.write if csv else None,
                        coverage=coverage, flow=options.flow, examples=6 if options.report else 0, **more)
    finally:
        if csv is not None:
            csv.close()
            if csv.loss:
                coverage.tell(csv.loss)
                options.failed = True


def _with_image(dataset: Dataset, index: int) -> Sample:
    return dataset[index]


def _without_image(dataset: Dataset, index: int) -> Sample:
    """Return a sample whose image is only decoded where the report shows it, or the flow needs it."""
    def image() -> Any:
        try:
            return dataset[index].image
        except InputError:
            return None
    return dataset.annotation(index)._replace(image=image)


def _samples(dataset: Dataset, frames: Optional[int], coverage: Coverage,
             read: Callable[[Dataset, int], Sample] = _with_image) -> Iterator[Sample]:
    """Yield the samples with a progress bar; one that cannot be read is told and left out."""
    count = len(dataset) if frames is None else min(frames, len(dataset))
    for place in cli.progress(range(count), 'frames', count):
        try:
            yield read(dataset, place * len(dataset) // count)
        except InputError as error:
            coverage.frames_in += 1
            coverage.drop('refused')
            coverage.tell(str(error))


def _sources(dataset: Dataset, options: argparse.Namespace) -> Dict[str, Any]:
    return {'source': '{} {}'.format(dataset.name, options.split or '(all frames)'),
            'dataset': str(options.root), 'split': options.split}


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of frames")
    return int(text)
