"""A TensorRT network definition from an inference graph, without torch2trt and without a GPU.

The graph runs once on tensors that carry a TensorRT tensor beside their values; what it does is added to
the network. An operation that is not listed below is an error, so nothing can be frozen by mistake. In fp16
the network is strongly typed, as TensorRT 10 and newer want it, and from TensorRT 8.5 on it can take and give
bytes itself.
"""

import contextlib
from typing import Any, Callable, Dict, Iterator, Tuple

import numpy as np
import tensorrt as trt
import torch
from torch import Tensor, nn

from . import layers, tensorrt_layers
from .engine import EngineError

_Op = trt.ElementWiseOperation


class Network:
    """A definition that is being filled; `dtype` is numpy's type of its arithmetic."""

    def __init__(self, definition: Any, dtype: Any = np.float32, prelu: str = 'pointwise') -> None:
        """`prelu` is as in `tensorrt_layers.prelu`."""
        self.definition, self.dtype, self.prelu = definition, np.dtype(dtype), prelu
        self.pointwise = tensorrt_layers.Pointwise(definition, dtype)

    def array(self, tensor: Any) -> Any:
        """Return a weight in the network's type; no weights at all for None."""
        if tensor is None:
            return trt.Weights(trt.float16 if self.dtype == np.float16 else trt.float32)
        return np.ascontiguousarray(tensor.detach().cpu().numpy().astype(self.dtype))

    def operand(self, value: Any, rank: int) -> Any:
        """Return a traced tensor's counterpart, or a number as a constant."""
        if isinstance(value, _Traced):
            return value.trt
        return self.pointwise.constant(float(value), (1,) * rank)


def fill(network: Network, graph: nn.Module, input_size: Tuple[int, int], as_bytes: bool = False) -> None:
    """Fill the definition with a graph in fp32, from its input 'image' to its output 'output'.

    The input is (1, 3, H, W) in [0, 1], with `as_bytes` a frame's (1, H, W, 3) uint8; then labels leave as
    uint8 too. EngineError for an operation that has no counterpart here, or a shape that is not torch's.
    """
    definition, size = network.definition, tuple(input_size)
    if as_bytes:
        image = tensorrt_layers.image_of_bytes(definition, definition.add_input(
            'image', trt.uint8, (1,) + size + (3,)), network.dtype)
    else:
        image = definition.add_input(
            'image', trt.float16 if network.dtype == np.float16 else trt.float32, (1, 3) + size)
    example = _traced(torch.zeros((1, 3) + size, device=layers.SHAPES_DEVICE), image, network)
    with torch.no_grad(), _replaced():
        result = graph(example)
    output = result.trt
    if tuple(output.shape) != tuple(result.shape):
        raise EngineError(f'TensorRT makes {tuple(output.shape)} of what PyTorch makes {tuple(result.shape)}')
    if as_bytes and result.dim() == 3:
        output = tensorrt_layers.cast(definition, output, trt.uint8)
    output.name = 'output'
    definition.mark_output(output)


class _Traced(Tensor):
    """A tensor with its counterpart in a TensorRT network."""

    trt: Any
    network: Network

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            result = func(*[_on_device(value) for value in args], **(kwargs or {}))
        if not isinstance(result, Tensor):
            return result
        convert = _CONVERTERS.get(func.__name__.strip('_'))
        if convert is None:
            raise EngineError(f'no TensorRT layer is known for {func.__name__}')
        first = args[0][0] if isinstance(args[0], (tuple, list)) else args[0]
        return _traced(result, convert(first.network, *args, **(kwargs or {})), first.network)


def _on_device(value: Any) -> Any:
    return value.to(layers.SHAPES_DEVICE) if isinstance(value, Tensor) else value


def _traced(result: Tensor, tensor: Any, network: Network) -> _Traced:
    traced: _Traced = result.as_subclass(_Traced)
    traced.trt, traced.network = tensor, network
    return traced


