"""A segmenter, or labels that exist already, over a data set or a bag: matched, scored, accounted for.

    outcome = evaluate_dataset(dataset, segmenter)
    outcome = evaluate_bag(Choice('drive', truth='/camera/ground_truth'), segmenter)
    outcome.to_json()               # every score, coverage and provenance, by the names of the tools' JSON
    outcome.evaluator.examples           # the best and worst frames with their pictures, for a report

Both give `evaluate` frames of one form, so that they are scored by the same lines of code and agree bit for
bit.
"""

from dataclasses import dataclass, field
import platform
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

import cv2
import numpy as np

from ..bags.matching import Choice, Source
from ..bags.reading import open_bag
from ..classes import ClassTable
from ..cli import command
from ..errors import InputError
from ..geometry import fit
from ..metrics.coverage import Coverage, Frame
from ..metrics.percentiles import percentiles
from .evaluator import Evaluator, FrameScore

__all__ = ['Choice', 'Coverage', 'Evaluation', 'Frame', 'evaluate', 'evaluate_bag', 'evaluate_dataset',
           'provenance']


@dataclass
class Evaluation:
    """The outcome of `evaluate`: scores, coverage, timing and where it all came from."""

    evaluator: Evaluator
    coverage: Coverage
    latency_ms: List[float] = field(default_factory=list)   # of segmenting, one per frame; newest 100,000
    provenance: Dict[str, Any] = field(default_factory=dict)

    def merge(self, other: 'Evaluation') -> 'Evaluation':
        """Add another part's frames after this one's; return self."""
        self.evaluator.merge(other.evaluator)
        self.coverage.merge(other.coverage)
        self.latency_ms += other.latency_ms
        return self

    def to_json(self, absent: str = 'skip') -> Dict[str, Any]:
        """Return everything for `json_files.write_json`.

        The keys of `Evaluator.result` (scores, intervals, `confusion` with `classes`, `counts`, `timeline`,
        `parts`), of `Coverage.to_dict`, and `latency_ms`, `rate_hz`, `engine`, `weights`, `provenance`.
        """
        result = self.evaluator.result(absent)
        result.update(self.coverage.to_dict())
        if self.latency_ms:
            result['latency_ms'] = percentiles(self.latency_ms)
            result['rate_hz'] = 1000.0 * len(self.latency_ms) / max(sum(self.latency_ms), 1e-9)
        result['engine'] = self.provenance.get('engine')
        result['weights'] = self.provenance.get('weights')
        result['provenance'] = self.provenance
        return result

    @classmethod
    def from_json(cls, data: Mapping[str, Any], origin: str = 'result') -> 'Evaluation':
        """Restore an earlier JSON, to merge it; without its single latencies and pictures."""
        if not isinstance(data, Mapping) or 'parts' not in data:
            raise InputError(f'{origin}: not a result of an evaluation (it has no `parts`)')
        return cls(Evaluator.restore(data['parts'], origin), Coverage.from_dict(data, origin), [],
                   dict(data.get('provenance') or {}))


def evaluate(frames: Iterable[Frame], predicted: ClassTable, true: ClassTable, segmenter: Any = None,
             on_frame: Optional[Callable[[FrameScore], None]] = None, coverage: Optional[Coverage] = None,
             on_labels: Optional[Callable[[Frame, np.ndarray], None]] = None, **options: Any) -> Evaluation:
    """Score frames as they come, in memory that does not grow with their number.

    A frame with an image and no prediction is segmented by `segmenter` (a `Segmenter`); one without truth
    only counts for temporal consistency. `predicted` and `true` are the codings of predictions and truth,
    `on_frame` is called with each frame's own score, `on_labels` with each frame and its (H, W) uint8
    labels before they are scored, `coverage` is an account that the source of the frames
    keeps as well, and `options` go to `Evaluator`. Labels of another size than the truth are brought to it by
    the nearest pixel, and `problems` notes it; InputError where the two codings cannot be compared.
    """
    coverage = Coverage() if coverage is None else coverage
    outcome = Evaluation(Evaluator(predicted, true, **options), coverage)
    for frame in frames:
        coverage.frames_in += 1
        try:
            prediction, confidence = frame.prediction, None
            if prediction is None:
                prediction, confidence = _segment(frame, segmenter, outcome)
            if on_labels is not None:
                on_labels(frame, prediction)
            score = _score(frame, prediction, outcome, confidence)
        except InputError as error:
            coverage.drop('refused')
            coverage.tell(str(error))
            continue
        if score is not None and on_frame is not None:
            on_frame(score)
    suspicion = outcome.evaluator.suspicion()
    if suspicion:
        coverage.tell(suspicion)
    return outcome


def _segment(frame: Frame, segmenter: Any,
             outcome: Evaluation) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    if segmenter is None or frame.image is None:
        raise InputError('frame without a prediction and without an image to segment')
    confidence = None
    if segmenter.engine.calibration is None:
        labels, times = segmenter.timed(frame.image, frame.order)
    else:
        labels, confidence, times = segmenter.confidence(frame.image, frame.order)
    outcome.coverage.frames_segmented += 1
    outcome.latency_ms.append((times.postprocessed - times.started) / 1e6)
    del outcome.latency_ms[:-100000]
    return labels, confidence


