"""Live scoring: predictions and truth joined by stamp as they arrive, every frame accounted for."""

from collections import OrderedDict
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np

from ..bags.truth import nearest
from ..errors import InputError
from ..severity import OK, WARN
from ..timing import DROP_REASONS, SEGMENTED, FrameTiming
from .evaluator import Evaluator
from .examples import FrameScore

# Stamps (not images) remembered, to know a repeated frame and why a frame has no prediction: hours of video.
_REMEMBERED = 200000
_UNNUMBERED = 2 ** 63   # and above: the middleware does not number its messages
_DISORDER = 1000        # frames by which a timing may come out of order: a superseded frame overtakes


class LiveEvaluation:
    """An evaluator fed by two streams of label images, whose members find each other by stamp.

    Every truth ends up as evaluated, as `truth_without_prediction` (by the reason for which the
    segmentation node dropped it, where its timing was heard) or as refused; every prediction likewise.
    A stamp that was evaluated or is waiting already is a repetition (a bag has looped): it is counted, but
    not scored again.
    """

    def __init__(self, evaluator: Evaluator, depth: int = 120, announced: int = 0,
                 within_ms: Optional[float] = None,
                 on_frame: Optional[Callable[[FrameScore], None]] = None) -> None:
        """Keep at most `depth` images of each stream while their counterparts are missing.

        `announced` is how many annotations there are where that is known (a folder), 0 elsewhere; those
        that no frame asked for count as 'not_seen'. Equal stamps belong together or, with `within_ms`, the
        nearest ones that are no further apart. `on_frame` is called with the score of each frame.
        """
        self.evaluator = evaluator
        self._on_frame = on_frame
        self._limit = None if within_ms is None else int(round(within_ms * 1e6))
        self._matching: Dict[str, Any] = {'by': 'stamp'} if within_ms is None else {
            'by': 'nearest', 'within_ms': within_ms, 'residual_ms_max': 0.0}
        self._announced = announced
        self.predictions = self.truths = self.repeated = 0
        self.refused: Dict[str, int] = {}
        self._predictions = _Pending(depth)
        self._truths = _Pending(depth)
        self._images = _Pending(depth)
        self._unmatched: Dict[str, int] = {}    # truth that was given up, by reason
        self._unused = 0                        # predictions that were given up
        self._outcomes: 'OrderedDict[int, str]' = OrderedDict()
        self._counted: Dict[str, int] = {}
        self._numbers: Dict[str, Tuple[int, int, int]] = {}     # camera -> first, last, heard
        self._missing = 0
        self._depth = depth
        self._left: 'OrderedDict[int, None]' = OrderedDict()    # stamps of what was given up
        self._first: Optional[int] = None       # least stamp that the segmentation node was heard of
        self._early: 'OrderedDict[int, None]' = OrderedDict()   # annotations given up that may be before it
        self._unheard: Optional[int] = None     # annotations that were sent before this was listening
        self._late = 0                          # of these, those whose counterpart came after all
        self._evaluated: 'OrderedDict[int, None]' = OrderedDict()

    def image(self, stamp_ns: int, image: np.ndarray) -> None:
        """Take a camera image, (H, W, 3) uint8 RGB, for the examples."""
        self._images.put(stamp_ns, image)

    def timing(self, timing: FrameTiming) -> None:
        """Take the segmentation node's report on what happened to a frame."""
        self._begin(timing.stamp_ns)
        self._counted[timing.outcome] = self._counted.get(timing.outcome, 0) + 1
        low, high, count = self._numbers.get(timing.camera, (timing.sequence, timing.sequence, 0))
        if timing.sequence < high - _DISORDER:      # the segmentation node was restarted
            self._missing += max(high - low + 1 - count, 0)
            low, high, count = timing.sequence, timing.sequence, 0
        self._numbers[timing.camera] = (min(low, timing.sequence), max(high, timing.sequence), count + 1)
        _remember(self._outcomes, timing.stamp_ns, timing.outcome)

    def prediction(self, stamp_ns: int, labels: np.ndarray, frame_id: str = '') -> None:
        """Take a label image of the segmentation node."""
        self._begin(stamp_ns)
        if stamp_ns in self._evaluated or stamp_ns in self._predictions:
            self.repeated += 1
            return
        self.predictions += 1
        truth = self._truths.take(stamp_ns)
        if truth is not None:
            self._score(stamp_ns, labels, truth, frame_id)
        else:
            self._wait(self._predictions, stamp_ns, labels)
            self.settle(frame_id)

    def truth(self, stamp_ns: int, labels: np.ndarray, frame_id: str = '') -> None:
        """Take an annotation."""
        if stamp_ns in self._evaluated or stamp_ns in self._truths:
            self.repeated += 1
            return
        self.truths += 1
        prediction = self._predictions.take(stamp_ns)
        if prediction is not None:
            self._score(stamp_ns, prediction, labels, frame_id)
        else:
            self._wait(self._truths, stamp_ns, labels)
            self.settle(frame_id)

    def settle(self, frame_id: str = '', final: bool = False) -> None:
        """Score the nearest stamps within the tolerance, if there is one.

        That is done once both streams are so far ahead that nothing nearer can come; `final` waits no longer.
        """
        if self._limit is None or not self._predictions or not self._truths:
            return
        ahead = min(self._predictions.newest, self._truths.newest) - 2 * self._limit
        pairs, _ = nearest(self._predictions, {stamp: stamp for stamp in self._truths}, self._limit)
        for stamp_ns, true_ns in sorted(pairs.items()):
            if final or max(stamp_ns, true_ns) <= ahead:
                _remember(self._evaluated, true_ns, None)
                residual_ms = abs(stamp_ns - true_ns) / 1e6
                self._matching['residual_ms_max'] = max(self._matching['residual_ms_max'], residual_ms)
                self._score(stamp_ns, self._predictions.pop(stamp_ns), self._truths.pop(true_ns), frame_id)

    def first_truth(self, number: int) -> None:
        """Take the publisher's number, from 1, of an annotation: the first one shows how many were missed."""
        if self._unheard is None:
            self._unheard = max(number - 1, 0) if number < _UNNUMBERED else 0

    def _begin(self, stamp_ns: int) -> None:
        """Note when the segmentation node's images began."""
        if self._first is None or stamp_ns < self._first:
            self._first = stamp_ns

    def refuse(self, reason: str) -> None:
        """Count an image that could not be read, or a pair that could not be scored ('other_size')."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _score(self, stamp_ns: int, prediction: np.ndarray, truth: np.ndarray, frame_id: str) -> None:
        _remember(self._evaluated, stamp_ns, None)
        name = '{}.{:09d}'.format(*divmod(stamp_ns, 10**9))
        try:
            score = self.evaluator.add(prediction, truth, name, frame_id, stamp_ns / 1e9,
                                       self._images.take(stamp_ns))
        except InputError:
            self.refuse('other_size')
            return
        if self._on_frame is not None:
            self._on_frame(score)

    def _wait(self, waiting: '_Pending', stamp_ns: int, labels: np.ndarray) -> None:
        """Keep an image until its counterpart comes; the oldest that waits may have to go."""
        self._late += stamp_ns in self._left
        given_up = waiting.put(stamp_ns, labels)
        if given_up is None:
            return
        _remember(self._left, given_up, None)
        if waiting is self._predictions:
            self._unused += 1
        else:
            if self._first is None or given_up < self._first:
                _remember(self._early, given_up, None)
            reason = self._reason(given_up)
            self._unmatched[reason] = self._unmatched.get(reason, 0) + 1

    def _reason(self, stamp_ns: int) -> str:
        outcome = self._outcomes.get(stamp_ns, 'not_seen' if self._counted else 'unknown')
        return 'label_lost' if outcome == SEGMENTED else outcome

    def coverage(self) -> Dict[str, Any]:
        """Return what became of every frame so far; one that is still waiting counts as without counterpart.

        `frames_in` to `dropped_by` are None where no timing was heard. `truth_without_prediction_by`
        names the drop's reason, 'label_lost' where the node reported it as segmented, 'not_seen' where
        it never received the image, 'unknown' without timing.
        """
        without = dict(self._unmatched)
        for stamp_ns in self._truths:
            reason = self._reason(stamp_ns)
            without[reason] = without.get(reason, 0) + 1
        if self._announced > self.truths:
            without['not_seen'] = without.get('not_seen', 0) + self._announced - self.truths
        heard = bool(self._counted)
        dropped = {reason: self._counted.get(reason, 0) for reason in DROP_REASONS}
        return {
            'frames_in': sum(self._counted.values()) if heard else None,
            'frames_segmented': self._counted.get(SEGMENTED, 0) if heard else None,
            'frames_dropped': sum(dropped.values()) if heard else None,
            'dropped_by': dropped if heard else None,
            'frames_evaluated': self.evaluator.frames,
            'predictions': self.predictions, 'truth_frames': max(self.truths, self._announced),
            'truth_without_prediction': sum(without.values()), 'truth_without_prediction_by': without,
            'prediction_without_truth': self._unused + len(self._predictions),
            'repeated': self.repeated, 'refused': dict(self.refused), 'matching': dict(self._matching),
            'problems': self._problems()}

    def _problems(self) -> List[Dict[str, Any]]:
        """Return what a reader of the score must know, as `Coverage.to_dict` does."""
        first = self._first or 0
        before = sum(stamp_ns < first for waiting in (self._early, self._truths) for stamp_ns in waiting)
        found = {'annotated frames of the beginning were missed: replay with ros2 bag play --delay 5':
                before + (self._unheard or 0),
                f'labels and truth of one stamp came so far apart that one was given up: raise depth '
                f'({self._depth}), or score the bag with evaluate_bag': self._late,
                'timings of the segmentation node never arrived: frames_in and drops are too small':
                self._missing + sum(max(high - low + 1 - count, 0)
                                    for low, high, count in self._numbers.values())}
        return [{'text': text, 'count': count} for text, count in found.items() if count]

    def summary(self) -> Dict[str, Any]:
        """Return the running score beside its coverage: small, for a topic."""
        score = self.evaluator.confusion.scores(self.evaluator.classes)
        return dict({name: score[name] for name in (
            'mean_iou', 'class_iou', 'global_accuracy', 'class_average_accuracy')}, **self.coverage())

    def result(self, absent: str = 'skip') -> Dict[str, Any]:
        """Return everything: the evaluator's result and the coverage."""
        return dict(self.evaluator.result(absent), **self.coverage())


