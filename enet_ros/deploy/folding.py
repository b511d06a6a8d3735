"""Batch norm folded into the convolution before it, dropout removed: exact up to rounding."""

import copy
from typing import Iterable, List, Optional, Tuple

import torch
from torch import Tensor, nn


def sequence(layers: Iterable[nn.Module]) -> nn.Sequential:
    """Return the inference form of layers that follow each other."""
    folded: List[nn.Module] = []
    for layer in _flatten(layers):
        if isinstance(layer, nn.BatchNorm2d):
            if not folded or not isinstance(folded[-1], (nn.Conv2d, nn.ConvTranspose2d)):
                raise TypeError('a batch norm that follows no convolution cannot be folded')
            folded[-1] = fold(folded[-1], layer)
        elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            folded.append(fold(layer))
        elif isinstance(layer, (nn.PReLU, nn.ReLU)):
            folded.append(activation(layer))
        elif not isinstance(layer, (nn.Dropout, nn.Dropout2d)):
            raise TypeError(f'no inference form of {type(layer).__name__} is known')
    return nn.Sequential(*folded)


def fold(conv: nn.Module, norm: Optional[nn.BatchNorm2d] = None) -> nn.Module:
    """Return a copy of a (transposed) convolution that includes the batch norm after it."""
    weight = conv.weight.detach().double()
    bias = conv.bias.detach().double() if conv.bias is not None else None
    if norm is not None:
        scale, shift = affine(norm)
        if isinstance(conv, nn.ConvTranspose2d):
            if conv.groups != 1:
                raise TypeError('a grouped transposed convolution cannot be folded')
            weight = weight * scale.reshape(1, -1, 1, 1)
        else:
            weight = weight * scale.reshape(-1, 1, 1, 1)
        bias = shift if bias is None else bias * scale + shift
    return like(conv, weight, bias)


def like(conv: nn.Module, weight: Tensor, bias: Optional[Tensor]) -> nn.Module:
    """Return a convolution of `conv`'s geometry with other weights, in `conv`'s type."""
    transposed = isinstance(conv, nn.ConvTranspose2d)
    maps = weight.shape[:2] if transposed else (weight.shape[1] * conv.groups, weight.shape[0])
    arguments = dict(stride=conv.stride, padding=conv.padding, dilation=conv.dilation,
                     groups=conv.groups, bias=bias is not None)
    if transposed:
        arguments['output_padding'] = conv.output_padding
    made = type(conv)(int(maps[0]), int(maps[1]), conv.kernel_size, **arguments)
    made.to(conv.weight.device, conv.weight.dtype)
    with torch.no_grad():
        made.weight.copy_(weight)
        if bias is not None:
            made.bias.copy_(bias)
    return made


def affine(norm: nn.BatchNorm2d) -> Tuple[Tensor, Tensor]:
    """Return scale and shift (C,) in float64 of a batch norm with its running statistics."""
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.detach().double() - norm.running_mean.double() * scale


def activation(layer: nn.Module) -> nn.Module:
    """Return a copy of a ReLU or PReLU."""
    return nn.ReLU() if isinstance(layer, nn.ReLU) else copy.deepcopy(layer)


def _flatten(layers: Iterable[nn.Module]) -> Iterable[nn.Module]:
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            yield from _flatten(layer)
        else:
            yield layer
