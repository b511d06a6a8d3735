"""When a frame passed each stage, and how that crosses a topic as key-value pairs."""

from itertools import islice
import time
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from .errors import InputError

# Each mark is taken at the end of the stage it names.
STAGES = ('received', 'taken', 'decoded', 'preprocessed', 'inferred', 'postprocessed', 'published')
SEGMENTED = 'segmented'
DROP_REASONS = ('superseded', 'rate_limited', 'refused', 'engine_error', 'no_listener', 'shutdown')

_LONGEST_NAME, _MOST_ITEMS = 256, 32

# time.monotonic_ns came with Python 3.7; the robot has 3.6.
monotonic_ns = getattr(time, 'monotonic_ns', None) or (lambda: int(time.monotonic() * 1e9))


class FrameTiming(NamedTuple):
    """One received frame: what became of it and when.

    `outcome` is SEGMENTED or one of DROP_REASONS. `marks` are CLOCK_MONOTONIC nanoseconds for the
    stages that the frame reached; a dropped frame ends with the mark of the last one. The two
    `_ros_ns` are on the ROS clock, as is `stamp_ns`, the stamp of the image's header.
    """

    camera: str
    sequence: int
    stamp_ns: int
    outcome: str
    marks: Dict[str, int]
    received_ros_ns: int
    published_ros_ns: Optional[int] = None

    @property
    def age_ns(self) -> Optional[int]:
        """From the header's stamp to the published label, ROS clock; None where it was dropped."""
        return None if self.published_ros_ns is None else self.published_ros_ns - self.stamp_ns

    def duration_ns(self, first: str, last: str) -> Optional[int]:
        """From the end of stage `first` to the end of stage `last`; None where one was not reached."""
        if first not in self.marks or last not in self.marks:
            return None
        return self.marks[last] - self.marks[first]

    def to_items(self) -> List[Tuple[str, str]]:
        """Return the pairs that `from_items` reads; camera and outcome travel beside them."""
        items = [('sequence', self.sequence), ('stamp_ns', self.stamp_ns),
                 ('received_ros_ns', self.received_ros_ns)]
        if self.published_ros_ns is not None:
            items.append(('published_ros_ns', self.published_ros_ns))
        items += [(stage + '_ns', self.marks[stage]) for stage in STAGES if stage in self.marks]
        return [(key, str(value)) for key, value in items]

    @classmethod
    def from_items(cls, camera: str, outcome: str, items: Iterable[Tuple[str, str]]) -> 'FrameTiming':
        """Rebuild a record that anybody may have sent; InputError where a pair is missing or out of range."""
        try:
            if outcome != SEGMENTED and outcome not in DROP_REASONS:
                raise ValueError('no outcome of a frame')
            if len(camera) > _LONGEST_NAME or not camera.isprintable():
                raise ValueError('no name of a camera')
            values = {key: _nanoseconds(value) for key, value in islice(items, _MOST_ITEMS)}
            marks = {stage: values[stage + '_ns'] for stage in STAGES if stage + '_ns' in values}
            return cls(camera, values['sequence'], values['stamp_ns'], outcome, marks,
                       values['received_ros_ns'], values.get('published_ros_ns'))
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f'timing of camera {camera[:40]!r} cannot be read: '
                             f'{repr(error)[:80]!r}') from None


def _nanoseconds(text: str) -> int:
    value = int(text[:20])
    if not 0 <= value < 2**63:
        raise ValueError('a number out of range')
    return value
