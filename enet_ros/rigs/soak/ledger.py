"""The account of a soak run: every published frame ends with one reason, or is lost without one."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

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
    """What the node reported of a frame: its outcome, and its number among the frames received."""

    outcome: str
    sequence: int


class Ledger:
    """Collects what cameras sent and what the node said became of it.

    `wrong` lists what must not happen: a frame reported twice, labels of the wrong size, labels of a
    frame that cannot be decoded, a good frame refused. `unexplained` says where frames were lost
    without a reason.
    """

    def __init__(self) -> None:
        self.wrong: List[str] = []
        self.unexplained: List[str] = []
        self.labels = 0
        self._reports: Dict[FrameKey, Report] = {}
        self._sizes: Dict[FrameKey, Tuple[int, int]] = {}
        self._outages: List[Tuple[float, float]] = []
        self._ends: List[Tuple[float, float]] = []

    def report(self, key: FrameKey, outcome: str, sequence: int) -> None:
        """Take what the node's timing says about a frame."""
        if key in self._reports:
            self.wrong.append(f'frame {key} reported twice: {self._reports[key].outcome} and {outcome}')
        self._reports[key] = Report(outcome, sequence)

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

        The node numbers the frames it receives. Where the numbers of two reported frames follow on each
        other, those sent in between never arrived; where they do not, the node had some of them and
        said nothing: lost without a reason.
        """
        lost: Counter = Counter()
        outages = self._outages_of(frames)
        missing: List[Published] = []
        previous = -1       # the first frame that the node receives has number 0
        for frame in frames:
            report = self._reports.get(frame.key)
            if report is None:
                missing.append(frame)
                continue
            out = _within(missing, outages)
            skipped = report.sequence - previous - 1
            silent = len(missing) - out if skipped < 0 else max(0, skipped - _within(missing, self._ends))
            if skipped > len(missing) or (skipped < 0 and not any(
                    begin <= frame.at <= end for begin, end in outages)):
                self.wrong.append(f'frame {frame.key} is number {report.sequence} after {previous}')
            if silent:
                self.unexplained.append(f'{silent} of the {len(missing)} frames up to {frame.key}, numbers '
                                        f'{previous} to {report.sequence}')
            lost.update(lost_without_reason=silent, lost_in_outages=min(out, len(missing) - silent),
                        lost_in_transport=max(0, len(missing) - silent - out))
            previous, missing = report.sequence, []
        out = _within(missing, outages)
        if len(missing) > out:
            self.unexplained.append(f'the last {len(missing)} frames from {missing[0].key}')
        lost.update(lost_without_reason=len(missing) - out, lost_in_outages=out)
        return lost

    def _outages_of(self, frames: List[Published]) -> List[Tuple[float, float]]:
        report = [frame.at for frame in frames if frame.key in self._reports]
        return [(begin, min((at for at in report if at >= up), default=float('inf')))
                for begin, up in self._outages]

    def _check(self, published: List[Published]) -> None:
        for frame in published:
            report, size = self._reports.get(frame.key), self._sizes.get(frame.key)
            if size is not None and size != (frame.height, frame.width):
                self.wrong.append(f'labels of frame {frame.key} are {size[1]}x{size[0]}, the image is '
                                  f'{frame.width}x{frame.height}')
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
