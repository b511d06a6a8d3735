"""A checkpoint's arrays as an OpenVINO model: the inference form, built without torch.

Batch norms are folded in float64, 1/255 is folded into the first convolution, dropout is gone. The
tests hold every network and variant equal to the published one of `enet_ros.networks`.
"""

import functools
from typing import Callable, Optional, Tuple

import numpy as np
import openvino
from openvino import opset13 as op

from ..weights import Checkpoint
from . import blocks
from . import openvino_layers as layers
from .arrays import Arrays, Folded
from .confidence import Calibration
from .openvino_layers import Node

HEADS = ('labels', 'logits', 'confidence')

#: Scores (C, n) and a bias (C,) still to be added -> what is given out, (1, n) or more rows.
_Pick = Callable[[Node, Optional[np.ndarray]], Node]

# Rows of a strip at a quarter of the size; strips are made where the scores of all classes take more bytes.
_STRIP = 15
_CACHED_BYTES = 12 << 20

#: Contrast normalisation of SegNet-Basic: Caffe's constants, as in `networks.segnet`.
_LRN_SIZE, _LRN_ALPHA, _LRN_BETA = 5, 1e-4, 0.75


def build(checkpoint: Checkpoint, input_size: Tuple[int, int], head: str = 'labels',
          calibration: Calibration = Calibration()) -> openvino.Model:
    """Build the model that takes uint8 RGB (1, H, W, 3).

    With `head` 'labels' it gives uint8 class indices, for ENet as (2, 2, H/2, W/2), where [i, j] are
    the odd or even rows and columns, else as (1, 1, H, W); with 'confidence' the same twice, one after
    the other: labels, then their probability times 255; with 'logits' float32 (1, C, H, W).
    WeightsError names the array that is missing, unknown or of another shape.
    """
    if head not in HEADS:
        raise ValueError('head must be one of {}, not {!r}'.format(', '.join(HEADS), head))
    pick = {'labels': layers.best_class, 'logits': None,
            'confidence': functools.partial(layers.best_and_probability, calibration)}[head]
    arrays = Arrays(checkpoint)
    height, width = input_size
    image = op.parameter([1, height, width, 3], np.uint8, name='image')
    network = _enet if checkpoint.network == 'enet' else _segnet
    with arrays.fitted():
        output = network(image, arrays, pick, len(checkpoint.classes))
    model = openvino.Model([output.output(0)], [image], checkpoint.network)
    model.output(0).set_names({head})
    # Names count up through the life of a process; the cache of compiled models compares them.
    for index, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f'{node.get_type_name()}_{index}')
    return model


def _enet(image: Node, arrays: Arrays, pick: Optional[_Pick], classes: int) -> Node:
    x, winner1 = blocks.trunk(layers, image, arrays)
    last = arrays.convolution('decoder.last')
    arrays.check_classes(last.weight.shape[1], classes)
    if pick is not None and last.weight.shape[2] == 2:
        return _labels_in_strips(x, winner1, arrays, last, pick)
    return _head(layers.doubling_convolution(blocks.rest(layers, x, arrays, winner1), *last), pick)


def _labels_in_strips(x: Node, winner: Node, arrays: Arrays, last: Folded, pick: _Pick) -> Node:
    """Bottlenecks 5.0 and 5.1, last layer and argmax -> labels (2, 2, H/2, W/2), exactly.

    Maps at half size and the scores are the largest. Where they outgrow the cores' caches, this rest of
    the network runs strip by strip. One row at a quarter of the size, above and below, holds all that
    its two 3x3 convolutions see of the neighbours; what comes of it is cut off again.
    """
    _, _, height, width = x.shape
    classes = last.weight.shape[1]
    strip = _STRIP if 4 * classes * 16 * height * width > _CACHED_BYTES else height
    labels = []
    for first in range(0, height, strip):
        end = min(first + strip, height)
        above, below = min(1, first), min(1, height - end)
        y, corners = [layers.rows(maps, first - above, end + below) for maps in (x, winner)]
        y = layers.rows(blocks.rest(layers, y, arrays, corners), 2 * above, 2 * (above + end - first))
        labels.append(_labels_of_quarters(y, last, pick))
    return labels[0] if len(labels) == 1 else op.concat(labels, 2)


def _labels_of_quarters(x: Node, last: Folded, pick: _Pick) -> Node:
    """Last layer and argmax together: labels (2, 2, H/2, W/2).

    A 2x2 transposed convolution with stride 2 is a matrix product at half size, which gives the four
    pixels of each cell side by side. Its result lies class by class, as the comparison wants it.
    """
    channels, classes = last.weight.shape[:2]
    _, _, height, width = x.shape
    matrix = last.weight.transpose(1, 2, 3, 0).reshape(-1, channels)
    scores = op.matmul(layers.constant(matrix), layers.reshape(x, channels, height * width), False, False)
    best = pick(layers.reshape(scores, classes, 4 * height * width), last.bias)
    return layers.reshape(op.convert(best, 'u8'), 2 * best.shape[0], 2, height, width)


def _head(logits: Node, pick: Optional[_Pick]) -> Node:
    if pick is None:
        return logits
    _, classes, height, width = logits.shape
    best = pick(layers.reshape(logits, classes, height * width), None)
    return layers.reshape(op.convert(best, 'u8'), best.shape[0], 1, height, width)


def _segnet(image: Node, arrays: Arrays, pick: Optional[_Pick], classes: int) -> Node:
    """SegNet and SegNet-Basic: which of them shows in the number of stages and the first layer."""
    x = layers.image_maps(image)
    basic = arrays.network == 'segnet-basic'
    if basic:
        x = op.lrn(x, layers.integers(1), _LRN_ALPHA, _LRN_BETA, 1.0, _LRN_SIZE)
    pooled = []
    for stage in range(4 if basic else 5):
        x = _stage(x, arrays, f'encoder.{stage}', 1.0 if stage or basic else 255.0)
        size = x.shape[2:]
        x, winner = layers.pool(x)
        pooled.append((winner, *size))
    for stage in range(len(pooled)):
        x = _stage(layers.unpool(x, *pooled.pop()), arrays, f'decoder.{stage}', relu=not basic)
    classifier = arrays.convolution('classifier')
    arrays.check_classes(len(classifier.weight), classes)
    return _head(layers.convolution(x, *classifier), pick)


def _stage(x: Node, arrays: Arrays, name: str, divisor: float = 1.0, relu: bool = True) -> Node:
    for step in arrays.convolutions(name):
        folded = arrays.convolution(f'{name}.{step}', f'{name}.{step + 1}')
        x = layers.convolution(x, folded.weight / divisor, folded.bias)
        divisor = 1.0
        if relu:
            x = op.relu(x)
    return x
