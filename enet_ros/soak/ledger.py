"""The account of a soak run: every published frame ends with exactly one reason, or is lost without one."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from ..metrics.timing import SEGMENTED

FrameKey = Tuple[str, int]      # camera, number


class Published(NamedTuple):
    """A frame as the camera sent it; `at` is monotonic seconds."""

    key: FrameKey
    at: float
    fault: str
    height: int
    width: int
    decodable: bool


class Ledger:
    """Collects what cameras sent and what the node said became of it.

    `wrong` lists what must not happen: a frame told twice, labels of the wrong size, labels of a
    frame that cannot be decoded, a good frame refused.
    """

    def __init__(self) -> None:
        self.wrong: List[str] = []
        self.labels = 0
        self._told: Dict[FrameKey, str] = {}
        self._sizes: Dict[FrameKey, Tuple[int, int]] = {}
        self._outages: List[Tuple[float, float]] = []

    def told(self, key: FrameKey, outcome: str) -> None:
        """Take what the node's timing says about a frame."""
        if key in self._told:
            self.wrong.append('frame {} told twice: {} and {}'.format(key, self._told[key], outcome))
        self._told[key] = outcome

    def label(self, key: FrameKey, height: int, width: int, size: int) -> None:
        """Take a label image; `size` is its data's length in bytes."""
        self.labels += 1
        self._sizes[key] = (height, width)
        if size != height * width:
            self.wrong.append('labels of frame {} hold {} bytes, not {}x{}'.format(key, size, height, width))

    def outage(self, begin: float, up: float) -> None:
        """Note that the node went down at `begin` and was told to come up again at `up`, monotonic seconds.

        For each camera the outage lasts until the first frame sent after `up` that was told.
        """
        self._outages.append((begin, up))

    @property
    def frames_told(self) -> int:
        """How many frames' fate is known."""
        return len(self._told)

    def outcomes(self) -> Dict[str, int]:
        """Return how many frames came to each outcome so far."""
        return dict(Counter(self._told.values()))

    def balance(self, published: List[Published], lost_in_transport: int) -> Dict[str, Any]:
        """Set what was sent against what was told.

        `lost_in_transport` is what the node itself counted missing in the publishers' numbering.
        """
        known: Set[FrameKey] = {frame.key for frame in published}
        missing = [frame for frame in published if frame.key not in self._told]
        outages = self._outages_by_camera(published)
        during_outage = [frame for frame in missing if any(
            begin <= frame.at <= end for begin, end in outages[frame.key[0]])]
        unexplained = len(missing) - len(during_outage)
        counts = self.outcomes()
        dropped = {reason: count for reason, count in counts.items() if reason != SEGMENTED}
        self._check(published)
        strangers = sum(key not in known for key in self._told)
        if strangers:
            self.wrong.append('{} frames were told that nobody sent'.format(strangers))
        return {
            'frames_published': len(published), 'frames_in': sum(counts.values()),
            'frames_segmented': counts.get(SEGMENTED, 0), 'frames_dropped': sum(dropped.values()),
            'dropped_by': dropped, 'labels_received': self.labels,
            'lost_in_transport': min(unexplained, lost_in_transport),
            'lost_in_transport_by_numbers': lost_in_transport, 'lost_in_outages': len(during_outage),
            'lost_without_reason': max(0, unexplained - lost_in_transport),
            'faults_injected': dict(Counter(frame.fault for frame in published if frame.fault)),
            'wrong': self.wrong[:100], 'wrong_count': len(self.wrong)}

    def _outages_by_camera(self, published: List[Published]) -> Dict[str, List[Tuple[float, float]]]:
        told: Dict[str, List[float]] = {frame.key[0]: [] for frame in published}
        for frame in published:
            if frame.key in self._told:
                told[frame.key[0]].append(frame.at)
        return {camera: [(begin, min((at for at in times if at >= up), default=float('inf')))
                         for begin, up in self._outages] for camera, times in told.items()}

    def _check(self, published: List[Published]) -> None:
        for frame in published:
            outcome: Optional[str] = self._told.get(frame.key)
            size = self._sizes.get(frame.key)
            if size is not None and size != (frame.height, frame.width):
                self.wrong.append('labels of frame {} are {}x{}, the image is {}x{}'.format(
                    frame.key, size[1], size[0], frame.width, frame.height))
            if outcome == SEGMENTED and not frame.decodable:
                self.wrong.append('frame {} ({}) was segmented'.format(frame.key, frame.fault))
            if outcome in ('refused', 'engine_error') and frame.decodable:
                self.wrong.append('frame {} ({}) was {}'.format(frame.key, frame.fault or 'good', outcome))


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
