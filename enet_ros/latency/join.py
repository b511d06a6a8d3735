"""Joins each frame's timing with the arrival of its label, by camera and exact stamp."""

from collections import deque
from typing import Deque, Dict, List, NamedTuple, Optional

from ..errors import InputError
from ..timing import SEGMENTED, FrameTiming
from .rows import FrameRow
from .stamp_checks import StampCheck

# The timing of a dropped frame overtakes that of the frame still being inferred: a camera that is
# met for the first time may still report that many earlier frames.
_OVERTAKEN = 8
MAX_CAMERAS = 64        # at once: a sender of timings may name any number
VANISHED_NS = 60 * 10**9     # without a frame, after which a camera is forgotten


class _Arrival(NamedTuple):
    ros_ns: int
    now_ns: int     # monotonic, to know when to stop waiting


class _Pending(NamedTuple):
    timing: FrameTiming
    now_ns: int


class FrameJoin:
    """Turns timings and labels, in whatever order they come, into rows in the order of reception.

    A segmented frame's row waits for its label, and a row waits for the rows of earlier frames, for
    at most `wait_ns`. `labels_without_timing` counts labels that no timing explained.
    """

    def __init__(self, wait_ns: int = 2 * 10**9, sim_time: bool = False) -> None:
        self._wait_ns = wait_ns
        self._sim_time = sim_time
        self._cameras: Dict[str, _Camera] = {}
        self.labels_without_timing = 0

    def timing(self, timing: FrameTiming, now_ns: int) -> List[FrameRow]:
        """Take a frame's timing; return the rows that it completes. `now_ns` is monotonic.

        InputError where too many cameras send at once.
        """
        if timing.camera not in self._cameras and len(self._cameras) >= MAX_CAMERAS:
            raise InputError(f'more than {MAX_CAMERAS} cameras at once: the others are not recorded')
        camera = self._camera(timing.camera)
        camera.heard_ns = now_ns
        rows = camera.add(timing, now_ns)
        return rows + camera.release(now_ns, self._wait_ns)

    def label(self, camera: str, stamp_ns: int, ros_ns: int, now_ns: int) -> List[FrameRow]:
        """Take the arrival of a label at `ros_ns`, ROS clock; return the rows that it completes."""
        joined = self._camera(camera)
        joined.labels.setdefault(stamp_ns, deque()).append(_Arrival(ros_ns, now_ns))
        return joined.release(now_ns, self._wait_ns)

    def image(self, camera: str, stamp_ns: int, ros_ns: int, now_ns: int) -> None:
        """Take the arrival of a camera image at the recorder itself."""
        self._camera(camera).images.setdefault(stamp_ns, deque()).append(_Arrival(ros_ns, now_ns))

    def expire(self, now_ns: int) -> List[FrameRow]:
        """Stop waiting for what is overdue; to be called about once a second."""
        rows: List[FrameRow] = []
        for name, camera in list(self._cameras.items()):
            rows += camera.release(now_ns, self._wait_ns)
            # Twice the wait: a row may still be held back by an earlier one.
            self.labels_without_timing += _forget(camera.labels, now_ns - 2 * self._wait_ns)
            _forget(camera.images, now_ns - 2 * self._wait_ns)
            if camera.idle and now_ns - camera.heard_ns > VANISHED_NS:
                del self._cameras[name]
        return rows

    def flush(self) -> List[FrameRow]:
        """Return what is still held, complete or not; for the end of a recording."""
        rows = [row for camera in self._cameras.values() for row in camera.release(None, 0)]
        self.labels_without_timing += sum(_forget(camera.labels, None) for camera in self._cameras.values())
        return rows

    def _camera(self, name: str) -> '_Camera':
        if name not in self._cameras:
            self._cameras[name] = _Camera(StampCheck(self._sim_time))
        return self._cameras[name]


class _Camera:
    """The frames of one camera that are not rows yet."""

    def __init__(self, check: StampCheck) -> None:
        self.labels: Dict[int, Deque[_Arrival]] = {}
        self.images: Dict[int, Deque[_Arrival]] = {}
        self._check = check
        self._pending: Dict[int, _Pending] = {}
        self._next: Optional[int] = None
        self.heard_ns = 0           # monotonic, of the last timing
        self._received_ns = 0       # of the newest frame that became a row

    @property
    def idle(self) -> bool:
        """Whether nothing of it is held."""
        return not (self.labels or self.images or self._pending)

    def add(self, timing: FrameTiming, now_ns: int) -> List[FrameRow]:
        rows: List[FrameRow] = []
        received_ns = timing.marks.get('received', self._received_ns + 1)
        if self._next is not None and timing.sequence < self._next:
            if received_ns <= self._received_ns:
                return [self._row(_Pending(timing, now_ns), in_order=False)]
            rows = self.release(None, 0)        # the numbers restarted: so did the node
            self._next = None
        if self._next is None:
            self._next = max(0, timing.sequence - _OVERTAKEN)
        self._pending[timing.sequence] = _Pending(timing, now_ns)
        return rows

    def release(self, now_ns: Optional[int], wait_ns: int) -> List[FrameRow]:
        """Return rows in order of reception, as far as they are complete or overdue (None: all are)."""
        rows: List[FrameRow] = []
        while self._pending and self._next is not None:
            pending = self._pending.get(self._next)
            waiting = self._pending.values() if pending is None else [pending]
            overdue = now_ns is None or now_ns - min(item.now_ns for item in waiting) >= wait_ns
            if pending is None and overdue:
                self._next = min(self._pending)
            elif pending is not None and (overdue or self._complete(pending.timing)):
                rows.append(self._row(self._pending.pop(self._next), in_order=True))
                self._next += 1
            else:
                break
        return rows

    def _complete(self, timing: FrameTiming) -> bool:
        return timing.outcome != SEGMENTED or timing.stamp_ns in self.labels

    def _row(self, pending: _Pending, in_order: bool) -> FrameRow:
        timing = pending.timing
        delivered = _take(self.labels, timing.stamp_ns) if timing.outcome == SEGMENTED else None
        image = _take(self.images, timing.stamp_ns)
        self._received_ns = max(self._received_ns, timing.marks.get('received', 0))
        return FrameRow(timing, self._check.judge(timing, delivered, in_order), delivered, image)


def _take(arrivals: Dict[int, Deque[_Arrival]], stamp_ns: int) -> Optional[int]:
    waiting = arrivals.get(stamp_ns)
    if not waiting:
        return None
    arrival = waiting.popleft()
    if not waiting:
        del arrivals[stamp_ns]
    return arrival.ros_ns


def _forget(arrivals: Dict[int, Deque[_Arrival]], before_ns: Optional[int]) -> int:
    """Drop arrivals older than `before_ns` (None: all); return how many."""
    count = 0
    for stamp_ns in list(arrivals):
        waiting = arrivals[stamp_ns]
        while waiting and (before_ns is None or waiting[0].now_ns < before_ns):
            waiting.popleft()
            count += 1
        if not waiting:
            del arrivals[stamp_ns]
    return count
