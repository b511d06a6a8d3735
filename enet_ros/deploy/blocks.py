"""ENet's blocks from a checkpoint's arrays, in the operations of a runtime that needs no torch.

`layers` is the module that has them: `openvino_layers` or `onnx_layers`.
"""

from typing import Any, Tuple

import numpy as np

from .arrays import Arrays

Maps = Any      # what `layers` calls a tensor; it has a `shape`, (1, C, H, W)

# Dilation of the main convolution in sections 2 and 3; asymmetric blocks have none.
_DILATIONS = (1, 2, 1, 4, 1, 8, 1, 16)


def trunk(layers: Any, image: Maps, arrays: Arrays) -> Tuple[Maps, Maps]:
    """Run encoder and section 4: an image -> maps (1, 64, H/4, W/4), and the winners that `rest` wants."""
    x = initial(layers, image, arrays)
    x, winner1 = down(layers, x, arrays, 'encoder.down1')
    for index in range(4):
        x = bottleneck(layers, x, arrays, f'encoder.section1.{index}')
    x, winner2 = down(layers, x, arrays, 'encoder.down2')
    for section in ('section2', 'section3'):
        for index, dilation in enumerate(_DILATIONS):
            x = bottleneck(layers, x, arrays, f'encoder.{section}.{index}', dilation)
    x = up(layers, x, arrays, 'decoder.up4', winner2)
    for index in range(2):
        x = bottleneck(layers, x, arrays, f'decoder.section4.{index}')
    return x, winner1


def rest(layers: Any, x: Maps, arrays: Arrays, winner1: Maps) -> Maps:
    """Run section 5: what `trunk` gives -> maps (1, 16, H/2, W/2), which the last layer takes."""
    x = up(layers, x, arrays, 'decoder.up5', winner1)
    return bottleneck(layers, x, arrays, 'decoder.section5.0')


def initial(layers: Any, image: Maps, arrays: Arrays) -> Maps:
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
    x = layers.add(layers.convolution(layers.image_maps(image), filters, offset, stride=2),
                   layers.convolution(pooled, placing, None))
    return layers.activation(x, arrays.slope('encoder.initial.activation'))


def bottleneck(layers: Any, x: Maps, arrays: Arrays, name: str, dilation: int = 1) -> Maps:
    """Figure 2(b) without a change of size."""
    y = layers.add(x, _branch(layers, x, arrays, name, dilation=dilation))
    return layers.activation(y, arrays.slope(name + '.activation'))


def down(layers: Any, x: Maps, arrays: Arrays, name: str) -> Tuple[Maps, Maps]:
    """Halve the size; return the new maps and where the maxima were."""
    branch = _branch(layers, x, arrays, name)
    maxima, winner = layers.pool(x)
    y = layers.add(layers.more_maps(maxima, branch.shape[1]), branch)
    return layers.activation(y, arrays.slope(name + '.activation')), winner


def up(layers: Any, x: Maps, arrays: Arrays, name: str, winner: Maps) -> Maps:
    """Double the size, the main branch by unpooling to where the maxima were."""
    values = layers.convolution(x, *arrays.convolution(name + '.skip.0', name + '.skip.1'))
    unpooled = layers.unpool(values, winner, 2 * x.shape[2], 2 * x.shape[3])
    y = layers.add(unpooled, _branch(layers, x, arrays, name, doubles=True))
    return layers.activation(y, arrays.slope(name + '.activation'))


def _branch(layers: Any, x: Maps, arrays: Arrays, name: str, dilation: int = 1,
            doubles: bool = False) -> Maps:
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
