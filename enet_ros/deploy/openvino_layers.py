"""Layers in OpenVINO's operations, each in the form that its CPU plugin runs fastest.

Logical layout is NCHW; the plugin keeps the maps channels last in memory, where a convolution, the
bias, a sum and a PReLU after it become one kernel. What would force another layout (pooling three
channels, transposing what two layers read, slicing channels) costs more than it computes, so it is
written in other terms here.
"""

import functools
from typing import Any, List, Optional, Tuple

import numpy as np
from openvino import opset13 as op

from .confidence import Calibration

Node = Any      # an openvino.Node, or one of its outputs

_FINITE_MINIMUM = np.float32(np.finfo(np.float32).min)


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


def add(a: Node, b: Node) -> Node:
    """Add maps of one shape."""
    return op.add(a, b)


def more_maps(x: Node, count: int) -> Node:
    """Append maps of zeros, up to `count`."""
    return op.pad(x, integers(0, 0, 0, 0), integers(0, count - x.shape[1], 0, 0), 'constant',
                  constant(np.float32(0)))


def rows(x: Node, first: int, end: int) -> Node:
    """Rows first..end of (N, C, H, W)."""
    if (first, end) == (0, x.shape[2]):
        return x
    return op.slice(x, integers(first), integers(end), integers(1), integers(2))


def overlapping_max_pool(x: Node) -> Node:
    """3x3 max pooling with stride 2 and padding 1."""
    return op.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3], 'floor').output(0)


def pool(x: Node) -> Tuple[Node, Node]:
    """2x2 maxima of (1, C, H, W), and which corner of its cell each is: 0 to 3, row by row, as float.

    Exact, the first of equal maxima winning: a tournament, because ``x == upsampled maxima`` would let
    all of them win, which flat parts of an image make common. The last row or column of an odd map
    is a cell too.
    """
    _, channels, height, width = x.shape
    even = (height + height % 2, width + width % 2)
    if even != (height, width):
        x = op.pad(x, integers(0, 0, 0, 0), integers(0, 0, height % 2, width % 2), 'constant',
                   constant(_FINITE_MINIMUM))
    x00, x01, x10, x11 = [_corner(x, (1, channels) + even, row, column)
                          for row in (0, 1) for column in (0, 1)]
    right_above, right_below = _greater(x01, x00), op.add(_greater(x11, x10), constant(2))
    above, below = op.maximum(x00, x01), op.maximum(x10, x11)
    winner = op.add(right_above, op.multiply(_greater(below, above), op.subtract(right_below, right_above)))
    return op.maximum(above, below), winner


def unpool(values: Node, winner: Node, height: int, width: int) -> Node:
    """Spread `values` (1, C, h, w) over (1, C, height, width): each in its corner of a cell, else zeros."""
    _, channels, cell_rows, cell_columns = values.shape
    # Both columns of a row side by side: channels last, that is how they lie in the doubled map.
    cells = (cell_rows, 1, cell_columns, 1, channels)
    winner, values = [reshape(channels_last(x), *cells) for x in (winner, values)]
    both = []
    for row in (0, 1):
        corners = constant(np.reshape([2 * row, 2 * row + 1], (1, 1, 1, 2, 1)))
        kept = op.multiply(values, op.convert(op.equal(winner, corners), 'f32'))
        both.append(reshape(kept, cell_rows, 1, 2 * cell_columns * channels))
    doubled = channels_first(reshape(op.concat(both, 1), 1, 2 * cell_rows, 2 * cell_columns, channels))
    if (2 * cell_rows, 2 * cell_columns) == (height, width):
        return doubled
    return op.strided_slice(doubled, integers(0, 0, 0, 0), integers(1, channels, height, width),
                            integers(1, 1, 1, 1), [0] * 4, [0] * 4)


def channels_last(x: Node) -> Node:
    """(1, C, H, W) -> (1, H, W, C): of a convolution's result only another name."""
    return op.transpose(x, integers(0, 2, 3, 1))


def channels_first(x: Node) -> Node:
    """(1, H, W, C) -> (1, C, H, W): where a convolution reads it only another name, one for each reader."""
    return op.transpose(x, integers(0, 3, 1, 2))


def image_maps(image: Node) -> Node:
    """uint8 (1, H, W, 3) -> float (1, 3, H, W).

    Converted as a matrix: the plugin would put a transposition before the conversion of a picture.
    """
    _, height, width, depth = image.shape
    floats = op.convert(reshape(image, height, width * depth), 'f32')
    return channels_first(reshape(floats, 1, height, width, depth))


def halved_image(image: Node) -> Node:
    """2x2 maxima of a uint8 image (1, H, W, 3), H and W even -> float (1, 3, H/2, W/2).

    As two maxima of contiguous halves, of bytes: three channels pooled by the plugin take ten times as long.
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

    The first of equal ones wins. Rows are views of one block of memory. The index is computed, not
    selected: so the whole chain becomes one or two kernels, half of what selecting takes.
    """
    return _best(_class_rows(scores, bias))[1]


def best_and_probability(calibration: Calibration, scores: Node, bias: Optional[np.ndarray] = None) -> Node:
    """Do as `best_class`, and append its probability as whole numbers to 255: (2, n)."""
    rows = _class_rows(scores, bias)
    best, index = _best(rows)
    powers = [op.exp(op.multiply(op.subtract(row, best), constant([[1 / calibration.temperature]])))
              for row in rows]
    own = constant([[1]])       # the best class's power
    if calibration.groups is not None:
        group = op.gather(constant(calibration.groups), op.convert(index, 'i32'), axis(0))
        own = _sum([op.multiply(power, op.convert(op.equal(group, constant([[other]])), 'f32'))
                    for power, other in zip(powers, calibration.groups)])
    share = op.divide(op.multiply(own, constant([[255]])), _sum(powers))
    return op.concat([index, op.floor(op.add(share, constant([[0.5]])))], 0)


def _class_rows(scores: Node, bias: Optional[np.ndarray]) -> List[Node]:
    rows = op.split(scores, axis(0), scores.shape[0]).outputs()
    return rows if bias is None else [op.add(row, constant([[shift]])) for row, shift in zip(rows, bias)]


def _best(rows: List[Node]) -> Tuple[Node, Node]:
    best, index = rows[0], constant([[0]])
    for challenger, row in enumerate(rows[1:], 1):
        index = op.add(index, op.multiply(_greater(row, best), op.subtract(constant([[challenger]]), index)))
        best = op.maximum(best, row)
    return best, index


def _sum(nodes: List[Node]) -> Node:
    return functools.reduce(op.add, nodes)


def _corner(x: Node, shape: Tuple[int, ...], row: int, column: int) -> Node:
    """Every second row from `row` and column from `column`."""
    return op.strided_slice(x, integers(0, 0, row, column), integers(*shape), integers(1, 1, 2, 2),
                            [0] * 4, [0] * 4)


def _greater(a: Node, b: Node) -> Node:
    return op.convert(op.greater(a, b), 'f32')
