"""Frames of many synthetic streets: what the demonstration's weights are trained on."""

from typing import List, Optional, Sequence, Tuple

from ..datasets.sample import Dataset, Sample
from ..datasets.synthetic import SyntheticStreet

TRAINING_SEEDS = range(1000, 1060)      # never the small seeds that demonstrations and tests show
HELD_OUT_SEEDS = range(8)


class Streets(Dataset):
    """`each` frames, `seconds` apart, of the street of every seed."""

    def __init__(self, size: Tuple[int, int], seeds: Sequence[int] = TRAINING_SEEDS, each: int = 6,
                 seconds: float = 1.5) -> None:
        self.name = 'synthetic'
        self.split: Optional[str] = None
        self._each = each
        self._streets = [SyntheticStreet(size, seed, frames=1, start=frame * seconds)
                         for seed in seeds for frame in range(each)]
        self.classes = self._streets[0].classes

    def __len__(self) -> int:
        return len(self._streets)

    def __getitem__(self, index: int) -> Sample:
        # A street is laid out, used once and dropped: kept, sixty of them would fill the memory.
        street = self._streets[index]
        return SyntheticStreet(street.size, street.seed, frames=1, start=street.start)[0]._replace(
            name=self.names()[index])

    def names(self) -> List[str]:
        """Return the frames' names in order."""
        return ['street{}_{:02d}'.format(street.seed, index % self._each)
                for index, street in enumerate(self._streets)]


def held_out(size: Tuple[int, int], each: int = 3) -> Streets:
    """Return frames of streets that no training sees."""
    return Streets(size, HELD_OUT_SEEDS, each, 3.0)
