"""What every inference engine offers."""

import abc
from typing import Any, Optional, Tuple

import numpy as np

from ..errors import InputError
from .confidence import Calibration, labels_and_confidence


class EngineError(InputError):
    """An engine that is not there, cannot be built here or gave a wrong answer when checked."""


class Engine(abc.ABC):
    """A network ready to run at one size: a frame in, its labels out.

    `name` and `precision` say what runs ('torch', 'fp32'), `input_size` is (height, width) and
    `reason` why this engine was chosen. An engine belongs to the thread that opened it.
    """

    name: str
    precision: str
    input_size: Tuple[int, int]
    reason: str = 'asked for'
    calibration: Optional[Calibration] = None

    @abc.abstractmethod
    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB at `input_size` -> (H, W) uint8 class indices.

        The array may be overwritten by the next call. ValueError for a frame of another size.
        """

    def logits(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB at `input_size` -> (C, H, W) float32, for scoring by upsampled logits."""
        raise NotImplementedError(f'engine {self.name} gives labels only')

    def calibrate(self, calibration: Calibration) -> None:
        """Prepare `labels_and_confidence`, its first run included; EngineError where this engine has none."""
        self.calibration = calibration
        self.labels_and_confidence(np.zeros(self.input_size + (3,), np.uint8))

    def labels_and_confidence(self, frame: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Do as `labels`, and return each label's probability, (H, W) uint8: 255 is 1.0.

        ValueError unless `calibrate` was called. Both arrays may be overwritten by the next call.
        """
        return labels_and_confidence(self.logits(frame), self.calibrated())

    def calibrated(self) -> Calibration:
        """Return what `calibrate` was given; ValueError where it was not called."""
        if self.calibration is None:
            raise ValueError(f'engine {self.name} was not opened for confidence')
        return self.calibration

    def close(self) -> None:
        """Release what the engine holds; a second call does nothing."""

    def check(self, frame: np.ndarray) -> None:
        """Raise ValueError unless `frame` is uint8 RGB of the engine's size."""
        if frame.dtype != np.uint8 or frame.shape != self.input_size + (3,):
            raise ValueError(f'engine {self.name} takes uint8 frames of shape {self.input_size + (3,)}, not '
                             f'{frame.dtype} of shape {frame.shape}')

    def __enter__(self) -> 'Engine':
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()
