"""A checkpoint's arrays as an OpenVINO model: the inference form, built without torch.

Batch norms are folded in float64, 1/255 is folded into the first convolution, dropout is gone. The
tests hold every network and variant equal to the published one of `enet_ros.networks`.
"""

from typing import Tuple

import numpy as np
import openvino
from openvino import opset13 as op

from ..weights import Checkpoint, WeightsError
from . import openvino_layers as layers
from .arrays import Arrays, Folded
from .openvino_layers import Node

HEADS = ('labels', 'logits')

# Dilation of the main convolution in sections 2 and 3; asymmetric blocks have none.
_DILATIONS = (1, 2, 1, 4, 1, 8, 1, 16)

#: Contrast normalisation of SegNet-Basic: Caffe's constants, as in `networks.segnet`.
_LRN_SIZE, _LRN_ALPHA, _LRN_BETA = 5, 1e-4, 0.75


def build(checkpoint: Checkpoint, input_size: Tuple[int, int], head: str = 'labels') -> openvino.Model:
    """Build the model that takes uint8 RGB (1, H, W, 3).

    With `head` 'labels' it gives uint8 class indices, for ENet as (2, 2, H/2, W/2), where [i, j] are
    the odd or even rows and columns, else as (1, 1, H, W); with 'logits' float32 (1, C, H, W).
    WeightsError names the array that is missing, unknown or of another shape.
    """
    if head not in HEADS:
        raise ValueError('head must be one of {}, not {!r}'.format(', '.join(HEADS), head))
    arrays = Arrays(checkpoint)
    height, width = input_size
    image = op.parameter([1, height, width, 3], np.uint8, name='image')
    network = _enet if checkpoint.network == 'enet' else _segnet
    try:
        output = network(op.convert(image, 'f32'), arrays, head, len(checkpoint.classes))
    except (RuntimeError, ValueError) as error:     # OpenVINO checks shapes while operations are made
        if isinstance(error, WeightsError):
            raise
        raise WeightsError('{}: an array does not fit {} near {}: {}'.format(
            checkpoint.origin, checkpoint.network, arrays.last, _first_line(error))) from None
    arrays.check_all_used()
    model = openvino.Model([output.output(0)], [image], checkpoint.network)
    model.output(0).set_names({head})
    # Names count up through the life of a process; the cache of compiled models compares them.
    for index, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name('{}_{}'.format(node.get_type_name(), index))
    return model


def _enet(image: Node, arrays: Arrays, head: str, classes: int) -> Node:
    x = _initial(image, arrays)
    x, before_pool1 = _down(x, arrays, 'encoder.down1')
    for index in range(4):
        x = _bottleneck(x, arrays, 'encoder.section1.{}'.format(index))
    x, before_pool2 = _down(x, arrays, 'encoder.down2')
    for section in ('section2', 'section3'):
        for index, dilation in enumerate(_DILATIONS):
            x = _bottleneck(x, arrays, 'encoder.{}.{}'.format(section, index), dilation)
    x = _up(x, arrays, 'decoder.up4', before_pool2)
    for index in range(2):
        x = _bottleneck(x, arrays, 'decoder.section4.{}'.format(index))
    x = _up(x, arrays, 'decoder.up5', before_pool1)
    x = _bottleneck(x, arrays, 'decoder.section5.0')
    last = arrays.convolution('decoder.last')
    arrays.check_classes(last.weight.shape[1], classes)
    if head == 'labels' and last.weight.shape[2] == 2:
        return _labels_of_quarters(x, last)
    return _head(layers.doubling_convolution(x, *last), head)


def _initial(image: Node, arrays: Arrays) -> Node:
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
        pooled = layers.max_pool(layers.image_maps(image), 3, 1)
    else:
        pooled = layers.halved_image(image)
    x = op.add(layers.convolution(layers.image_maps(image), filters, offset, stride=2),
               layers.convolution(pooled, placing, None))
    return layers.activation(x, arrays.slope('encoder.initial.activation'))


