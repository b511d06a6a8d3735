"""What the inference form's own layers are made of in TensorRT.

Functions of a network definition and its tensors, written against the names that TensorRT's Python
API has had from 8.2 to 10.3; `converters` hands them to torch2trt. All shapes are static.
Arithmetic is on floats alone: TensorRT 8.2 has few integer layers.
"""

from typing import Any, Optional, Sequence, Tuple

import numpy as np
import tensorrt as trt

from .engine import EngineError

_Op = trt.ElementWiseOperation


class Pointwise:
    """Pointwise arithmetic in one network, with constants of one type."""

    def __init__(self, network: Any, dtype: Any) -> None:
        """`dtype` is the constants' numpy type: that of the tensors they meet."""
        self.network = network
        self.dtype = np.dtype(dtype)

    def constant(self, values: Any, shape: Sequence[int]) -> Any:
        """Return a constant tensor; TensorRT broadcasts where a dimension is 1."""
        array = np.ascontiguousarray(np.asarray(values, self.dtype).reshape(tuple(shape)))
        return self.network.add_constant(tuple(shape), array).get_output(0)

    def binary(self, operation: Any, a: Any, b: Any) -> Any:
        """Return operation(a, b), where one of them may be a number."""
        if isinstance(a, float):
            a = self.constant(a, (1,) * len(b.shape))
        if isinstance(b, float):
            b = self.constant(b, (1,) * len(a.shape))
        return self.network.add_elementwise(a, b, operation).get_output(0)

    def add(self, a: Any, b: Any) -> Any:
        """Return a + b."""
        return self.binary(_Op.SUM, a, b)

    def subtract(self, a: Any, b: Any) -> Any:
        """Return a - b."""
        return self.binary(_Op.SUB, a, b)

    def multiply(self, a: Any, b: Any) -> Any:
        """Return a * b."""
        return self.binary(_Op.PROD, a, b)

    def larger(self, a: Any, b: Any) -> Any:
        """Return max(a, b)."""
        return self.binary(_Op.MAX, a, b)

    def smaller(self, a: Any, b: Any) -> Any:
        """Return min(a, b)."""
        return self.binary(_Op.MIN, a, b)

    def relu(self, a: Any) -> Any:
        """Return max(a, 0)."""
        return self.network.add_activation(a, trt.ActivationType.RELU).get_output(0)

    def unary(self, operation: Any, a: Any) -> Any:
        """Return operation(a)."""
        return self.network.add_unary(a, operation).get_output(0)

    def greater(self, a: Any, b: Any) -> Any:
        """Return 1 where a > b, else 0."""
        difference = self.smaller(self.relu(self.subtract(a, b)), 1.0)
        return self.unary(trt.UnaryOperation.CEIL, difference)


