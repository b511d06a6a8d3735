"""The authors' own Cityscapes weights (release v1.cs, Torch7) as weights of the variant 'authors-prelu'."""

from typing import Any, Dict, Iterator, List, Tuple

import numpy as np
from torch import nn

from .. import licences, networks
from ..classes import ClassTable
from ..errors import InputError
from ..networks.blocks import UpsamplingBottleneck
from ..weights import FORMAT, NORMALISATION, Checkpoint
from .torch7 import Object, layers

_LEARNT = ('weight', 'bias', 'running_mean', 'running_var')


def convert(saved: Any, origin: str) -> Checkpoint:
    """Turn a loaded file into a checkpoint with the nineteen classes of Cityscapes.

    The file's channel 0 is "Unlabeled" and is dropped. Old Torch scales by 1 - p where dropout is off,
    which is folded into the batch norm before each dropout. InputError names `origin` and the first
    layer that differs from the network's.
    """
    table = ClassTable.load('cityscapes')
    network = networks.build('enet', 1 + len(table), 'authors-prelu')
    try:
        found = _learnt(layers(saved))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f'{origin}: no ENet of its authors: {error!r}') from None
    wanted = list(_modules('', network))
    if len(found) != len(wanted):
        raise InputError(f'{origin}: no ENet of its authors: {len(found)} layers with weights, not '
                         f'{len(wanted)}')
    arrays: Dict[str, np.ndarray] = {}
    for (name, module), theirs in zip(wanted, found):
        for key, tensor in module.state_dict().items():
            if key == 'num_batches_tracked':
                continue
            array = theirs.get(key)
            if array is None or array.shape != tuple(tensor.shape):
                raise InputError(f'{origin}: no ENet of its authors: {name}.{key} is '
                                 f'{None if array is None else array.shape}, not {tuple(tensor.shape)}')
            arrays[f'{name}.{key}'] = np.asarray(array, np.float32)
    arrays['decoder.last.weight'] = arrays['decoder.last.weight'][:, 1:]
    arrays['decoder.last.bias'] = arrays['decoder.last.bias'][1:]
    return Checkpoint(arrays, {
        'format': FORMAT, 'network': 'enet', 'variant': 'authors-prelu', 'classes': table.to_dict(),
        'num_classes': len(table), 'input_size': [512, 1024], 'normalisation': NORMALISATION, 'scores': {},
        'licence': licences.together([licences.ENET_CITYSCAPES, licences.CITYSCAPES]),
        'training': {'imported_from': "the ENet authors' release v1.cs"}}, origin)


def _learnt(found: List[Object]) -> List[Dict[str, np.ndarray]]:
    """Return the arrays of the layers that have some, with every dropout's factor in the norm before it."""
    learnt: List[Dict[str, np.ndarray]] = []
    for layer in found:
        arrays = {key: value for key, value in layer.fields.items()
                  if key in _LEARNT and isinstance(value, np.ndarray) and value.size}
        if arrays:
            learnt.append(arrays)
        elif layer.kind == 'nn.SpatialDropout':
            kept = 1 - layer.fields.get('p', 0.0)
            if not learnt or 'running_var' not in learnt[-1]:
                raise ValueError('a dropout comes after something that is no batch norm')
            learnt[-1].update({key: learnt[-1][key] * kept for key in ('weight', 'bias')})
    return learnt


def _modules(prefix: str, module: nn.Module) -> Iterator[Tuple[str, nn.Module]]:
    """Yield name and module of every layer with parameters, in the order of the authors' program."""
    children = list(module.named_children())
    if isinstance(module, UpsamplingBottleneck):        # there the branch comes before the skip
        children.sort(key=lambda child: ('branch', 'skip', 'unpool', 'activation').index(child[0]))
    for name, child in children:
        yield from _modules(f'{prefix}{name}.', child)
    if not children and list(module.parameters()):
        yield prefix[:-1], module
