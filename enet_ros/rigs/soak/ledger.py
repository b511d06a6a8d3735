"""The account of a soak run: every published frame ends with one reason, or is lost without one."""

from bisect import bisect_left, bisect_right
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

from ...timing import SEGMENTED

FrameKey = Tuple[str, int]      # camera, number
_REFUSALS = ('refused', 'engine_error')


class Published(NamedTuple):
    """A frame as the camera sent it; `at` is monotonic seconds."""

    key: FrameKey
    at: float
    fault: str
    height: int
    width: int
    decodable: bool


class Report(NamedTuple):
    """What the node reported of a frame: its outcome, its number among those received, and when that was."""

    outcome: str
    sequence: int
    received: float     # monotonic seconds


class Ledger:
    """Collects what cameras sent and what the node said became of it.

    `wrong` lists what must not happen: a frame reported twice, labels of the wrong size, labels of a
    frame that cannot be decoded, a good frame refused, counts of the node that are not the ledger's.
    `unexplained` says where frames were lost without a reason.
    """

    def __init__(self) -> None:
        self.wrong: List[str] = []
        self.unexplained: List[str] = []
        self.labels = 0
        self._reports: Dict[FrameKey, Report] = {}
        self._sizes: Dict[FrameKey, Tuple[int, int]] = {}
        self._outages: List[Tuple[float, float]] = []
        self._ends: List[Tuple[float, float]] = []
        self._several: Dict[str, List[Tuple[float, float]]] = {}
        self._counts: Dict[str, Mapping[str, str]] = {}

    def report(self, key: FrameKey, outcome: str, sequence: int, received: float) -> None:
        """Take what the node's timing says about a frame."""
        if key in self._reports:
            self.wrong.append(f'frame {key} reported twice: {self._reports[key].outcome} and {outcome}')
        self._reports[key] = Report(outcome, sequence, received)

    def count(self, camera: str, values: Mapping[str, str]) -> None:
        """Take the node's own counts from /diagnostics; those that came last are compared."""
        self._counts[camera] = values

    def several(self, camera: str, begin: float, end: float) -> None:
        """Note that a camera had two publishers: nothing tells the node what is missing from that time."""
        self._several.setdefault(camera, []).append((begin, end))

    def label(self, key: FrameKey, height: int, width: int, size: int) -> None:
        """Take a label image; `size` is its data's length in bytes."""
        self.labels += 1
        self._sizes[key] = (height, width)
        if size != height * width:
            self.wrong.append(f'labels of frame {key} hold {size} bytes, not {height}x{width}')

    def outage(self, begin: float, up: float, ended: bool = False) -> None:
        """Note that the node went down at `begin` and was started again at `up`, monotonic seconds.

        For each camera the outage lasts until the first frame sent after `up` that was reported. Where
        the process was `ended`, frames that it held are lost with it; otherwise it must report them.
        """
        self._outages.append((begin, up))
        if ended:
            self._ends.append((begin, up))

    @property
    def frames_reported(self) -> int:
        """How many frames' fate is known."""
        return len(self._reports)

    def balance(self, published: List[Published]) -> Dict[str, Any]:
        """Compare what was sent, in the order of sending, with what was reported."""
        counts = Counter(report.outcome for report in self._reports.values())
        dropped = {reason: count for reason, count in sorted(counts.items()) if reason != SEGMENTED}
        lost: Counter = Counter(lost_in_transport=0, lost_in_outages=0, lost_without_reason=0)
        for camera in sorted({frame.key[0] for frame in published}):
            lost.update(self._losses([frame for frame in published if frame.key[0] == camera]))
        self._check(published)
        result = {
            'frames_published': len(published), 'frames_in': len(self._reports),
            'frames_segmented': counts[SEGMENTED], 'frames_dropped': sum(dropped.values()),
            'dropped_by': dropped, 'labels_received': self.labels,
            'faults_injected': dict(Counter(frame.fault for frame in published if frame.fault)),
            'unexplained': self.unexplained[:100], 'wrong': self.wrong[:100], 'wrong_count': len(self.wrong)}
        result.update(lost)
        return result

    def _losses(self, frames: List[Published]) -> Dict[str, int]:
        """Return why the frames of one camera that were never reported are missing.

        The node numbers the frames it receives. A number that no report bears is a frame that the node had
        and said nothing about: lost without a reason. What else is missing never arrived.
        """
        outages = self._outages_of(frames)
        missing = sorted((frame for frame in frames if frame.key not in self._reports),
                         key=lambda frame: frame.at)
        sent = [frame.at for frame in missing]
        silent, previous, last, began, received = 0, -1, 0.0, 0.0, 0
        reported = [(self._reports[frame.key], frame) for frame in frames if frame.key in self._reports]
        for report, frame in sorted(reported, key=lambda pair: pair[0].received):
            skipped = report.sequence - previous - 1
            between = missing[bisect_left(sent, last):bisect_right(sent, frame.at)] if skipped else []
            if skipped < 0:     # the numbers began anew
                began, received, skipped = frame.at, report.sequence, 0
                if not any(begin <= report.received and last <= up for begin, up in self._outages):
                    self.wrong.append(f'frame {frame.key} is number {report.sequence} after {previous}')
                    skipped = len(between) - _within(between, outages)
            lost = max(0, skipped - _within(between, self._ends))
            if lost:
                self.unexplained.append(f'{lost} of the {len(between)} frames up to {frame.key}, numbers '
                                        f'{previous} to {report.sequence}')
            silent, previous, last, received = silent + lost, report.sequence, frame.at, received + 1
        tail = missing[bisect_right(sent, last):]
        lost = len(tail) - _within(tail, outages)
        if lost:
            self.unexplained.append(f'the last {lost} frames from {tail[0].key}')
        silent += lost
        out = min(_within(missing, outages), len(missing) - silent)
        self._compare(frames[0].key[0], received, missing[bisect_left(sent, began):], outages)
        return {'lost_without_reason': silent, 'lost_in_outages': out,
                'lost_in_transport': max(0, len(missing) - silent - out)}

    def _compare(self, camera: str, received: int, missing: List[Published],
                 outages: List[Tuple[float, float]]) -> None:
        """Compare what the node counted since its numbers last began with what is known here."""
        counts = self._counts.get(camera)
        if counts is None:
            return
        counted, lost, unknown = (int(counts[key]) for key in (
            'frames_in', 'lost_in_transport', 'lost_in_transport_unknown'))
        if counted != received:
            self.wrong.append(f'{camera}: the node counted {counted} frames and reported {received}')
        shared = self._several.get(camera, [])
        several, out = _within(missing, shared), _within(missing, shared + outages)
        if not len(missing) - out <= lost <= len(missing):
            self.wrong.append(f'{camera}: the node counted {lost} frames lost in transport; {len(missing)} '
                              f'are missing, {out} of them in outages or while two publishers sent')
        if several and not unknown:
            self.wrong.append(f'{camera}: {several} frames were lost while two publishers sent, and the node '
                              'knew nothing of it')

    def _outages_of(self, frames: List[Published]) -> List[Tuple[float, float]]:
        report = [frame.at for frame in frames if frame.key in self._reports]
        return [(begin, min((at for at in report if at >= up), default=float('inf')))
                for begin, up in self._outages]

    def _check(self, published: List[Published]) -> None:
        for frame in published:
            report, size = self._reports.get(frame.key), self._sizes.get(frame.key)
            if size is not None and size != (frame.height, frame.width):
                self.wrong.append(f'labels of frame {frame.key} are {size[0]}x{size[1]}, the image is '
                                  f'{frame.height}x{frame.width}')
            if report is not None and report.outcome == SEGMENTED and not frame.decodable:
                self.wrong.append(f'frame {frame.key} ({frame.fault}) was segmented')
            if report is not None and report.outcome in _REFUSALS and frame.decodable:
                self.wrong.append('frame {} ({}) was {}'.format(
                    frame.key, frame.fault or 'good', report.outcome))
        strangers = set(self._reports) - {frame.key for frame in published}
        if strangers:
            self.wrong.append(f'{len(strangers)} frames were reported that were never sent')


def _within(frames: List[Published], outages: List[Tuple[float, float]]) -> int:
    """Return how many frames were sent within an outage."""
    return sum(any(begin <= frame.at <= end for begin, end in outages) for frame in frames)


def read_log(path: Path, camera: str) -> List[Published]:
    """Read what a camera wrote down, a line per frame; its last line may be torn."""
    frames = []
    for line in path.read_text(encoding='ascii').splitlines():
        fields = line.split()
        if len(fields) == 6:
            number, at_ns, fault, height, width, decodable = fields
            frames.append(Published((camera, int(number)), int(at_ns) / 1e9, fault.replace('-', ''),
                                    int(height), int(width), decodable == '1'))
    return frames
