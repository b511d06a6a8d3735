"""Frames of many synthetic streets: what the demonstration's weights are trained on."""

from typing import List, Optional, Sequence, Tuple

from .. import licences
from ..datasets.sample import Dataset, Sample
from ..datasets.synthetic import RATE_HZ, SyntheticStreet

TRAINING_SEEDS = range(1000, 1120)      # never the small seeds that demonstrations and tests show
HELD_OUT_SEEDS = range(8)


class Streets(Dataset):
    """`each` frames, `seconds` apart, of the street of every seed."""

    def __init__(self, size: Tuple[int, int], seeds: Sequence[int] = TRAINING_SEEDS, each: int = 6,
                 seconds: float = 1.5) -> None:
        self.name = 'synthetic'
        self.licence = licences.FREE
        self.split: Optional[str] = None
        self._size, self._seeds, self._each = size, list(seeds), each
        self._apart = int(round(seconds * RATE_HZ))
        self._street = self._open(self._seeds[0])
        self.classes = self._street.classes

    def _open(self, seed: int) -> SyntheticStreet:
        return SyntheticStreet(self._size, seed, frames=self._each * self._apart)

    def __len__(self) -> int:
        return len(self._seeds) * self._each

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f'frame {index} of {len(self)}')
        seed = self._seeds[index // self._each]
        if self._street.seed != seed:       # one street is kept: laying it out takes longer than a frame
            self._street = self._open(seed)
        return self._street[index % self._each * self._apart]

    def names(self) -> List[str]:
        """Return the frames' names in order."""
        names = {seed: self._open(seed).names() for seed in self._seeds}
        return [names[seed][place * self._apart] for seed in self._seeds for place in range(self._each)]


def held_out(size: Tuple[int, int], each: int = 3) -> Streets:
    """Return frames of streets that no training sees."""
    return Streets(size, HELD_OUT_SEEDS, each, 3.0)
