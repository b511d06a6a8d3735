"""What every data set yields."""

from typing import Iterator, List, NamedTuple, Optional

import numpy as np

from ..classes import ClassTable


class Sample(NamedTuple):
    """One image with its annotation, read when asked for.

    `image` is (H, W, 3) uint8 RGB (None only in what `Dataset.annotation` gives). `label` is (H, W)
    uint8, the class index of the data set's table, 255 where ignored; None where the frame has no
    annotation. `instances` is (H, W) int32, 0 where no instance is, one number per object elsewhere;
    None where the data set has none.
    `sequence` names the drive that the frame belongs to and `stamp` is its time in that drive in
    seconds, where the data set has it.
    """

    name: str
    image: Optional[np.ndarray]
    label: Optional[np.ndarray] = None
    instances: Optional[np.ndarray] = None
    sequence: str = ''
    stamp: Optional[float] = None


class Dataset:
    """Samples by index, with a class table; iterating reads one sample at a time."""

    name: str
    split: Optional[str]
    classes: ClassTable
    licence = ''        # of weights trained on it; that of a user's own data is not known here

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, index: int) -> Sample:
        """Read a sample; negative indices count from the end. IndexError beyond it."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def annotation(self, index: int) -> Sample:
        """Return a sample without decoding its image, where that saves time; `image` may then be None."""
        return self[index]

    def names(self) -> List[str]:
        """Return the samples' names in order, without reading an image."""
        raise NotImplementedError
