"""Starting from trained weights: everything that fits is taken over, class by class in the last layers."""

from typing import List

import numpy as np
import torch
from torch import nn

from .. import networks
from ..classes import ClassTable
from ..errors import InputError
from ..weights import Checkpoint


def from_weights(checkpoint: Checkpoint, classes: ClassTable, network: str, variant: str) -> nn.Module:
    """Build the network for `classes` and fill it from a checkpoint of the same network and variant.

    Layers that have one slice per class take over the classes that both tables name, in capitals or not;
    new classes keep their random start. InputError where network or variant differ.
    """
    if (checkpoint.network, checkpoint.variant) != (network, variant):
        raise InputError(f"{checkpoint.origin}: holds {checkpoint.network} '{checkpoint.variant}', but the "
                         f"recipe trains {network} '{variant}'")
    module = networks.build(network, len(classes), variant)
    state = module.state_dict()
    for name, array in checkpoint.arrays.items():
        if name not in state:
            raise InputError(f'{checkpoint.origin}: holds the unknown array {name}')
        state[name] = _fitted(array, state[name].numpy(), checkpoint.classes, classes, name)
    module.load_state_dict(state)
    return module


def _fitted(array: np.ndarray, start: np.ndarray, old: ClassTable, new: ClassTable,
            name: str) -> torch.Tensor:
    """Return `array`, or `start` with the slices of the classes in common where the classes differ."""
    array = array.astype(np.float32)
    per_class = _class_axis(array, start, len(old), len(new))
    if old.names == new.names or (array.shape == start.shape and per_class < 0):
        return torch.from_numpy(array.copy())
    if per_class < 0:
        raise InputError(f'array {name} is {array.shape}, which does not fit {start.shape}')
    filled = start.copy()
    known = {class_name.lower(): place for place, class_name in enumerate(old.names)}
    for place, class_name in enumerate(new.names):
        if class_name.lower() in known:
            target: List = [slice(None)] * start.ndim
            source: List = [slice(None)] * start.ndim
            target[per_class], source[per_class] = place, known[class_name.lower()]
            filled[tuple(target)] = array[tuple(source)]
    return torch.from_numpy(filled)


def _class_axis(array: np.ndarray, start: np.ndarray, old: int, new: int) -> int:
    """Return the axis along which the classes lie, -1 where the array has none."""
    if array.ndim != start.ndim:
        return -1
    fits = [axis for axis in range(array.ndim)
            if (array.shape[axis], start.shape[axis]) == (old, new)
            and array.shape[:axis] + array.shape[axis + 1:] == start.shape[:axis] + start.shape[axis + 1:]]
    return fits[-1] if fits else -1
