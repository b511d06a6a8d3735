"""Everything that is scored about a run of frames, frame by frame, in bounded memory and mergeable.

`Evaluator` is what evaluation of a bag, of a data set, of label files and of a live replay have in common:

    evaluator = Evaluator(predicted=segmenter.classes, true=dataset.classes)
    for ...:
        frame = evaluator.add(labels, truth, name, sequence, stamp, image=image)    # FrameScore, for a CSV
    result = evaluator.result()                 # the scores, by the keys that the tools' JSON uses
    evaluator.examples                           # the best and worst frames, for a report
    Evaluator.restore(result['parts'])          # from a JSON file, to merge shards: evaluator.merge(other)
"""

from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from ..metrics import bootstrap, scores
from ..metrics.boundary import DILATION, DILATIONS, BoundaryCounts
from ..metrics.calibration import CalibrationCounts
from ..metrics.confusion import ConfusionMatrix, same_size
from ..metrics.instance import CITYSCAPES_MEMBERS, CITYSCAPES_SIZES, InstanceCounts
from ..metrics.slices import MAX_VALUES, Slices, Tags, table
from ..metrics.temporal import TemporalConsistency
from .examples import Before, Examples, FrameScore, Picture

SCHEMA = 'enet_ros/evaluation 1'    # names the keys of a result; counted up where one changes its meaning
CHANGES = 3         # frames that lost most, and that gained most, against an earlier run
MAX_GAP = 0.2       # seconds; frames further apart are not consecutive