class _Pending(OrderedDict):
    """Images by stamp, at most `depth`; the oldest gives way."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self._depth = depth
        self.newest = 0     # stamp

    def put(self, stamp_ns: int, image: np.ndarray) -> Optional[int]:
        """Keep an image; return the stamp of the one that gave way."""
        self[stamp_ns] = image
        self.newest = max(self.newest, stamp_ns)
        return int(self.popitem(last=False)[0]) if len(self) > self._depth else None

    def take(self, stamp_ns: int) -> Optional[np.ndarray]:
        return self.pop(stamp_ns, None)


def verdict(summary: Mapping[str, Any], labels: str, truth: str) -> Tuple[int, str]:
    """Return severity and text of a summary for these topics: a warning where nothing was scored."""
    if summary['frames_evaluated']:
        return OK, 'mean IoU {:.3f} over {} frames'.format(summary['mean_iou'], summary['frames_evaluated'])
    for count, topic in (('predictions', labels), ('truth_frames', truth)):
        if not summary[count]:
            return WARN, f'nothing heard on {topic}'
    return WARN, ('labels and ground truth arrive, but their stamps never agree: are they of one recording? '
                  '(match:=nearest:MS takes near ones)')


def _remember(stamps: 'OrderedDict[int, Any]', stamp_ns: int, value: Any) -> None:
    stamps[stamp_ns] = value
    if len(stamps) > _REMEMBERED:
        stamps.popitem(last=False)