def _convolution(network: Network, x: _Traced, weight: Tensor, bias: Any = None, stride: Any = 1,
                 padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Any:
    layer = network.definition.add_convolution_nd(
        x.trt, int(weight.shape[0]), tuple(weight.shape[2:]), network.array(weight), network.array(bias))
    layer.stride_nd, layer.padding_nd = tensorrt_layers.pair(stride), tensorrt_layers.pair(padding)
    layer.dilation_nd, layer.num_groups = tensorrt_layers.pair(dilation), groups
    return layer.get_output(0)


def _transposed(network: Network, x: _Traced, weight: Tensor, bias: Any = None, stride: Any = 1,
                padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Any:
    if set(tensorrt_layers.pair(dilation)) != {1}:
        raise EngineError('TensorRT has no dilated transposed convolution')
    return tensorrt_layers.transposed_convolution(
        network.definition, x.trt, network.array(weight), network.array(bias),
        tensorrt_layers.pair(stride), tensorrt_layers.pair(padding), tensorrt_layers.pair(output_padding),
        groups)


def _max_pool(network: Network, x: _Traced, kernel_size: Any, stride: Any = None, padding: Any = 0,
              **options: Any) -> Any:
    layer = network.definition.add_pooling_nd(x.trt, trt.PoolingType.MAX, tensorrt_layers.pair(kernel_size))
    layer.stride_nd = tensorrt_layers.pair(stride or kernel_size)
    layer.padding_nd = tensorrt_layers.pair(padding)
    return layer.get_output(0)


def _concatenation(network: Network, tensors: Any, dim: int = 0) -> Any:
    layer = network.definition.add_concatenation([tensor.trt for tensor in tensors])
    layer.axis = dim
    return layer.get_output(0)


def _binary(operation: Any) -> Callable[..., Any]:
    def convert(network: Network, a: Any, b: Any) -> Any:
        rank = a.dim()
        return network.pointwise.binary(operation, network.operand(a, rank), network.operand(b, rank))
    return convert


_CONVERTERS: Dict[str, Callable[..., Any]] = {
    'conv2d': _convolution, 'conv_transpose2d': _transposed, 'max_pool2d': _max_pool, 'cat': _concatenation,
    'relu': lambda network, x, inplace=False: network.pointwise.relu(x.trt),
    'prelu': lambda network, x, weight: tensorrt_layers.prelu(
        network.definition, x.trt, network.array(weight), network.dtype, network.prelu),
    'add': _binary(_Op.SUM), 'mul': _binary(_Op.PROD), 'pow': _binary(_Op.POW),
}


@contextlib.contextmanager
def _replaced() -> Iterator[None]:
    """Let the inference form's own layers add theirs, whole, instead of what they are made of in torch."""
    def answer(network: Network, tensor: Any) -> _Traced:
        return _traced(torch.zeros(tuple(tensor.shape), device=layers.SHAPES_DEVICE), tensor, network)

    def pool(self: Any, x: _Traced) -> Tuple[Tensor, ...]:
        made = tensorrt_layers.pool_with_code(x.network.definition, x.trt, x.network.dtype)
        return tuple(answer(x.network, tensor) for tensor in made)

    def unpool(self: Any, values: _Traced, code: _Traced, size: Any = None) -> Tensor:
        network = values.network
        return answer(network, tensorrt_layers.unpool_with_code(
            network.definition, values.trt, code.trt, network.dtype, size))

    def labels(self: Any, logits: _Traced) -> Tensor:
        network = logits.network
        return answer(network, tensorrt_layers.labels(network.definition, logits.trt, network.dtype))

    def cells(self: Any, scores: _Traced) -> Tensor:
        network = scores.network
        return answer(network, tensorrt_layers.cell_labels(network.definition, scores.trt, network.dtype))

    kinds: Tuple[Any, ...] = (layers.PoolWithCode, layers.UnpoolWithCode, layers.Labels, layers.CellLabels)
    forwards = [kind.forward for kind in kinds]
    try:
        for kind, forward in zip(kinds, (pool, unpool, labels, cells)):
            kind.forward = forward
        yield
    finally:
        for kind, forward in zip(kinds, forwards):
            kind.forward = forward