class Evaluator:
    """Scores of predictions against truth, in the coarser of their two codings."""

    def __init__(self, predicted: ClassTable, true: ClassTable, label_ids: bool = False,
                 boundary: bool = True, flow: bool = False, examples: int = 6,
                 tags: Optional[Tags] = None, compared: Sequence[Before] = ()) -> None:
        """Begin without frames.

        `predicted` and `true` are the class tables of the label images; InputError where they cannot be
        compared. With `label_ids` predictions hold the data set's own file values (Cityscapes' labelIds)
        instead of class indices. `boundary` adds boundary IoU; `flow` measures temporal consistency by
        optical flow where there is no truth to measure it by (slow). `examples` best and worst frames
        are kept for a report. `tags` give a frame's name the values by which scores are split. `compared` are
        earlier runs: `changes` then keeps the frames that lost and gained most against each.
        """
        self.predicted, self.true = predicted, true
        common = predicted.mapping_to(true)
        self.classes = common.classes
        codes = predicted.id_table() if label_ids else np.arange(256, dtype=np.uint8)
        self._prediction_lut, self._truth_lut = common.source[codes], common.target
        self.confusion = ConfusionMatrix(len(self.classes))
        self.blocks = bootstrap.BlockCounts()
        self.slices = Slices(tags or {})
        self.boundary = BoundaryCounts(
            len(self.classes), DILATIONS.get(true.name, DILATION)) if boundary else None
        self.temporal = TemporalConsistency(len(self.classes))
        self.calibration = CalibrationCounts()
        cityscapes = true.name == 'cityscapes'
        self.instances = InstanceCounts(
            self.classes, self._prediction_lut, common.target[true.id_table()] if cityscapes else None,
            CITYSCAPES_MEMBERS if label_ids and cityscapes else None)
        self.frames = self.pixels = 0
        self._used = np.zeros(256, bool) if label_ids else None     # values that predictions held
        self.examples = Examples(examples)
        self.changes = [Examples(CHANGES, before) for before in compared]
        self._flow = flow
        self._last: Tuple[str, Optional[float]] = ('', None)

    def add(self, prediction: np.ndarray, truth: np.ndarray, name: str = '', sequence: str = '',
            stamp: Optional[float] = None, image: Optional[Picture] = None,
            instances: Optional[np.ndarray] = None, confidence: Optional[np.ndarray] = None) -> FrameScore:
        """Score the next frame.

        `prediction` and `truth` are (H, W) uint8 labels, `image` (H, W, 3) uint8 RGB for the examples and
        the flow (or a function that gets it, called where it is needed), `instances` (H, W) int as in
        datasets.Sample, `confidence` (H, W) uint8 as of `Segmenter.confidence`. InputError where sizes
        differ; the frame is then not counted.
        """
        if instances is not None:
            same_size(instances, truth, 'instances')
        raw, prediction = prediction, self._apply(self._prediction_lut, prediction)
        truth = self._apply(self._truth_lut, truth)
        counts = self.confusion.update(prediction, truth)
        self.frames += 1
        self.pixels += truth.size
        if self._used is not None:
            self._used |= cv2.calcHist([raw], [0], None, [256], [0, 256]).ravel() > 0
        self.blocks.add(sequence, counts, name, stamp)
        self.slices.add(name, counts)
        if self.boundary is not None:
            self.boundary.update(prediction, truth)
        if confidence is not None:
            self.calibration.update(confidence, prediction, truth)
        if instances is not None:
            self.instances.update(raw, truth, instances)
        frame = FrameScore(name, sequence, stamp, int(counts.sum()), float(scores.mean_iou(counts)),
                           float(scores.global_accuracy(counts)),
                           self._flips(prediction, truth, image, sequence, stamp))
        for kept in [self.examples] + self.changes:
            kept.offer(frame, image, truth, prediction)
        return frame

    def pass_by(self, prediction: np.ndarray, sequence: str = '', stamp: Optional[float] = None,
                image: Optional[np.ndarray] = None) -> None:
        """Take a frame without truth: only its consistency with the previous frame can be measured."""
        self._flips(self._apply(self._prediction_lut, prediction), None, image, sequence, stamp)

    def suspicion(self) -> Optional[str]:
        """Return a warning where predictions named as labelIds hold only class indices, else None."""
        if self._used is None or self.predicted.ids == tuple(range(len(self.predicted))) or self._used[
                len(self.predicted):IGNORE].any() or self._used[:len(self.predicted)].sum() < 2:
            return None
        return (f'predictions hold no value over {len(self.predicted) - 1}: if they are trainIds and not '
                'labelIds, use --coding trainIds')

    def _flips(self, prediction: np.ndarray, truth: Optional[np.ndarray], image: Optional[Picture],
               sequence: str, stamp: Optional[float]) -> float:
        last_sequence, last_stamp = self._last
        far = stamp is not None and last_stamp is not None and not 0 < stamp - last_stamp <= MAX_GAP
        if sequence != last_sequence or far:
            self.temporal.reset()
        self._last = (sequence, stamp)
        picture = image if self._flow else None
        rate = self.temporal.update(prediction, truth, picture() if callable(picture) else picture)
        return float('nan') if rate is None else rate

    @staticmethod
    def _apply(lut: np.ndarray, labels: np.ndarray) -> np.ndarray:
        if labels.dtype != np.uint8 or labels.ndim != 2:
            raise InputError(f'a label image must be (height, width) uint8, not {labels.shape} '
                             f'{labels.dtype}')
        return cv2.LUT(labels, lut) if labels.size else labels

    def merge(self, other: 'Evaluator') -> 'Evaluator':
        """Add another part's frames to this one, after them; return self."""
        if (other.predicted.names, other.true.names) != (self.predicted.names, self.true.names):
            raise InputError(f"results of '{self.predicted.name}' against '{self.true.name}' and of "
                             f"'{other.predicted.name}' against '{other.true.name}' cannot be merged")
        if (self.boundary is None) != (other.boundary is None):
            raise InputError('results with and without boundary IoU cannot be merged: use one for all parts')
        for name in ('confusion', 'blocks', 'slices', 'boundary', 'temporal', 'calibration', 'instances',
                     'examples'):
            if getattr(self, name) is not None:
                getattr(self, name).merge(getattr(other, name))
        for mine, theirs in zip(self.changes, other.changes):
            mine.merge(theirs)
        self.changes = self.changes or other.changes
        self.frames += other.frames
        self.pixels += other.pixels
        return self

    def result(self, absent: str = 'skip', resamples: int = 1000) -> Dict[str, Any]:
        """Return all scores as a dictionary for JSON.

        Keys: those of `ConfusionMatrix.scores` and, where they apply, of `CalibrationCounts.scores`,
        `InstanceCounts.scores` (with `instance_sizes`, the averages that weigh: 'Cityscapes' for that
        benchmark, or 'measured' in these frames), `BoundaryCounts.scores`; `schema`, `frames_evaluated`,
        `unannotated` (the share of pixels without valid truth, which are not counted), `coding` (tables of
        prediction, truth and scores), `intervals` (see bootstrap.intervals), `temporal`, `confusion`
        ({'classes': ..., 'counts': ...}), `timeline` (IoU over time), `slices`
        (the same by drive and by tag) and `parts` (what `restore` reads).
        """
        annotated = int(self.confusion.counts.sum())
        result: Dict[str, Any] = {
            'schema': SCHEMA, 'frames_evaluated': self.frames,
            'unannotated': 1 - annotated / self.pixels if self.pixels else float('nan')}
        result.update(self.confusion.scores(self.classes, absent))
        if self.boundary is not None:
            result.update(self.boundary.scores(self.classes))
        if self.instances.any:
            official = self.true.name == self.classes.name == 'cityscapes'
            result.update(self.instances.scores(CITYSCAPES_SIZES if official else None),
                          instance_sizes='Cityscapes' if official else 'measured')
        result.update(self.calibration.scores())
        result['temporal'] = self.temporal.scores()
        result['intervals'] = bootstrap.intervals(self.blocks, self.classes.names, resamples=resamples)
        result['coding'] = {'prediction': self.predicted.name, 'truth': self.true.name,
                            'scores': self.classes.name}
        result['confusion'] = {'classes': self.classes.to_dict(), 'counts': self.confusion.counts.tolist()}
        drives = self.blocks.by_sequence()
        shown = [('drive', *drive) for drive in drives] if 1 < len(drives) <= MAX_VALUES else []
        result['slices'] = table(shown + self.slices.parts(), self.classes.names)
        result['timeline'] = [
            {'sequence': block.sequence, 'name': block.name, 'stamp': block.stamp, 'frames': block.frames,
             'mean_iou': float(scores.mean_iou(block.counts)),
             'global_accuracy': float(scores.global_accuracy(block.counts))} for block in self.blocks.blocks]
        result['parts'] = self.to_dict()
        return result

    def to_dict(self) -> Dict[str, Any]:
        """Return what `restore` reads: all counts as plain types, without the examples' pictures."""
        return {'version': 1, 'predicted': self.predicted.to_dict(), 'true': self.true.to_dict(),
                'frames': self.frames, 'pixels': self.pixels, 'confusion': self.confusion.counts.tolist(),
                'blocks': self.blocks.to_list(), 'slices': self.slices.parts(),
                'instances': self.instances.to_dict(),
                'boundary': None if self.boundary is None else self.boundary.counts.tolist(),
                'boundary_dilation': None if self.boundary is None else self.boundary.dilation,
                'calibration': self.calibration.counts.tolist(),
                'temporal': [self.temporal.counts.tolist(), self.temporal.pairs.tolist()]}

    @classmethod
    def restore(cls, data: Mapping[str, Any], origin: str = 'result') -> 'Evaluator':
        """Restore the counts of `to_dict`, to merge or score them; InputError names `origin`."""
        try:
            evaluator = cls(ClassTable.from_dict(data['predicted']), ClassTable.from_dict(data['true']),
                        boundary=data['boundary'] is not None)
            evaluator.frames = int(data['frames'])
            evaluator.pixels = int(data.get('pixels') or 0)     # 0: version 0.1 did not record it
            evaluator.confusion.merge(ConfusionMatrix.from_counts(data['confusion']))
            evaluator.blocks = bootstrap.BlockCounts.restore(data['blocks'])
            shape = evaluator.confusion.counts.shape
            if any(block.counts.shape != shape for block in evaluator.blocks.blocks):
                raise ValueError('its blocks have another number of classes')
            evaluator.slices = Slices.restore(data.get('slices') or [], shape)
            evaluator.instances = InstanceCounts.restore(evaluator.classes, data['instances'])
            if evaluator.boundary is not None:
                evaluator.boundary.counts[:] = data['boundary']
                evaluator.boundary.dilation = float(data.get('boundary_dilation') or DILATION)
            evaluator.temporal.counts[:], evaluator.temporal.pairs[:] = data['temporal']
            evaluator.calibration.counts[:] = data.get('calibration') or 0      # not in version 0.2
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f'{origin}: not an evaluation result that can be merged: {error}') from None
        return evaluator
