"""What every data set yields."""

from collections import abc
from typing import List, NamedTuple, Optional

import numpy as np

from ..classes import ClassTable


class Sample(NamedTuple):
    """One image with its annotation, read when asked for.

    `image` is (H, W, 3) uint8 RGB (None only in what `Dataset.annotation` gives). `label` is (H, W)
    uint8, the class index of the data set's table, 255 where ignored; None where the frame has no
    annotation. `instances` is (H, W) int32, 0 where no instance is, one number per object elsewhere;
    None where the data set has none.
    `sequence` names the drive that the frame belongs to and `stamp` is its time in that drive in
    seconds, where the data set tells it.
    """

    name: str
    image: Optional[np.ndarray]
    label: Optional[np.ndarray] = None
    instances: Optional[np.ndarray] = None
    sequence: str = ''
    stamp: Optional[float] = None


class Dataset(abc.Sequence):
    """A sequence of samples with a class table; iterating reads one sample at a time."""

    name: str
    split: Optional[str]
    classes: ClassTable

    def annotation(self, index: int) -> Sample:
        """Return a sample without decoding its image, where that saves time; `image` may then be None."""
        return self[index]

    def names(self) -> List[str]:
        """Return the samples' names in order, without reading an image."""
        raise NotImplementedError
