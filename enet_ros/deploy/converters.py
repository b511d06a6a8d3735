"""torch2trt converters for the inference form: importing this module registers them.

Works with torch2trt v0.4.0 and with its newest version. Two of torch2trt's own converters are replaced:
the transposed convolution, which ignores `output_padding` and in the newest version gets the number
of maps wrong, and PReLU, which becomes five layers. Everything else is torch2trt's.
"""

from typing import Any

import numpy as np
import tensorrt as trt
import torch
from torch2trt.torch2trt import get_arg, tensorrt_converter

from . import tensorrt_layers
from .engine import EngineError

#: Key of torch2trt's keyword arguments, through which `trace` passes its option.
PRELU_FORM = 'enet_prelu'


@tensorrt_converter('enet_ros.deploy.layers.PoolWithCode.forward')
def convert_pool_with_code(ctx: Any) -> None:
    """Convert 2x2 pooling to a tournament of the four corners."""
    x = ctx.method_args[1]
    outputs = tensorrt_layers.pool_with_code(ctx.network, _tensor(ctx, x), _numpy_type(x))
    for output, tensor in zip(ctx.method_return, outputs):
        output._trt = tensor


@tensorrt_converter('enet_ros.deploy.layers.UnpoolWithCode.forward')
def convert_unpool_with_code(ctx: Any) -> None:
    """Convert unpooling to a broadcast product."""
    values, code = ctx.method_args[1:3]
    size = get_arg(ctx, 'size', pos=3, default=None)
    ctx.method_return._trt = tensorrt_layers.unpool_with_code(
        ctx.network, _tensor(ctx, values), _tensor(ctx, code), _numpy_type(values), size)


@tensorrt_converter('enet_ros.deploy.layers.Labels.forward')
def convert_labels(ctx: Any) -> None:
    """Convert the argmax to a running maximum."""
    logits = ctx.method_args[1]
    ctx.method_return._trt = tensorrt_layers.labels(
        ctx.network, _tensor(ctx, logits), _numpy_type(logits))


@tensorrt_converter('enet_ros.deploy.layers.CellLabels.forward')
def convert_cell_labels(ctx: Any) -> None:
    """Convert the argmax of four corners at once."""
    scores = ctx.method_args[1]
    ctx.method_return._trt = tensorrt_layers.cell_labels(
        ctx.network, _tensor(ctx, scores), _numpy_type(scores))


@tensorrt_converter('torch.nn.functional.prelu')
def convert_prelu(ctx: Any) -> None:
    """Convert PReLU in the form asked for."""
    x = get_arg(ctx, 'input', pos=0, default=None)
    slope = _array(get_arg(ctx, 'weight', pos=1, default=None))
    ctx.method_return._trt = tensorrt_layers.prelu(
        ctx.network, _tensor(ctx, x), slope, _numpy_type(x), ctx.torch2trt_kwargs[PRELU_FORM])


@tensorrt_converter('torch.nn.ConvTranspose2d.forward')
def convert_transposed_module(ctx: Any) -> None:
    """Convert the module: what torch2trt v0.4.0 hooks."""
    module, x = ctx.method_args[:2]
    _transposed(ctx, x, module.weight, module.bias, module.stride, module.padding, module.output_padding,
                module.groups, module.dilation)


@tensorrt_converter('torch.nn.functional.conv_transpose2d')
def convert_transposed_function(ctx: Any) -> None:
    """Convert the function: what the newest torch2trt hooks."""
    names = ('input', 'weight', 'bias', 'stride', 'padding', 'output_padding', 'groups', 'dilation')
    defaults = (None, None, None, 1, 0, 0, 1, 1)
    _transposed(ctx, *[get_arg(ctx, name, pos=index, default=default)
                       for index, (name, default) in enumerate(zip(names, defaults))])


def _transposed(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: Any, stride: Any, padding: Any,
                output_padding: Any, groups: int, dilation: Any) -> None:
    if set(tensorrt_layers.pair(dilation)) != {1}:
        raise NotImplementedError('TensorRT has no dilated transposed convolution')
    kernel = _array(weight)
    bias = trt.Weights(_trt_type(weight)) if bias is None else _array(bias)
    ctx.method_return._trt = tensorrt_layers.transposed_convolution(
        ctx.network, _tensor(ctx, x), kernel, bias,
        tensorrt_layers.pair(stride), tensorrt_layers.pair(padding), tensorrt_layers.pair(output_padding),
        groups)


def _tensor(ctx: Any, x: torch.Tensor) -> Any:
    # torch2trt's own helper would make a constant of a tensor whose origin was not converted.
    if not hasattr(x, '_trt'):
        raise EngineError(f'the input of {ctx.method_str} comes from an operation without converter')
    return x._trt


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy())


def _numpy_type(tensor: torch.Tensor) -> Any:
    return np.float16 if tensor.dtype == torch.float16 else np.float32


def _trt_type(tensor: torch.Tensor) -> Any:
    return trt.float16 if tensor.dtype == torch.float16 else trt.float32
