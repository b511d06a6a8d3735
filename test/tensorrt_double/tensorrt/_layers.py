"""The kinds of layers: each knows its attributes and how to run."""

import numpy as np
import torch
from torch.nn import functional as F

from . import _types as types
from ._layer import ActivationType, ILayer, PaddingMode, PoolingType


def _weights(values, like=None):
    if isinstance(values, types.Weights):
        values = values.values
    if values is None:
        return None
    if not isinstance(values, np.ndarray):
        raise TypeError(f'weights must be a numpy array, not {type(values).__name__}')
    tensor = torch.from_numpy(np.array(values)).float()
    return tensor if like is None else tensor.to(like)


class IConvolutionLayer(ILayer):
    kind = 'CONVOLUTION'
    attributes = dict(num_output_maps=None, kernel_size_nd=None, kernel=None, bias=None, stride_nd=(1, 1),
                      padding_nd=(0, 0), dilation_nd=(1, 1), num_groups=1)

    def run(self, x):
        kernel = _weights(self.kernel, x).reshape(
            (self.num_output_maps, x.shape[1] // self.num_groups) + tuple(self.kernel_size_nd))
        return F.conv2d(x, kernel, _weights(self.bias, x), self.stride_nd, self.padding_nd,
                        self.dilation_nd, self.num_groups)


class IDeconvolutionLayer(ILayer):
    kind = 'DECONVOLUTION'
    attributes = dict(num_output_maps=None, kernel_size_nd=None, kernel=None, bias=None, stride_nd=(1, 1),
                      padding_nd=(0, 0), pre_padding=(0, 0), post_padding=(0, 0), num_groups=1)

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == 'padding_nd':
            self.pre_padding = self.post_padding = value

    def run(self, x):
        kernel = _weights(self.kernel, x).reshape(
            (x.shape[1], self.num_output_maps // self.num_groups) + tuple(self.kernel_size_nd))
        full = F.conv_transpose2d(x, kernel, _weights(self.bias, x), self.stride_nd,
                                  groups=self.num_groups)
        (top, left), (bottom, right) = self.pre_padding, self.post_padding
        return full[..., top:full.shape[2] - bottom, left:full.shape[3] - right]


class IActivationLayer(ILayer):
    kind = 'ACTIVATION'
    attributes = dict(operation=None, alpha=0.0, beta=0.0)

    def run(self, x):
        if self.operation is ActivationType.RELU:
            return F.relu(x)
        return torch.where(x >= 0, x, x * self.alpha)


class IPoolingLayer(ILayer):
    kind = 'POOLING'
    attributes = dict(operation=None, window_size=None, window_size_nd=None, stride=(1, 1), stride_nd=None,
                      padding=(0, 0), padding_nd=None, padding_mode=PaddingMode.EXPLICIT_ROUND_DOWN,
                      average_count_excludes_padding=True)

    def run(self, x):
        assert self.operation is PoolingType.MAX
        return F.max_pool2d(x, self.window_size_nd or self.window_size, self.stride_nd or self.stride,
                            self.padding_nd or self.padding,
                            ceil_mode=self.padding_mode is PaddingMode.EXPLICIT_ROUND_UP)


class IConcatenationLayer(ILayer):
    kind = 'CONCATENATION'
    attributes = dict(axis=0)

    def run(self, *inputs):
        return torch.cat(inputs, self.axis)


class IElementWiseLayer(ILayer):
    kind = 'ELEMENTWISE'
    attributes = dict(op=None)
    functions = dict(SUM=torch.add, PROD=torch.mul, MAX=torch.maximum, MIN=torch.minimum, SUB=torch.sub,
                     DIV=torch.div, POW=torch.pow)

    def run(self, a, b):
        if a.dim() != b.dim():
            raise ValueError(f'elementwise inputs of {a.dim()} and {b.dim()} dimensions')
        return self.functions[self.op.name](a, b)


class IUnaryLayer(ILayer):
    kind = 'UNARY'
    attributes = dict(op=None)
    functions = dict(ABS=torch.abs, NEG=torch.neg, CEIL=torch.ceil)

    def run(self, x):
        return self.functions[self.op.name](x)


class IShuffleLayer(ILayer):
    kind = 'SHUFFLE'
    attributes = dict(reshape_dims=None, first_transpose=None, second_transpose=None)

    def run(self, x):
        if self.first_transpose is not None:
            x = x.permute(*self.first_transpose)
        if self.reshape_dims is not None:
            x = x.reshape(tuple(self.reshape_dims))
        return x if self.second_transpose is None else x.permute(*self.second_transpose)


class ITopKLayer(ILayer):
    kind = 'TOPK'
    attributes = dict(op=None, k=1, axes=0)
    outputs = 2

    def run(self, x):
        return x.max(dim=self.axes.bit_length() - 1, keepdim=True)


class IConstantLayer(ILayer):
    kind = 'CONSTANT'
    attributes = dict(shape=None, weights=None)

    def dtype(self, index):
        return types.DataType.of(self.weights) if self.network.typed else types.float32

    def run(self):
        return _weights(self.weights).reshape(tuple(self.shape))


class ISliceLayer(ILayer):
    kind = 'SLICE'
    attributes = dict(start=None, shape=None, stride=None)

    def run(self, x):
        for axis, (start, count, step) in enumerate(zip(self.start, self.shape, self.stride)):
            if not 0 <= start <= start + (count - 1) * step < x.shape[axis]:
                raise IndexError(f'slice outside of axis {axis}')
        return x[tuple(slice(start, start + count * step, step)
                       for start, count, step in zip(self.start, self.shape, self.stride))]


class ICastLayer(ILayer):
    kind = 'CAST'
    attributes = dict(to=None)

    def dtype(self, index):
        return self.to

    def run(self, x):
        return x


class IIdentityLayer(ILayer):
    kind = 'IDENTITY'
    attributes = dict(to=None)

    def set_output_type(self, index, dtype):
        self.to = dtype

    def dtype(self, index):
        return self.to or self.inputs[0].dtype

    def run(self, x):
        return x


class IParametricReLULayer(ILayer):
    kind = 'PARAMETRIC_RELU'

    def run(self, x, slopes):
        return torch.where(x >= 0, x, x * slopes)


class IShapeLayer(ILayer):
    kind = 'SHAPE'

    def dtype(self, index):
        return types.int64 if types.VERSION >= (10,) else types.int32

    def run(self, x):
        return torch.tensor(list(x.shape))
