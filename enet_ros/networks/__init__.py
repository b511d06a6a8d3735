"""The networks as published: ENet and, beside it, SegNet and SegNet-Basic."""

from typing import Any, Mapping

import numpy as np
import torch
from torch import nn

from .. import weights
from .enet import EncoderClassifier, ENet
from .segnet import SegNet, SegNetBasic

__all__ = ['ENet', 'EncoderClassifier', 'SegNet', 'SegNetBasic', 'build', 'from_checkpoint', 'to_checkpoint']

NETWORKS = ('enet', 'segnet', 'segnet-basic')


def build(network: str, num_classes: int, variant: str = 'authors') -> nn.Module:
    """Build a network by its name in a checkpoint; ValueError for an unknown name or variant."""
    if network == 'enet':
        return ENet(num_classes, variant)
    if network == 'segnet':
        return SegNet(num_classes)
    if network == 'segnet-basic':
        return SegNetBasic(num_classes)
    raise ValueError(f"unknown network '{network}': choose one of {', '.join(NETWORKS)}")


def from_checkpoint(checkpoint: weights.Checkpoint) -> nn.Module:
    """Build the checkpoint's network with its arrays, fp32, in evaluation mode.

    Raises WeightsError, which names the file and the first array that does not fit.
    """
    try:
        network = build(checkpoint.network, len(checkpoint.classes), checkpoint.variant)
    except ValueError as error:
        raise weights.WeightsError(f'{checkpoint.origin}: {error}') from None
    wanted = {name: tensor for name, tensor in network.state_dict().items()
              if not name.endswith('num_batches_tracked')}
    odd = sorted(set(wanted) ^ set(checkpoint.arrays))
    if odd:
        verb = 'lacks' if odd[0] in wanted else 'holds the unknown'
        raise weights.WeightsError(f'{checkpoint.origin}: {verb} array {odd[0]} for {checkpoint.network} '
                                   f"'{checkpoint.variant}' ({len(odd)} such)")
    for name, tensor in wanted.items():
        if tuple(tensor.shape) != checkpoint.arrays[name].shape:
            raise weights.WeightsError(
                f'{checkpoint.origin}: array {name} is {checkpoint.arrays[name].shape}, but '
                f'{checkpoint.network} with {len(checkpoint.classes)} classes has {tuple(tensor.shape)}')
    state = {name: torch.from_numpy(np.array(array, np.float32)) for name, array in checkpoint.arrays.items()}
    network.load_state_dict(state, strict=False)
    return network.eval()


def to_checkpoint(network: nn.Module, metadata: Mapping[str, Any]) -> weights.Checkpoint:
    """Take a network's parameters and statistics, as float32, with the record that describes them."""
    arrays = {name: tensor.detach().cpu().float().numpy().copy()
              for name, tensor in network.state_dict().items()
              if not name.endswith('num_batches_tracked')}
    return weights.Checkpoint(arrays, dict(metadata, num_classes=network.num_classes))