def _bottleneck(x: Node, arrays: Arrays, name: str, dilation: int = 1) -> Node:
    y = op.add(x, _branch(x, arrays, name, dilation=dilation))
    return layers.activation(y, arrays.slope(name + '.activation'))


def _down(x: Node, arrays: Arrays, name: str) -> Tuple[Node, Node]:
    """Return the halved maps and the maps as they were before pooling."""
    branch = _branch(x, arrays, name)
    missing = branch.shape[1] - x.shape[1]
    padded = op.pad(layers.max_pool(x), layers.integers(0, 0, 0, 0), layers.integers(0, missing, 0, 0),
                    'constant', layers.constant(np.float32(0)))
    y = op.add(padded, branch)
    return layers.activation(y, arrays.slope(name + '.activation')), x


def _up(x: Node, arrays: Arrays, name: str, before_pool: Node) -> Node:
    values = layers.convolution(x, *arrays.convolution(name + '.skip.0', name + '.skip.1'))
    y = op.add(layers.unpool(values, before_pool), _branch(x, arrays, name, doubles=True))
    return layers.activation(y, arrays.slope(name + '.activation'))


def _branch(x: Node, arrays: Arrays, name: str, dilation: int = 1, doubles: bool = False) -> Node:
    """Run the convolutions of a block, each with what follows it; the shapes tell their geometry.

    An activation follows every batch norm but the last, and in the port's regular and downsampling
    blocks that one too.
    """
    steps = arrays.convolutions(name + '.branch')
    for index, step in enumerate(steps):
        layer, norm, after = ['{}.branch.{}'.format(name, step + offset) for offset in range(3)]
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


def _labels_of_quarters(x: Node, last: Folded) -> Node:
    """Last layer and argmax together: labels (2, 2, H/2, W/2).

    A 2x2 transposed convolution with stride 2 is a matrix product at half size, which gives the four
    pixels of each cell side by side. Its result lies class by class, as the comparison wants it.
    """
    channels, classes = last.weight.shape[:2]
    _, _, height, width = x.shape
    matrix = last.weight.transpose(1, 2, 3, 0).reshape(-1, channels)
    scores = op.matmul(layers.constant(matrix), layers.reshape(x, channels, height * width), False, False)
    best = layers.best_class(layers.reshape(scores, classes, 4 * height * width), last.bias)
    return layers.reshape(op.convert(best, 'u8'), 2, 2, height, width)


def _head(logits: Node, head: str) -> Node:
    if head == 'logits':
        return logits
    _, classes, height, width = logits.shape
    best = layers.best_class(layers.reshape(logits, classes, height * width))
    return layers.reshape(op.convert(best, 'u8'), 1, 1, height, width)


def _segnet(image: Node, arrays: Arrays, head: str, classes: int) -> Node:
    """SegNet and SegNet-Basic: which of them shows in the number of stages and the first layer."""
    x = layers.image_maps(image)
    basic = arrays.network == 'segnet-basic'
    if basic:
        x = op.lrn(x, layers.integers(1), _LRN_ALPHA, _LRN_BETA, 1.0, _LRN_SIZE)
    pooled = []
    for stage in range(4 if basic else 5):
        x = _stage(x, arrays, 'encoder.{}'.format(stage), 1.0 if stage or basic else 255.0)
        pooled.append(x)
        x = layers.max_pool(x)
    for stage in range(len(pooled)):
        x = _stage(layers.unpool(x, pooled.pop()), arrays, 'decoder.{}'.format(stage), relu=not basic)
    classifier = arrays.convolution('classifier')
    arrays.check_classes(len(classifier.weight), classes)
    return _head(layers.convolution(x, *classifier), head)


def _stage(x: Node, arrays: Arrays, name: str, divisor: float = 1.0, relu: bool = True) -> Node:
    for step in arrays.convolutions(name):
        folded = arrays.convolution('{}.{}'.format(name, step), '{}.{}'.format(name, step + 1))
        x = layers.convolution(x, folded.weight / divisor, folded.bias)
        divisor = 1.0
        if relu:
            x = op.relu(x)
    return x


def _first_line(error: Exception) -> str:
    """Return what OpenVINO says in one line; its messages start with source file names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
