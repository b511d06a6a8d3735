"""Where the truth of a bag's frames comes from: a topic of the bag, or a folder of annotations."""

import re
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..classes import ClassTable
from ..datasets.camvid import sequence_and_stamp
from ..datasets.label_files import strange_values
from ..datasets.sample import Dataset
from ..errors import InputError
from ..metrics.confusion import same_size
from .by_stamp import Stamp, TopicByStamp
from .messages import ImageMessage
from .sidecar import Entry, seconds

ALONE_NS = 10**8    # half a period that is supposed where a bag has only one frame
_EPOCH_NS = re.compile(r'(?<!\d)(\d{19})(?!\d)')
_EPOCH_S = re.compile(r'(?<!\d)(\d{9,10})[._](\d{1,9})(?!\d)')
_CITYSCAPES = re.compile(r'_\d{6}_(\d{6})$')
NAMED = 10          # annotations without a frame that are named one by one
ODD_VALUES = "ground truth: values that are no class of '{}' ({} for example) are ignored"


class Truth(NamedTuple):
    """The annotation of a frame; name and sequence are '' where unknown."""

    labels: np.ndarray
    name: str = ''
    sequence: str = ''
    instances: Optional[np.ndarray] = None


class TopicTruth:
    """Truth on a topic of the bag, by stamp."""

    def __init__(self, by_stamp: TopicByStamp, plan: Mapping[int, int], total: int, matching: Dict[str, Any],
                 classes: ClassTable, label_ids: bool = False,
                 instances: Optional[TopicByStamp] = None) -> None:
        """Begin: `plan` names the annotation's stamp for the frame's, `total` counts the annotations.

        With `label_ids` the values are those of the data set's own label files. `instances` are found by the
        annotation's stamp.
        """
        self._instances = instances
        self._by_stamp, self._plan, self._total, self.matching = by_stamp, plan, total, matching
        self._classes = classes
        self._table = classes.id_table() if label_ids else np.arange(256, dtype=np.uint8)
        self._odd = strange_values(classes, 'labelIds' if label_ids else 'trainIds')

    def find(self, message: ImageMessage) -> Optional[Truth]:
        """Return the truth of a frame, None where there is none; InputError where it cannot be read."""
        stamp = self._plan.get(message.stamp_ns)
        found = None if stamp is None else self._by_stamp.find(stamp)
        if found is None:
            return None
        labels = found.labels(self._classes)
        odd = cv2.LUT(labels, self._odd)
        if cv2.countNonZero(odd):
            self._by_stamp.bag.tell(ODD_VALUES.format(self._classes.name, int(labels[odd != 0].flat[0])))
        return Truth(cv2.LUT(labels, self._table), instances=self._instances_of(labels, found.stamp_ns))

    def _instances_of(self, labels: np.ndarray, stamp_ns: int) -> Optional[np.ndarray]:
        message = None if self._instances is None else self._instances.find(stamp_ns)
        try:
            instances = None if message is None else message.instances()
            if instances is not None:
                same_size(instances, labels, 'instances')
            return instances
        except InputError as error:
            self._by_stamp.bag.tell(f'instances: {error}')
            return None

    @property
    def found(self) -> int:
        """Annotations that a frame was found for."""
        return self._by_stamp.found

    def total(self) -> int:
        """Return how many annotations there are."""
        return self._total


def tolerance(text: str) -> Optional[float]:
    """Return the milliseconds of 'nearest:MS', None for 'exact'; InputError for anything else."""
    if text == 'exact':
        return None
    kind, _, value = text.partition(':')
    try:
        if kind == 'nearest' and 0 <= float(value) < 1e6:
            return float(value)
    except ValueError:
        pass
    raise InputError(f"match '{text}': exact or nearest:MILLISECONDS is expected")


def plan(frames: Sequence[int], annotated: Iterable[int],
         within_ms: Optional[float] = None) -> Tuple[Dict[int, int], Dict[str, Any]]:
    """Match the stamps of frames with those of annotations, ns; return the plan and how it was made.

    Equal stamps belong together or, with `within_ms`, the nearest ones that are no further apart.
    """
    times = {stamp: stamp for stamp in annotated}
    if within_ms is None:
        return {stamp: stamp for stamp in frames if stamp in times}, {'by': 'stamp', 'residual_ms_max': 0.0}
    found, residuals = nearest(frames, times, int(round(within_ms * 1e6)))
    return found, dict(_residuals(residuals), by='nearest', within_ms=within_ms)


def alone(frames: Sequence[int], annotated: Iterable[int]) -> Iterator[str]:
    """Yield a line for each annotation (stamps in ns) without a frame: how far the nearest one is."""
    ordered = np.array(sorted(set(frames)), np.int64)
    for count, stamp in enumerate(sorted(annotated)):
        if count >= NAMED:
            yield 'more annotations without a frame of their stamp'
        else:
            away = f'{np.abs(ordered - stamp).min() / 1e6:.3f} ms away' if len(ordered) else 'nowhere'
            yield (f'no frame has the stamp {seconds(stamp)}, the nearest is {away} '
                   '(--match nearest:MS takes near ones)')