def _score(frame: Frame, prediction: np.ndarray, outcome: Evaluation,
           confidence: Optional[np.ndarray]) -> Optional[FrameScore]:
    coverage, evaluator = outcome.coverage, outcome.evaluator
    image = frame.image
    if image is not None and frame.order == 'bgr':
        image = np.ascontiguousarray(image[:, :, ::-1])
    if frame.truth is None:
        evaluator.pass_by(prediction, frame.sequence, frame.stamp, image)
        coverage.prediction_without_truth += 1
        return None
    if prediction.shape != frame.truth.shape:
        if confidence is not None:
            confidence = fit(frame.truth.shape, confidence.shape, 'stretch').to_image(confidence)
        prediction = _to_size_of(frame.truth, prediction, coverage)
    score = evaluator.add(prediction, frame.truth, frame.name, frame.sequence, frame.stamp, image,
                          frame.instances, confidence)
    coverage.frames_evaluated += 1
    return score


def _to_size_of(truth: np.ndarray, prediction: np.ndarray, coverage: Coverage) -> np.ndarray:
    (height, width), (rows, columns) = truth.shape, prediction.shape
    sizes = f'labels are {rows}x{columns}, truth {height}x{width}'
    if abs(width * rows - height * columns) > 0.02 * width * rows:
        raise InputError(sizes + ': another shape, not scored')
    coverage.tell(sizes + ': labels resized by nearest pixel')
    return fit(truth.shape, prediction.shape, 'stretch').to_image(prediction)


def evaluate_dataset(dataset: Any, segmenter: Any = None,
                     predict: Optional[Callable[[Any], np.ndarray]] = None,
                     predicted: Optional[ClassTable] = None, **options: Any) -> Evaluation:
    """Score a data set (or any iterable of Samples with `classes`) frame by frame.

    `predict` gives a Sample's labels where they exist already, coded as `predicted`; where it raises
    InputError, that truth has no prediction. `options` are those of `evaluate`.
    """
    coverage = Coverage(matching={'by': 'dataset'})
    table = predicted or (dataset.classes if segmenter is None else segmenter.classes)
    frames = dataset_frames(dataset, predict, coverage)
    return evaluate(frames, table, dataset.classes, segmenter, coverage=coverage, **options)


def dataset_frames(samples: Iterable[Any], predict: Optional[Callable[[Any], np.ndarray]],
                   coverage: Coverage) -> Iterator[Frame]:
    """Yield samples as frames; what `predict` cannot give goes into `coverage`."""
    for sample in samples:
        coverage.truth_frames += sample.label is not None
        prediction = None
        if predict is not None:
            try:
                prediction = predict(sample)
            except InputError as error:
                coverage.truth_without_prediction += sample.label is not None
                coverage.tell(str(error))
                continue
        yield Frame(sample.name, sample.sequence, sample.stamp, sample.image, 'rgb', prediction, sample.label,
                    sample.instances)


def evaluate_bag(choice: Choice, segmenter: Any = None, predicted: Optional[ClassTable] = None,
                 watch: Optional[Callable[[Iterable[Frame]], Iterable[Frame]]] = None,
                 **options: Any) -> Evaluation:
    """Score the frames of a bag.

    `predicted` is the coding of the predictions where those are scored; the truth's if None. `watch` may
    wrap the frames, to show progress. `options` are those of `evaluate`. InputError where the bag or what is
    chosen of it does not fit.
    """
    with open_bag(choice.bag) as bag:
        source, coverage = Source(bag, choice), Coverage()
        table = segmenter.classes if choice.predictions is None else predicted or source.true
        table.mapping_to(source.true)       # InputError before any work is done
        frames: Iterable[Frame] = source.frames(coverage, table)
        return evaluate(watch(frames) if watch else frames, table, source.true, segmenter, coverage=coverage,
                        **options)


def provenance(segmenter: Any = None, **sources: Any) -> Dict[str, Any]:
    """Return what makes a result reproducible: command, versions, weights by hash, engine; plus `sources`."""
    from .. import __version__
    record: Dict[str, Any] = {
        'command': command(),
        'versions': {'enet_ros': __version__, 'python': platform.python_version(), 'numpy': np.__version__,
                     'opencv': cv2.__version__},
        'machine': f'{platform.system()} {platform.machine()}'}
    if segmenter is not None:
        checkpoint, engine = segmenter.checkpoint, segmenter.engine
        record['engine'] = f'{engine.name} {engine.precision}'
        record['input_size'] = list(engine.input_size)
        record['upsample'], record['resize'] = segmenter.upsample, segmenter.resize
        if checkpoint is not None:
            record['weights'] = f'{checkpoint.origin} (sha256 {checkpoint.sha256})'
    record.update(sources)
    return record
