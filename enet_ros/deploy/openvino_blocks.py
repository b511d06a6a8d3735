"""ENet's blocks in OpenVINO's operations, from a checkpoint's arrays."""

from typing import Tuple

import numpy as np
from openvino import opset13 as op

from . import openvino_layers as layers
from .arrays import Arrays
from .openvino_layers import Node


def initial(image: Node, arrays: Arrays) -> Node:
    """Figure 2(a), its concatenation written as a sum of two convolutions, which is one kernel.

    Thirteen maps come from the 3x3 convolution, three from a 1x1 convolution that puts the pooled
    colours behind them; the batch norm, and 1/255, are in both.
    """
    weight, bias = arrays.take('encoder.initial.conv.weight'), arrays.optional('encoder.initial.conv.bias')
    scale, shift = arrays.affine('encoder.initial.norm')
    learned, maps = len(weight), len(scale)
    filters = np.zeros((maps,) + weight.shape[1:])
    filters[:learned] = weight * scale[:learned].reshape(-1, 1, 1, 1) / 255
    offset = shift.copy()
    if bias is not None:
        offset[:learned] += bias * scale[:learned]
    placing = np.zeros((maps, 3, 1, 1))
    placing[np.arange(learned, maps), np.arange(3)] = scale[learned:].reshape(-1, 1, 1) / 255
    if arrays.variant == 'pytorch-enet':
        pooled = layers.overlapping_max_pool(layers.image_maps(image))
    else:
        pooled = layers.halved_image(image)
    x = op.add(layers.convolution(layers.image_maps(image), filters, offset, stride=2),
               layers.convolution(pooled, placing, None))
    return layers.activation(x, arrays.slope('encoder.initial.activation'))


def bottleneck(x: Node, arrays: Arrays, name: str, dilation: int = 1) -> Node:
    """Figure 2(b) without a change of size."""
    y = op.add(x, _branch(x, arrays, name, dilation=dilation))
    return layers.activation(y, arrays.slope(name + '.activation'))


def down(x: Node, arrays: Arrays, name: str) -> Tuple[Node, Node]:
    """Halve the size; return the new maps and where the maxima were."""
    branch = _branch(x, arrays, name)
    missing = branch.shape[1] - x.shape[1]
    maxima, winner = layers.pool(x)
    padded = op.pad(maxima, layers.integers(0, 0, 0, 0), layers.integers(0, missing, 0, 0),
                    'constant', layers.constant(np.float32(0)))
    y = op.add(padded, branch)
    return layers.activation(y, arrays.slope(name + '.activation')), winner


def up(x: Node, arrays: Arrays, name: str, winner: Node) -> Node:
    """Double the size, the main branch by unpooling to where the maxima were."""
    values = layers.convolution(x, *arrays.convolution(name + '.skip.0', name + '.skip.1'))
    unpooled = layers.unpool(values, winner, 2 * x.shape[2], 2 * x.shape[3])
    y = op.add(unpooled, _branch(x, arrays, name, doubles=True))
    return layers.activation(y, arrays.slope(name + '.activation'))


def _branch(x: Node, arrays: Arrays, name: str, dilation: int = 1, doubles: bool = False) -> Node:
    """Run the convolutions of a block, each with what follows it; the shapes tell their geometry.

    An activation follows every batch norm but the last, and in the port's regular and downsampling
    blocks that one too.
    """
    steps = arrays.convolutions(name + '.branch')
    for index, step in enumerate(steps):
        layer, norm, after = [f'{name}.branch.{step + offset}' for offset in range(3)]
        normalised, expands = norm + '.running_mean' in arrays, step == steps[-1]
        transposed = doubles and index == 1
        folded = arrays.convolution(layer, norm if normalised else None, transposed)
        kernel = folded.weight.shape[2:]
        if transposed:
            x = layers.doubling_convolution(x, *folded)
        elif kernel == (2, 2):
            x = layers.convolution(x, *folded, stride=2, padding=(0, 0))
        else:
            x = layers.convolution(x, *folded, dilation=dilation if kernel == (3, 3) else 1)
        if normalised and (not expands or arrays.variant == 'pytorch-enet' and not doubles):
            x = layers.activation(x, arrays.slope(after))
    return x
