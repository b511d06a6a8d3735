"""Annotations of a folder for frames that arrive one by one, as while a bag replays."""

from pathlib import Path
from typing import Dict, Optional, Set, Union

import numpy as np

from ..classes import ClassTable
from ..datasets.sample import Dataset
from . import sidecar
from .truth import stem_of, times_of

TOLERANCE_S = 1 / 60    # half a period of a 30 Hz camera


class LiveFolderTruth:
    """Truth in a folder: by sidecar, else by the frame's name in frame_id, else by the nearest stamp.

    Each annotation is given once. Truth by stamp must lie within `tolerance_s` of its frame: the camera's
    period is not known before its frames have come.
    """

    def __init__(self, dataset: Dataset, sidecar_file: Union[None, str, Path] = None, offset_s: float = 0.0,
                 tolerance_s: float = TOLERANCE_S) -> None:
        """Prepare; InputError where neither a sidecar nor the names give times.

        `offset_s` is added to the folder's own times before stamps are compared.
        """
        self._dataset = dataset
        self._names = {name: index for index, name in enumerate(dataset.names())}
        self._sidecar = sidecar.read(sidecar_file) if sidecar_file else None
        times: Dict[int, int] = {} if self._sidecar is not None else times_of(dataset, offset_s)
        self._times = np.array(sorted(times), np.int64)
        self._indices = [times[time] for time in self._times.tolist()]
        self._limit = int(round(tolerance_s * 1e9))
        self._given: Set[int] = set()
        self.residual_ms_max = 0.0

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def classes(self) -> ClassTable:
        """The folder's class table."""
        return self._dataset.classes

    def find(self, stamp_ns: int, frame_id: str = '') -> Optional[np.ndarray]:
        """Return the (H, W) uint8 labels of a frame, None where there are none or they were given before.

        InputError where the annotation cannot be read.
        """
        index = self._index(stamp_ns, frame_id)
        if index is None or index in self._given:
            return None
        self._given.add(index)
        return self._dataset[index].label

    def forget(self) -> None:
        """Give every annotation again."""
        self._given.clear()

    def _index(self, stamp_ns: int, frame_id: str) -> Optional[int]:
        if self._sidecar is not None:
            entry = self._sidecar.get(stamp_ns)
            return None if entry is None else self._names.get(stem_of(entry.name))
        if stem_of(frame_id) in self._names:
            return self._names[stem_of(frame_id)]
        at = int(np.searchsorted(self._times, stamp_ns))
        near = [(abs(int(self._times[place]) - stamp_ns), place)
                for place in (at - 1, at) if 0 <= place < len(self._times)]
        if not near or min(near)[0] > self._limit:
            return None
        residual, place = min(near)
        self.residual_ms_max = max(self.residual_ms_max, residual / 1e6)
        return self._indices[place]
