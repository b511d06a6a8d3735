"""Layers in OpenVINO's operations, each in the form that its CPU plugin runs fastest.

Logical layout is NCHW; the plugin keeps the maps channels last in memory, where a convolution, the
bias, a sum and a PReLU after it become one kernel. What would force another layout (pooling three
channels, transposing what two layers read, slicing channels) costs more than it computes, so it is
written in other terms here.
"""

from typing import Any, Optional, Sequence, Tuple

import numpy as np
from openvino import opset13 as op

Node = Any      # an openvino.Node, or one of its outputs

_FINITE_MINIMUM = np.float32(np.finfo(np.float32).min)
# Classes compared by one kernel: with more, the plugin cuts the chain itself, in worse places.
_CLASSES_AT_ONCE = 4


def constant(values: Any, dtype: Any = np.float32) -> Node:
    """Wrap an array."""
    return op.constant(np.array(values, dtype, order='C'))


def integers(*values: int) -> Node:
    """Wrap a shape or a list of axes."""
    return op.constant(np.array(values, np.int64))


def reshape(x: Node, *shape: int) -> Node:
    """Give a tensor another shape."""
    return op.reshape(x, integers(*shape), False)


def convolution(x: Node, weight: np.ndarray, bias: Optional[np.ndarray], stride: int = 1, dilation: int = 1,
                padding: Optional[Tuple[int, int]] = None) -> Node:
    """Convolve with an (out, in, h, w) weight; 'same' padding for odd kernels unless told otherwise."""
    if padding is None:
        padding = (weight.shape[2] // 2 * dilation, weight.shape[3] // 2 * dilation)
    y = op.convolution(x, constant(weight), [stride] * 2, list(padding), list(padding), [dilation] * 2)
    return y if bias is None else op.add(y, constant(bias.reshape(1, -1, 1, 1)))


def doubling_convolution(x: Node, weight: np.ndarray, bias: Optional[np.ndarray]) -> Node:
    """Transposed convolution to twice the size with an (in, out, k, k) weight, k = 2, or 3 with padding 1."""
    extra = weight.shape[2] - 2
    y = op.convolution_backprop_data(
        x, constant(weight), [2, 2], pads_begin=[extra] * 2, pads_end=[extra] * 2, output_padding=[extra] * 2)
    return y if bias is None else op.add(y, constant(bias.reshape(1, -1, 1, 1)))


def activation(x: Node, slope: Optional[np.ndarray]) -> Node:
    """PReLU with one slope for each map or one for all; ReLU where `slope` is None."""
    if slope is None:
        return op.relu(x)
    return op.prelu(x, constant(np.broadcast_to(slope, (x.shape[1],))))


def rows(x: Node, first: int, end: int) -> Node:
    """Rows first..end of (N, C, H, W)."""
    if (first, end) == (0, x.shape[2]):
        return x
    return op.slice(x, integers(first), integers(end), integers(1), integers(2))


def max_pool(x: Node, kernel: int = 2, padding: int = 0) -> Node:
    """Max pooling with stride 2; a map of odd size counts its last row or column as a cell."""
    pads, rounding = [padding] * 2, 'floor' if padding else 'ceil'
    return op.max_pool(x, [2, 2], [1, 1], pads, pads, [kernel] * 2, rounding).output(0)


def unpool(values: Node, pooled: Node) -> Node:
    """Put `values` (N, C, h, w) where the maxima of the 2x2 cells of `pooled` (N, C, H, W) are, else zero.

    Exact, the first of equal maxima winning: a tournament, because ``pooled == upsampled maxima``
    would let all of them win, which flat parts of an image make common.
    """
    _, channels, height, width = pooled.shape
    even = (height + height % 2, width + width % 2)
    if even != (height, width):
        pooled = op.pad(pooled, integers(0, 0, 0, 0), integers(0, 0, height % 2, width % 2), 'constant',
                        constant(_FINITE_MINIMUM))
    x00, x01, x10, x11 = [_corner(pooled, (1, channels) + even, row, column)
                          for row in (0, 1) for column in (0, 1)]
    right_above, right_below = _greater(x01, x00), _greater(x11, x10)
    below = _greater(op.maximum(x10, x11), op.maximum(x00, x01))
    lower = op.multiply(values, below)
    upper = op.subtract(values, lower)
    o01, o11 = op.multiply(upper, right_above), op.multiply(lower, right_below)
    corners = op.concat([op.subtract(upper, o01), o01, op.subtract(lower, o11), o11], 1)
    cells = op.depth_to_space(corners, 'blocks_first', 2)
    if even == (height, width):
        return cells
    return op.strided_slice(cells, integers(0, 0, 0, 0), integers(1, channels, height, width),
                            integers(1, 1, 1, 1), [0] * 4, [0] * 4)


def image_maps(image: Node) -> Node:
    """(1, H, W, 3) -> (1, 3, H, W). One for each reader: then it is only a name for the same memory."""
    return op.transpose(image, integers(0, 3, 1, 2))


def halved_image(image: Node) -> Node:
    """2x2 maxima of an image (1, H, W, 3), H and W even -> (1, 3, H/2, W/2).

    As two maxima of contiguous halves: three channels pooled by the plugin take five times as long.
    """
    _, height, width, _ = image.shape
    above, below = op.split(reshape(image, 1, height // 2, 2, width * 3), axis(2), 2).outputs()
    pairs = reshape(op.maximum(above, below), height // 2, width // 2, 2, 3)
    left, right = op.split(pairs, axis(2), 2).outputs()
    return image_maps(reshape(op.maximum(left, right), 1, height // 2, width // 2, 3))


def axis(value: int) -> Node:
    """Wrap one axis."""
    return op.constant(np.int64(value))


def best_class(scores: Node, bias: Optional[np.ndarray] = None) -> Node:
    """Scores (C, n), to which `bias` (C,) is still to be added -> the best class's index (1, n) as float.

    The first of equal ones wins. Rows are views of one block of memory, and a few of them at a time
    are compared in registers: a third of what TopK takes.
    """
    classes = scores.shape[0]
    rows = op.split(scores, axis(0), classes).outputs()
    if bias is not None:
        rows = [op.add(row, constant([[shift]])) for row, shift in zip(rows, bias)]
    heats = [_best_of(rows[first:first + _CLASSES_AT_ONCE],
                      [constant([[index]]) for index in range(first, min(first + _CLASSES_AT_ONCE, classes))])
             for first in range(0, classes, _CLASSES_AT_ONCE)]
    return _best_of([score for score, _ in heats], [index for _, index in heats])[1]


def _best_of(scores: Sequence[Node], indices: Sequence[Node]) -> Tuple[Node, Node]:
    best, index = scores[0], indices[0]
    for score, other in zip(scores[1:], indices[1:]):
        index = op.select(op.greater(score, best), other, index)
        best = op.maximum(best, score)
    return best, index


def _corner(x: Node, shape: Tuple[int, ...], row: int, column: int) -> Node:
    """Every second row from `row` and column from `column`."""
    return op.strided_slice(x, integers(0, 0, row, column), integers(*shape), integers(1, 1, 2, 2),
                            [0] * 4, [0] * 4)


def _greater(a: Node, b: Node) -> Node:
    return op.convert(op.greater(a, b), 'f32')
