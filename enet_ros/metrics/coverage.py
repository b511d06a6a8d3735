"""Frames to be scored, and the account of them that comes with every score."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, NamedTuple, Optional

import numpy as np

from ..errors import InputError

COUNTS = ('frames_in', 'frames_segmented', 'frames_evaluated', 'truth_frames', 'truth_without_prediction',
          'prediction_without_truth')
MAX_PROBLEMS = 50   # different ones that are kept; the rest are counted


class Frame(NamedTuple):
    """One frame to be scored; what it lacks is None.

    `image` is (H, W, 3) uint8 in `order`; `prediction` and `truth` are (H, W) uint8 class indices;
    `instances` as in datasets.Sample; `stamp` is seconds.
    """

    name: str
    sequence: str = ''
    stamp: Optional[float] = None
    image: Optional[np.ndarray] = None
    order: str = 'rgb'
    prediction: Optional[np.ndarray] = None
    truth: Optional[np.ndarray] = None
    instances: Optional[np.ndarray] = None


@dataclass
class Coverage:
    """How many frames the scores cover, and what became of the others.

    `frames_in` (images, or predictions where those are scored) = `frames_evaluated` +
    `prediction_without_truth` + `frames_dropped`. `matching` names how truth was found ('stamp', 'sidecar',
    'name', 'nearest', 'dataset') and the stamps' residuals in milliseconds. `problems` are what was
    damaged, left out or changed, one line each, with how often it happened.
    """

    frames_in: int = 0
    frames_segmented: int = 0
    frames_evaluated: int = 0
    dropped_by: Dict[str, int] = field(default_factory=dict)
    truth_frames: int = 0
    truth_without_prediction: int = 0
    prediction_without_truth: int = 0
    matching: Dict[str, Any] = field(default_factory=dict)
    problems: Dict[str, int] = field(default_factory=OrderedDict)

    def drop(self, reason: str, times: int = 1) -> None:
        """Count frames that could not be scored: 'refused', 'damaged', 'duplicate'."""
        self.dropped_by[reason] = self.dropped_by.get(reason, 0) + times

    def tell(self, problem: str, times: int = 1) -> None:
        """Note something that a reader of the scores must know."""
        if problem not in self.problems and len(self.problems) >= MAX_PROBLEMS:
            problem = 'further problems'
        self.problems[problem] = self.problems.get(problem, 0) + times

    def merge(self, other: 'Coverage') -> 'Coverage':
        """Add another part's account to this one; return self."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, count in other.dropped_by.items():
            self.dropped_by[reason] = self.dropped_by.get(reason, 0) + count
        for problem, count in other.problems.items():
            self.tell(problem, count)
        self.matching = _merge_matching(self.matching, other.matching)
        return self

    def to_dict(self) -> Dict[str, Any]:
        """Return plain types under the names of the tools' JSON."""
        return dict({name: getattr(self, name) for name in COUNTS}, dropped_by=dict(self.dropped_by),
                    frames_dropped=sum(self.dropped_by.values()), matching=dict(self.matching),
                    problems=[{'text': text, 'count': count} for text, count in self.problems.items()])

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], origin: str = 'result') -> 'Coverage':
        """Read `to_dict` back; InputError (naming `origin`) where it is none."""
        try:
            return cls(dropped_by={str(k): int(v) for k, v in data['dropped_by'].items()},
                       matching=dict(data['matching']),
                       problems=OrderedDict((str(p['text']), int(p['count'])) for p in data['problems']),
                       **{name: int(data[name]) for name in COUNTS})
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f'{origin}: not a result of an evaluation ({error!r})') from None


def _merge_matching(mine: Dict[str, Any], other: Dict[str, Any]) -> Dict[str, Any]:
    """Return how both parts were matched; residuals are the larger ones."""
    if not mine or not other:
        return dict(mine or other)
    merged = dict(mine)
    if mine.get('by') != other.get('by'):
        merged['by'] = '{}, {}'.format(mine.get('by'), other.get('by'))
    if 'residual_ms_max' in mine or 'residual_ms_max' in other:
        merged['residual_ms_max'] = max(mine.get('residual_ms_max', 0.0), other.get('residual_ms_max', 0.0))
    return merged