class FolderTruth:
    """Truth in a folder: by sidecar, else by frame name, else by the nearest stamp."""

    def __init__(self, dataset: Dataset, stamps: Sequence[Stamp],
                 sidecar: Optional[Dict[int, Entry]] = None, offset_s: float = 0.0) -> None:
        """Match the bag's frames with the folder's.

        `offset_s` is added to the folder's own times before stamps are compared.
        """
        self._dataset = dataset
        names = {name: index for index, name in enumerate(dataset.names())}
        self._sidecar = sidecar or {}
        by_name = {stamp: entry.name for stamp, entry in self._sidecar.items()}
        self.matching: Dict[str, Any] = {'by': 'sidecar'}
        if not by_name and any(stem_of(stamp.frame_id) in names for stamp in stamps):
            by_name = {stamp.ns: stamp.frame_id for stamp in stamps}
            self.matching = {'by': 'name'}
        if by_name:
            self._plan = {stamp: names[stem_of(name)] for stamp, name in by_name.items()
                          if stem_of(name) in names}
        else:
            self._plan, residuals = nearest([stamp.ns for stamp in stamps], times_of(dataset, offset_s))
            self.matching = dict(_residuals(residuals), by='nearest')
        self.found = 0
        self._unlabelled = 0

    def find(self, message: ImageMessage) -> Optional[Truth]:
        """Return the truth of a frame, None where there is none; InputError where it cannot be read."""
        index = self._plan.get(message.stamp_ns)
        if index is None:
            return None
        sample = self._dataset.annotation(index)
        if sample.label is None:
            self._unlabelled += 1
            return None
        self.found += 1
        entry = self._sidecar.get(message.stamp_ns)
        sequence = entry.sequence if entry else sample.sequence
        return Truth(sample.label, sample.name, sequence, sample.instances)

    def total(self) -> int:
        """Return how many annotations there are, so far as is known without reading them all."""
        return len(self._dataset) - self._unlabelled


def nearest(stamps: Iterable[int], times: Dict[int, int],
            limit: Optional[int] = None) -> Tuple[Dict[int, int], List[int]]:
    """Match stamps with times (ns -> index), each once, the closest pairs first, within `limit` ns.

    Without `limit` it is half a period, the median distance of the stamps. Returns stamp -> index, and the
    residuals in ns.
    """
    ordered = np.array(sorted(set(stamps)), np.int64)
    if not len(ordered) or not times:
        return {}, []
    if limit is None:
        limit = int(np.median(np.diff(ordered))) // 2 if len(ordered) > 1 else ALONE_NS
    pairs: List[Tuple[int, int, int, int]] = []
    for time, index in times.items():
        at = int(np.searchsorted(ordered, time))
        pairs.extend((abs(stamp - time), stamp, time, index)
                     for stamp in ordered[max(at - 1, 0):at + 1].tolist())
    plan: Dict[int, int] = {}
    residuals: List[int] = []
    taken = set()
    for residual, stamp, time, index in sorted(pairs):
        if residual <= limit and stamp not in plan and time not in taken:
            plan[stamp] = index
            taken.add(time)
            residuals.append(residual)
    return plan, residuals


def _residuals(residuals: Sequence[int]) -> Dict[str, Any]:
    return {'residual_ms_max': max(residuals, default=0) / 1e6,
            'residual_ms_mean': sum(residuals) / max(len(residuals), 1) / 1e6}


def stamp_of_name(name: str) -> Optional[int]:
    """Return the time in a name, ns: of the epoch, or of the drive in CamVid and Cityscapes."""
    match = _EPOCH_NS.search(name)
    if match:
        return int(match.group(1))
    match = _EPOCH_S.search(name)
    if match:
        return int(match.group(1)) * 10**9 + int(match.group(2).ljust(9, '0'))
    _, seconds = sequence_and_stamp(name)
    match = _CITYSCAPES.search(name)
    if match:
        seconds = int(match.group(1)) / 17.0
    return None if seconds is None else int(round(seconds * 1e9))


def times_of(dataset: Dataset, offset_s: float) -> Dict[int, int]:
    """Return the folder's times, ns -> index, from names, else from the samples themselves."""
    times: Dict[int, int] = {}
    for index, name in enumerate(dataset.names()):
        time = stamp_of_name(name)
        if time is None:
            stamp = dataset.annotation(index).stamp
            if stamp is None:
                raise InputError(f'annotations cannot be matched: the name {name} holds no time; give a '
                                 'sidecar (--sidecar, a CSV with filename,stamp,sequence)')
            time = int(round(stamp * 1e9))
        times[time + int(round(offset_s * 1e9))] = index
    return times


def stem_of(name: str) -> str:
    """Return a file name without folder and image suffix."""
    return re.sub(r'\.(png|jpe?g|bmp|ppm|tiff?)$', '', name.replace('\\', '/').rsplit('/', 1)[-1], flags=re.I)
