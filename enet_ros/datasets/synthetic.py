"""A synthetic street seen from a moving vehicle, with exact labels: for demonstrations, tests and load.

It has CamVid's eleven classes and instance numbers of cars, pedestrians and cyclists. It is drawn from a
seed, in perspective, and moves as a drive does; no frame depends on the one before, so any frame can be
asked for at any time. It is not a data set to boast with: a network that reads this street has learnt to
read this street.
"""

from typing import Dict, List, Optional, Tuple

import numpy as np

from ..classes import ClassTable
from ..errors import InputError
from .sample import Dataset, Sample
from .street.scene import Scene

RATE_HZ = 30.0
SMALLEST = 16  # pixels; a smaller side shows no street


class SyntheticStreet(Dataset):
    """`frames` frames of the street of `seed`, `size` = (height, width) pixels, `RATE_HZ` apart.

    The same seed gives the same street at any size, and frame i the same pixels in whatever order frames
    are asked for. Labels are class indices 0..10; instances are class * 1000 + number, the number kept by
    an object while it is in view (0 where nothing is counted). Raises InputError for a size below 16 pixels
    or no frames.
    """

    def __init__(self, size: Tuple[int, int] = (360, 480), seed: int = 0, frames: int = 300,
                 start: float = 0.0) -> None:
        """Lay the street out; `start` is the time of frame 0 in seconds."""
        if min(size) < SMALLEST:
            raise InputError(f'synthetic street: {size[0]}x{size[1]} pixels are too few, ask for {SMALLEST} '
                             'or more each way')
        if frames < 1:
            raise InputError('synthetic street: ask for one frame or more')
        self.name = 'synthetic'
        self.split: Optional[str] = None
        self.classes = ClassTable.load('camvid')
        self.size, self.seed, self.start = (int(size[0]), int(size[1])), int(seed), float(start)
        self._frames = int(frames)
        self._scene: Optional[Scene] = None

    @property
    def scene(self) -> Scene:
        """The street itself, laid out when first needed."""
        if self._scene is None:
            self._scene = Scene(self.size, self.seed)
        return self._scene

    @property
    def camera_matrix(self) -> np.ndarray:
        """The intrinsic matrix K, (3, 3) float64, pixels."""
        return self.scene.camera.matrix()

    def geometry(self, index: int) -> Tuple[np.ndarray, float, float]:
        """Return frame `index`'s true depth, and the camera's height and pitch above the flat ground.

        Depth is (H, W) float32 metres along the optical axis, infinite for the sky and what is farther than
        the street is drawn; height is in metres, pitch in radians, nose down positive; there is no roll.
        """
        depth = self.scene.paint(self.start + index / RATE_HZ).depth()
        return (depth,) + self.scene.camera.above_ground()

    def __getstate__(self) -> Dict:
        """Leave the street out of a pickle: a data loader's worker lays out its own."""
        return dict(self.__dict__, _scene=None)

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int) -> Sample:
        if index < 0:
            index += self._frames
        if not 0 <= index < self._frames:
            raise IndexError(f'synthetic street: frame {index} of {self._frames}')
        stamp = self.start + index / RATE_HZ
        image, label, instances = self.scene.render(stamp, int(round(stamp * RATE_HZ)))
        return Sample(self._name(index), image, label, instances, self._sequence, stamp)

    def names(self) -> List[str]:
        """Return the frames' names in order."""
        return [self._name(index) for index in range(self._frames)]

    @property
    def _sequence(self) -> str:
        return f'street{self.seed}'

    def _name(self, index: int) -> str:
        return f'{self._sequence}_{index:06d}'
