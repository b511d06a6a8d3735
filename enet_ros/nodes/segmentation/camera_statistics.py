"""What became of every frame of one camera: counts, rates, ages, and loss on the way to the node."""

from collections import deque
import threading
from typing import Deque, Dict, NamedTuple, Optional, Tuple

from ...timing import DROP_REASONS, SEGMENTED

WINDOW_NS = 5 * 10 ** 9
_KEPT = 512     # arrivals remembered within the window, enough for 100 Hz


class Snapshot(NamedTuple):
    """One camera at one moment; rates in Hz, ages in seconds, of the last five seconds; None: unknown."""

    camera: str
    frames_segmented: int
    dropped_by: Dict[str, int]
    frames_waiting: int
    camera_rate: Optional[float]
    rate: Optional[float]
    age: Optional[float]
    image_age: Optional[float]
    silence: Optional[float]
    lost: int
    lost_share: float
    untold: int
    stamps_back: int
    recent_errors: int
    last_error: str

    @property
    def frames_dropped(self) -> int:
        """Frames delivered but not segmented."""
        return sum(self.dropped_by.values())

    @property
    def frames_in(self) -> int:
        """Frames delivered whose fate is known: segmented + dropped, always; those at work come on top."""
        return self.frames_segmented + self.frames_dropped


class CameraStatistics:
    """Counts frames of one camera from several threads."""

    def __init__(self, camera: str) -> None:
        """Start with nothing received."""
        self.camera = camera
        self._lock = threading.Lock()
        self._received = 0
        self._segmented = 0
        self._dropped: Dict[str, int] = dict.fromkeys(DROP_REASONS, 0)
        self._arrivals: Deque[Tuple[int, float]] = deque(maxlen=_KEPT)
        self._labels: Deque[Tuple[int, float]] = deque(maxlen=_KEPT)
        self._errors: Deque[Tuple[int, float]] = deque(maxlen=_KEPT)
        self._losses = LossEstimate()
        self._last_stamp_ns: Optional[int] = None
        self._stamps_back = 0
        self._last_error = ''

    def received(self, now_ns: int, stamp_ns: int, ros_ns: int, publication: Optional[int],
                 several: bool = False) -> Tuple[int, int]:
        """
        Count a delivered frame; return its number, from 0, and by how many ns its stamp went back.

        `publication` is the number the camera's publisher gave to the message, where the middleware tells it;
        with `several` publishers nothing tells what is missing.
        """
        with self._lock:
            sequence = self._received
            self._received += 1
            self._arrivals.append((now_ns, (ros_ns - stamp_ns) / 1e9))
            self._losses.add(now_ns, stamp_ns, publication, several)
            back = 0 if self._last_stamp_ns is None else max(0, self._last_stamp_ns - stamp_ns)
            self._stamps_back += back > 0
            self._last_stamp_ns = stamp_ns
            return sequence, back

    def settled(self, outcome: str, now_ns: int, age: Optional[float] = None, error: str = '') -> None:
        """Count a frame's fate: 'segmented', `age` seconds after its stamp, or a drop reason."""
        with self._lock:
            if outcome == SEGMENTED:
                self._segmented += 1
                self._labels.append((now_ns, age or 0.0))
            else:
                self._dropped[outcome] += 1
            if error:
                self._last_error = error
                self._errors.append((now_ns, 0.0))

    def camera_changed(self, fresh: bool = False) -> None:
        """Forget rates and numbers of the publisher: another one sends from now on.

        A `fresh` one was started while this node listened: all that it sent was meant for us.
        """
        with self._lock:
            self._losses.change(fresh)

    def snapshot(self, now_ns: int) -> Snapshot:
        """Return everything that diagnostics tell about the camera."""
        with self._lock:
            dropped = dict(self._dropped)
            arrivals, labels, errors = (
                [event for event in events if now_ns - event[0] <= WINDOW_NS]
                for events in (self._arrivals, self._labels, self._errors))
            lost, share = self._losses.lost, self._losses.share(now_ns)
            return Snapshot(
                self.camera, self._segmented, dropped,
                self._received - self._segmented - sum(dropped.values()),
                _rate(arrivals), _rate(labels), _median(labels), _median(arrivals),
                (now_ns - self._arrivals[-1][0]) / 1e9 if self._arrivals else None,
                lost, share, self._losses.untold, self._stamps_back, len(errors), self._last_error)


class LossEstimate:
    """
    Images that the camera sent and that never reached the node.

    Exact from the publisher's message numbers where the middleware gives them (Jazzy with Fast DDS).
    Elsewhere the stamps must do: the shortest fiftieth of their distances is taken for the camera's period,
    and what is missing between is counted lost. A camera that sends unevenly by itself is then accused
    wrongly, but for small shares.
    """

    def __init__(self) -> None:
        """Start with nothing known."""
        self.lost = 0
        self.untold = 0     # messages delivered while several publishers sent
        self._last: Optional[int] = None
        self._began: Optional[int] = None       # number of the message with which the numbers began anew
        self._recent: Deque[Tuple[int, int]] = deque(maxlen=_KEPT)
        self._stamps: Deque[Tuple[int, int]] = deque(maxlen=_KEPT)
        self._numbered = False

    def change(self, fresh: bool) -> None:
        """Begin with another publisher; of a `fresh` one the first message has number 1."""
        if fresh and self._began is not None:       # its first message came before the graph told of it
            self.lost += self._began - 1
        else:
            self._last = 0 if fresh else None
        self._began = None
        self._numbered = False
        self._recent.clear()
        self._stamps.clear()

    def add(self, now_ns: int, stamp_ns: int, publication: Optional[int], several: bool = False) -> None:
        """Count one delivered message."""
        if several:
            self.untold += 1
            return
        self._stamps.append((now_ns, stamp_ns))
        if publication is None:
            return
        self._numbered = True
        gap = 0 if self._last is None else publication - self._last - 1
        self._last = publication
        if gap < 0:     # a publisher that was started anew
            self._began = publication
            return
        self.lost += gap
        self._recent.append((now_ns, gap))

    def share(self, now_ns: int) -> float:
        """Lost / sent within the last five seconds, 0..1."""
        if self._numbered:
            gaps = [gap for at, gap in self._recent if now_ns - at <= WINDOW_NS]
            lost, delivered = sum(gaps), len(gaps)
        else:
            stamps = [stamp for at, stamp in self._stamps if now_ns - at <= WINDOW_NS]
            steps = sorted(b - a for a, b in zip(stamps, stamps[1:]) if b > a)
            if len(steps) < 10:
                return 0.0
            period = steps[len(steps) // 50]
            lost = sum(max(0, int(round(step / float(period))) - 1) for step in steps)
            delivered = len(steps)
        return lost / float(lost + delivered) if delivered else 0.0


def _rate(events: 'list') -> Optional[float]:
    """Events per second between the first and the last; None for fewer than two."""
    if len(events) < 2 or events[-1][0] == events[0][0]:
        return None
    return (len(events) - 1) * 1e9 / (events[-1][0] - events[0][0])


def _median(events: 'list') -> Optional[float]:
    """Median of the events' values; None for none."""
    values = sorted(value for _, value in events)
    return values[len(values) // 2] if values else None
