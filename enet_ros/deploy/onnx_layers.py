"""Layers in ONNX's operations, few and old ones, so that every OpenCV since 4.5 reads them."""

from typing import List, Optional, Tuple, Union

import numpy as np

from .onnx_graph import Maps

# What is below a maximum by any difference that matters is, times this, below it by more than 1.
_FAR = 2.0 ** 100


def image_maps(image: Maps) -> Maps:
    """Return the image: it comes as maps."""
    return image


def halved_image(image: Maps) -> Maps:
    """2x2 maxima of an image of even height and width."""
    return _max_pool(image, 2, 0)


def overlapping_max_pool(x: Maps) -> Maps:
    """3x3 max pooling with stride 2 and padding 1."""
    return _max_pool(x, 3, 1)


def convolution(x: Maps, weight: np.ndarray, bias: Optional[np.ndarray], stride: int = 1, dilation: int = 1,
                padding: Optional[Tuple[int, int]] = None) -> Maps:
    """Convolve with an (out, in, h, w) weight; 'same' padding for odd kernels unless told otherwise.

    Where `in` is 1 and x has as many maps as come out, each map has its own kernel.
    """
    kernel = weight.shape[2:]
    if padding is None:
        padding = (kernel[0] // 2 * dilation, kernel[1] // 2 * dilation)
    groups = len(weight) if weight.shape[1] == 1 and x.shape[1] == len(weight) else 1
    _check(weight.shape[1] * groups == x.shape[1], weight, x)
    size = [(side + 2 * pad - dilation * (length - 1) - 1) // stride + 1
            for side, pad, length in zip(x.shape[2:], padding, kernel)]
    return x.graph.node('Conv', _given(x, weight, bias), (1, len(weight), *size), kernel_shape=kernel,
                        strides=(stride,) * 2, dilations=(dilation,) * 2, pads=padding * 2, group=groups)


def doubling_convolution(x: Maps, weight: np.ndarray, bias: Optional[np.ndarray], groups: int = 1) -> Maps:
    """Transposed convolution to twice the size with an (in, out, k, k) weight, k = 2, or 3 with padding 1."""
    _check(len(weight) == x.shape[1], weight, x)
    extra = weight.shape[2] - 2
    shape = (1, weight.shape[1] * groups, 2 * x.shape[2], 2 * x.shape[3])
    return x.graph.node('ConvTranspose', _given(x, weight, bias), shape, kernel_shape=weight.shape[2:],
                        strides=(2, 2), pads=(extra,) * 4, output_padding=(extra,) * 2, group=groups)


def activation(x: Maps, slope: Optional[np.ndarray]) -> Maps:
    """PReLU with one slope for each map or one for all; ReLU where `slope` is None."""
    if slope is None:
        return x.graph.node('Relu', [x], x.shape)
    slopes = np.broadcast_to(slope, (x.shape[1],)).reshape(-1, 1, 1)
    return x.graph.node('PRelu', [x, slopes], x.shape)


def add(a: Maps, b: Maps) -> Maps:
    """Add maps of one shape."""
    return _pointwise('Add', a, b)


def more_maps(x: Maps, count: int) -> Maps:
    """Append maps of zeros, up to `count`: by a convolution, which costs little and which everybody has."""
    return convolution(x, np.eye(count, x.shape[1]).reshape(count, -1, 1, 1), None)


def pool(x: Maps) -> Tuple[Maps, Tuple[Maps, ...]]:
    """2x2 maxima of (1, C, H, W), H and W even, and which corners of the cells they are.

    For each of the four corners, row by row: 1 where it is the maximum, else 0; several where values tie.
    """
    maxima = _max_pool(x, 2, 0)
    channels = x.shape[1]
    steep, one = np.full((channels, 1, 1, 1), _FAR), np.ones(channels)
    winners = []
    for kernel in _corners(channels):
        below = _pointwise('Sub', convolution(x, kernel, None, 2, padding=(0, 0)), maxima)     # 0 or less
        winners.append(activation(convolution(below, steep, one), None))
    return maxima, tuple(winners)


def unpool(values: Maps, winner: Tuple[Maps, ...], height: int, width: int) -> Maps:
    """Spread `values` (1, C, h, w) over (1, C, height, width): to the first corner that won, else zeros."""
    here, left, total = None, values, None
    for wins, kernel in zip(winner, _corners(values.shape[1])):
        # No node for what the last corner leaves: without a reader, OpenCV 4.5 takes it for the output.
        left = left if here is None else _pointwise('Sub', left, here)
        here = _pointwise('Mul', left, wins)
        placed = doubling_convolution(here, kernel, None, groups=len(kernel))
        total = placed if total is None else add(total, placed)
    assert total is not None and total.shape[2:] == (height, width)
    return total


def _corners(channels: int) -> np.ndarray:
    """Return four kernels (C, 1, 2, 2), each of which takes one corner of the cells."""
    return np.eye(4).reshape(4, 1, 1, 2, 2).repeat(channels, 1)


def _max_pool(x: Maps, side: int, padding: int) -> Maps:
    return x.graph.node('MaxPool', [x], x.shape[:2] + (x.shape[2] // 2, x.shape[3] // 2),
                        kernel_shape=(side, side), strides=(2, 2), pads=(padding,) * 4)


def _pointwise(operator: str, a: Maps, b: Maps) -> Maps:
    if a.shape != b.shape:
        raise ValueError(f'maps of shape {a.shape} and {b.shape} meet')
    return a.graph.node(operator, [a, b], a.shape)


def _given(x: Maps, weight: np.ndarray, bias: Optional[np.ndarray]) -> List[Union[Maps, np.ndarray]]:
    return [x, weight] if bias is None else [x, weight, bias]


def _check(fits: bool, weight: np.ndarray, x: Maps) -> None:
    if not fits:
        raise ValueError(f'a kernel of shape {weight.shape} meets maps of shape {x.shape}')