def pool_with_code(network: Any, x: Any, dtype: Any) -> Tuple[Any, Any]:
    """Return maxima and codes of `layers.PoolWithCode`."""
    x = _even(network, _even(network, x, 3), 2)
    batch, channels, height, width = x.shape
    shape = (batch, channels, height // 2, width // 2)
    (x00, x01), (x10, x11) = [
        [network.add_slice(x, (0, 0, row, column), shape, (1, 1, 2, 2)).get_output(0) for column in (0, 1)]
        for row in (0, 1)]
    p = Pointwise(network, dtype)
    top, bottom = p.larger(x00, x01), p.larger(x10, x11)
    right_in_top, right_in_bottom = p.greater(x01, x00), p.greater(x11, x10)
    step = p.subtract(p.add(right_in_bottom, 2.0), right_in_top)
    code = p.add(right_in_top, p.multiply(p.greater(bottom, top), step))
    return p.larger(top, bottom), code


def unpool_with_code(network: Any, values: Any, code: Any, dtype: Any,
                     size: Optional[Tuple[int, int]] = None) -> Any:
    """Return what `layers.UnpoolWithCode` does: broadcast to the cells, all but one place zeroed."""
    batch, channels, height, width = values.shape
    values, code = [_reshape(network, tensor, (batch, channels, height, 1, width, 1))
                    for tensor in (values, code)]
    p = Pointwise(network, dtype)
    places = p.constant(np.arange(4), (1, 1, 1, 2, 1, 2))
    distance = p.unary(trt.UnaryOperation.ABS, p.subtract(code, places))
    here = p.relu(p.subtract(1.0, distance))
    cells = p.multiply(values, here)
    unpooled = _reshape(network, cells, (batch, channels, 2 * height, 2 * width))
    if size is not None and tuple(size) != (2 * height, 2 * width):
        shape = (batch, channels) + tuple(size)
        unpooled = network.add_slice(unpooled, (0, 0, 0, 0), shape, (1, 1, 1, 1)).get_output(0)
    return unpooled


def prelu(network: Any, x: Any, slope: np.ndarray, dtype: Any, form: str = 'pointwise') -> Any:
    """Return PReLU of slopes (C,) or (1,).

    One slope for all is a leaky ReLU, which fuses with the convolution before it. Per channel, the
    form 'pointwise' takes two operations (where slopes lie on one side of 1, four else), which fuse
    with the sum before them; 'layer' is TensorRT's own layer, which fuses with nothing we know of.
    """
    if slope.size == 1:
        layer = network.add_activation(x, trt.ActivationType.LEAKY_RELU)
        layer.alpha = float(slope.reshape(-1)[0])
        return layer.get_output(0)
    p = Pointwise(network, dtype)
    slopes = p.constant(slope, (1, slope.size) + (1,) * (len(x.shape) - 2))
    if form == 'layer':
        return network.add_parametric_relu(x, slopes).get_output(0)
    if np.all(slope <= 1):
        return p.larger(x, p.multiply(x, slopes))
    if np.all(slope >= 1):
        return p.smaller(x, p.multiply(x, slopes))
    return p.add(p.relu(x), p.multiply(p.smaller(x, 0.0), slopes))


def transposed_convolution(network: Any, x: Any, weight: np.ndarray, bias: Any, stride: Sequence[int],
                           padding: Sequence[int], output_padding: Sequence[int], groups: int) -> Any:
    """Return torch's transposed convolution of weight (in, out / groups, h, w).

    EngineError where more output is asked for than padding had cut off: TensorRT has no such layer.
    """
    if any(extra > p for p, extra in zip(padding, output_padding)):
        raise EngineError('TensorRT has no transposed convolution with output_padding '
                          f'{tuple(output_padding)} above padding {tuple(padding)}')
    layer = network.add_deconvolution_nd(
        input=x, num_output_maps=int(weight.shape[1]) * groups, kernel_shape=tuple(weight.shape[2:]),
        kernel=weight, bias=bias)
    layer.stride_nd = tuple(stride)
    if any(output_padding):
        # Output padding is output that padding would have cut off at the end.
        layer.pre_padding = tuple(padding)
        layer.post_padding = tuple(p - extra for p, extra in zip(padding, output_padding))
    else:
        layer.padding_nd = tuple(padding)
    layer.num_groups = groups
    return layer.get_output(0)


def labels(network: Any, logits: Any, dtype: Any) -> Any:
    """Return class indices (N, H, W): a running maximum over the classes, the first one on ties.

    TensorRT's own TopK was seen to take a second on a TX1's kind of GPU.
    """
    batch, _, height, width = logits.shape
    return _reshape(network, _best(network, logits, 1, dtype), (batch, height, width))


def cell_labels(network: Any, scores: Any, dtype: Any) -> Any:
    """Return what `layers.CellLabels` does: all four corners at once, put in their places at the end."""
    batch, _, height, width = scores.shape
    layer = network.add_shuffle(_best(network, scores, 4, dtype))
    layer.reshape_dims = (batch, 2, 2, height, width)
    layer.second_transpose = (0, 3, 1, 4, 2)
    return _reshape(network, layer.get_output(0), (batch, 2 * height, 2 * width))


def image_of_bytes(network: Any, frame: Any, dtype: Any) -> Any:
    """Return (1, 3, H, W) in [0, 1] of a frame's bytes (1, H, W, 3); from TensorRT 8.5 on."""
    layer = network.add_shuffle(
        cast(network, frame, trt.float16 if np.dtype(dtype) == np.float16 else trt.float32))
    layer.first_transpose = (0, 3, 1, 2)
    # Bytes are exact in fp16, and dividing rounds once; a weight of w / 255 would be subnormal.
    p = Pointwise(network, dtype)
    return p.binary(_Op.DIV, layer.get_output(0), 255.0)


def cast(network: Any, tensor: Any, dtype: Any) -> Any:
    """Return a tensor in another of TensorRT's types."""
    if hasattr(network, 'add_cast'):
        return network.add_cast(tensor, dtype).get_output(0)
    layer = network.add_identity(tensor)        # before 8.6
    layer.set_output_type(0, dtype)
    return layer.get_output(0)


def pair(value: Any) -> Tuple[int, ...]:
    """Return (value, value) of a single number, a tuple as it is."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _best(network: Any, scores: Any, corners: int, dtype: Any) -> Any:
    """Return the best class of `corners` scores that lie side by side, (N, corners, H, W)."""
    batch, channels, height, width = scores.shape
    plane = (batch, corners, height, width)
    planes = [network.add_slice(scores, (0, index, 0, 0), plane, (1, 1, 1, 1)).get_output(0)
              for index in range(0, channels, corners)]
    p = Pointwise(network, dtype)
    best, label = planes[0], None
    for index in range(1, len(planes)):
        wins = p.greater(planes[index], best)
        # From the old label to the new one: small integers, exact in fp16.
        label = p.add(label, p.multiply(wins, p.subtract(float(index), label))) if label is not None else wins
        best = p.larger(best, planes[index])
    return p.multiply(best, 0.0) if label is None else label


def _even(network: Any, x: Any, axis: int) -> Any:
    """Repeat the last row or column where their number is odd: it ties, so it never wins."""
    shape = list(x.shape)
    if shape[axis] % 2 == 0:
        return x
    start = [0] * len(shape)
    start[axis] = shape[axis] - 1
    shape[axis] = 1
    last = network.add_slice(x, tuple(start), tuple(shape), (1,) * len(shape)).get_output(0)
    layer = network.add_concatenation([x, last])
    layer.axis = axis
    return layer.get_output(0)


def _reshape(network: Any, x: Any, shape: Sequence[int]) -> Any:
    layer = network.add_shuffle(x)
    layer.reshape_dims = tuple(shape)
    return layer.get_output(0)
