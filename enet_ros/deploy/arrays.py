"""A checkpoint's arrays as an engine without torch wants them: by name, batch norms folded in float64."""

from contextlib import contextmanager
from typing import Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

import numpy as np

from ..weights import Checkpoint, WeightsError

_EPS = {'authors': 1e-3, 'authors-prelu': 1e-3, 'paper': 1e-3, 'pytorch-enet': 1e-5}
_SEGNET_EPS = 1e-5
_LONGEST_SEQUENCE = 11      # of layers in a branch


class Folded(NamedTuple):
    """A convolution's weight with the batch norm after it inside."""

    weight: np.ndarray
    bias: Optional[np.ndarray]


class Arrays:
    """Takes arrays from a checkpoint by their names and notes which were taken."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.variant = checkpoint.variant
        self.network = checkpoint.network
        self.origin = checkpoint.origin
        self.last = ''      # taken
        self._arrays: Mapping[str, np.ndarray] = checkpoint.arrays
        self._used: Set[str] = set()
        self._eps = _EPS.get(checkpoint.variant, 0.0) if checkpoint.network == 'enet' else _SEGNET_EPS
        if not self._eps:
            raise WeightsError(f"{self.origin}: unknown ENet variant '{checkpoint.variant}'")

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def rank(self, name: str) -> int:
        """Return an array's number of dimensions, 0 where there is none."""
        return self._arrays[name].ndim if name in self._arrays else 0

    def slope(self, layer: str) -> Optional[np.ndarray]:
        """Return a PReLU's slopes, None where `layer` is none."""
        name = layer + '.weight'
        return self.take(name) if self.rank(name) == 1 and layer + '.running_mean' not in self else None

    def take(self, name: str) -> np.ndarray:
        """Return an array as float64."""
        if name not in self._arrays:
            raise WeightsError(f"{self.origin}: lacks array {name} for {self.network} '{self.variant}'")
        self._used.add(name)
        self.last = name
        return np.asarray(self._arrays[name], np.float64)

    def optional(self, name: str) -> Optional[np.ndarray]:
        """Return an array as float64, None where there is none."""
        return self.take(name) if name in self else None

    def affine(self, norm: str) -> Tuple[np.ndarray, np.ndarray]:
        """Return scale and shift (C,) of a batch norm with its running statistics."""
        scale = self.take(norm + '.weight') / np.sqrt(self.take(norm + '.running_var') + self._eps)
        return scale, self.take(norm + '.bias') - self.take(norm + '.running_mean') * scale

    def convolution(self, conv: str, norm: Optional[str] = None, transposed: bool = False) -> Folded:
        """Return a convolution with its batch norm folded in."""
        weight, bias = self.take(conv + '.weight'), self.optional(conv + '.bias')
        if norm is not None:
            scale, shift = self.affine(norm)
            weight = weight * scale.reshape((1, -1, 1, 1) if transposed else (-1, 1, 1, 1))
            bias = shift if bias is None else bias * scale + shift
        return Folded(weight, bias)

    def convolutions(self, sequence: str) -> List[int]:
        """List the places of the convolutions in a sequence of layers."""
        places = [step for step in range(_LONGEST_SEQUENCE)
                  if self.rank(f'{sequence}.{step}.weight') == 4]
        if not places:
            self.take(f'{sequence}.0.weight')   # says that it is missing
        return places

    @contextmanager
    def fitted(self) -> Iterator[None]:
        """Make WeightsErrors of what is said of shapes inside, and of arrays that were left over."""
        try:
            yield
        except (RuntimeError, ValueError) as error:     # OpenVINO checks shapes while operations are made
            if isinstance(error, WeightsError):
                raise
            raise WeightsError(f'{self.origin}: an array does not fit {self.network} near {self.last}: '
                               f'{_last_line(error)}') from None
        left = sorted(set(self._arrays) - self._used)
        if left:
            raise WeightsError(f"{self.origin}: holds the unknown array {left[0]} for {self.network} "
                               f"'{self.variant}' ({len(left)} such)")

    def check_classes(self, given: int, classes: int) -> None:
        """Raise WeightsError unless the last layer's classes are as many as the class table's."""
        if given != classes:
            raise WeightsError(f'{self.origin}: array {self.last} gives {given} classes, but the class '
                               f'table has {classes}')


def _last_line(error: Exception) -> str:
    """Return what a runtime says in one line; OpenVINO's messages start with source file names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
