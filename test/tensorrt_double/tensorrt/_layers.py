"""The network definition: layers that know their attributes and how to run."""

import enum

import numpy as np
import torch
from torch.nn import functional as F

from . import _types as types

__all__ = ['ActivationType', 'ElementWiseOperation', 'ILayer', 'INetworkDefinition', 'ITensor', 'LayerType',
           'PaddingMode', 'PoolingType', 'ReduceOperation', 'TopKOperation', 'UnaryOperation', 'execute']

# Where shapes are inferred: without arithmetic, but for PyTorch 1.10.
_SHAPES_ONLY = 'meta' if int(torch.__version__.split('.')[0]) > 1 else 'cpu'

LayerType = enum.Enum('LayerType', [
    'CONVOLUTION', 'ACTIVATION', 'POOLING', 'DECONVOLUTION', 'CONCATENATION', 'ELEMENTWISE', 'UNARY',
    'SHUFFLE', 'TOPK', 'CONSTANT', 'SLICE', 'PARAMETRIC_RELU', 'SHAPE', 'CAST', 'IDENTITY'])
ActivationType = enum.Enum('ActivationType', ['RELU', 'LEAKY_RELU'])
PoolingType = enum.Enum('PoolingType', ['MAX', 'AVERAGE'])
PaddingMode = enum.Enum('PaddingMode', ['EXPLICIT_ROUND_DOWN', 'EXPLICIT_ROUND_UP'])
ElementWiseOperation = enum.Enum('ElementWiseOperation', ['SUM', 'PROD', 'MAX', 'MIN', 'SUB', 'DIV', 'POW'])
UnaryOperation = enum.Enum('UnaryOperation', ['ABS', 'NEG', 'CEIL'])
ReduceOperation = enum.Enum('ReduceOperation', ['SUM', 'PROD', 'MAX', 'MIN', 'AVG'])
TopKOperation = enum.Enum('TopKOperation', ['MAX', 'MIN'])


class ITensor:
    """A tensor of the network; `shape` is inferred from its producer."""

    def __init__(self, producer=None, index=0, name='', shape=None, dtype=None):
        self.producer, self.index, self.name, self._shape, self._dtype = producer, index, name, shape, dtype
        self.location = types.TensorLocation.DEVICE
        self.is_network_input = producer is None

    @property
    def dtype(self):
        return self._dtype or self.producer.dtype(self.index)

    @dtype.setter
    def dtype(self, value):
        if self.producer is not None and self.producer.network.typed:
            self.producer.network.logger.log(1, 'setType: no type is set in a strongly typed network')
        else:
            self._dtype = value

    @property
    def shape(self):
        if self.producer is None:
            return self._shape
        shapes = self.producer.shapes()
        if shapes is None:      # as the real binding's dimensions of a layer that was refused
            raise ValueError('__len__() should return >= 0')
        return shapes[self.index]


class ILayer:
    """A layer: inputs, and attributes that are fixed per type."""

    attributes = {}
    outputs = 1

    def __init__(self, inputs, **values):
        fields = dict(self.attributes, name='', precision=None)
        unknown = set(values) - set(fields)
        assert not unknown, unknown
        self.__dict__.update(fields, inputs=list(inputs), _shapes=None)
        self.__dict__.update(values)
        self.__dict__['_outputs'] = [ITensor(self, index) for index in range(self.outputs)]
        for tensor in self.inputs:
            if not isinstance(tensor, ITensor):
                raise TypeError(f'incompatible function arguments: {tensor!r} is no ITensor')

    def __setattr__(self, name, value):
        if name not in self.attributes and name not in ('name', 'precision'):
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")
        if name in ('padding_nd', 'pre_padding', 'post_padding') and min(value) < 0:
            self.network.logger.log(1, f'{self.kind}: {name} must not be negative')
            return      # an error in the log and the old value, as the real one has it
        self.__dict__[name] = value
        self.__dict__['_shapes'] = None

    @property
    def type(self):
        return LayerType[self.kind]

    @property
    def num_inputs(self):
        return len(self.inputs)

    @property
    def num_outputs(self):
        return self.outputs

    def get_input(self, index):
        return self.inputs[index]

    def get_output(self, index):
        return self._outputs[index]

    def dtype(self, index):
        """Return the type of an output: in a strongly typed network that of what goes in."""
        return self.inputs[0].dtype if self.network.typed else types.float32

    def shapes(self):
        if self._shapes is None:
            try:
                self.check()
                zeros = [torch.zeros(tuple(tensor.shape), device=_SHAPES_ONLY) for tensor in self.inputs]
                self.__dict__['_shapes'] = [tuple(result.shape) for result in self.results(*zeros)]
            except (ValueError, IndexError, RuntimeError) as error:
                self.network.refuse(f'{self.kind}: {error}')
                return None
        return self._shapes

    def check(self):
        """Raise ValueError for types that this network does not take."""
        if self.kind not in ('CAST', 'IDENTITY') and any(
                tensor.dtype is types.uint8 for tensor in self.inputs):
            raise ValueError('uint8 may only be cast')
        if self.network.typed:
            kinds = {tensor.dtype for tensor in self.inputs} | {
                types.DataType.of(self.__dict__[name]) for name in ('kernel', 'bias')
                if self.__dict__.get(name) is not None}
            if len(kinds) > 1:
                raise ValueError('inputs and weights of one type are needed, not {}'.format(
                    ', '.join(sorted(kind.name for kind in kinds))))

    def results(self, *inputs):
        result = self.run(*inputs)
        return list(result) if isinstance(result, (tuple, list)) else [result]


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


class INetworkDefinition:
    """Records layers in the order of their making."""

    def __init__(self, logger=None, typed=False):
        self._layers, self._inputs, self._outputs = [], [], []
        self.logger, self.typed, self.broken = logger, typed, False

    def refuse(self, words):
        """Tell the logger what is wrong: nothing will be built."""
        self.broken = True
        self.logger.log(1, words)

    def __getstate__(self):
        return dict(self.__dict__, logger=None)

    num_layers = property(lambda self: len(self._layers))
    num_inputs = property(lambda self: len(self._inputs))
    num_outputs = property(lambda self: len(self._outputs))

    def get_layer(self, index):
        return self._layers[index]

    def get_input(self, index):
        return self._inputs[index]

    def get_output(self, index):
        return self._outputs[index]

    def add_input(self, name, dtype, shape):
        if dtype is types.uint8 and types.VERSION < (8, 5):
            raise TypeError('uint8 is no type of a network input')
        self._inputs.append(ITensor(name=name, shape=tuple(shape), dtype=dtype))
        return self._inputs[-1]

    def mark_output(self, tensor):
        assert isinstance(tensor, ITensor)
        self._outputs.append(tensor)

    def _add(self, layer):
        for index in range(layer.num_outputs):
            layer.get_output(index).name = f'(Unnamed Layer* {self.num_layers}) output {index}'
        layer.__dict__['network'] = self
        self._layers.append(layer)
        return layer

    def add_convolution_nd(self, input, num_output_maps, kernel_shape, kernel, bias=None):
        return self._add(IConvolutionLayer([input], num_output_maps=num_output_maps,
                                           kernel_size_nd=kernel_shape, kernel=kernel, bias=bias))

    def add_deconvolution_nd(self, input, num_output_maps, kernel_shape, kernel, bias=None):
        return self._add(IDeconvolutionLayer([input], num_output_maps=num_output_maps,
                                             kernel_size_nd=kernel_shape, kernel=kernel, bias=bias))

    def add_activation(self, input, type):
        return self._add(IActivationLayer([input], operation=type))

    def add_pooling_nd(self, input, type, window_size):
        return self._add(IPoolingLayer([input], operation=type, window_size_nd=window_size))

    def add_concatenation(self, inputs):
        return self._add(IConcatenationLayer(inputs))

    def add_identity(self, input):
        return self._add(IIdentityLayer([input]))

    def add_elementwise(self, input1, input2, op):
        return self._add(IElementWiseLayer([input1, input2], op=op))

    def add_unary(self, input, op):
        return self._add(IUnaryLayer([input], op=op))

    def add_shuffle(self, input):
        return self._add(IShuffleLayer([input]))

    def add_topk(self, input, op, k, axes):
        return self._add(ITopKLayer([input], op=op, k=k, axes=axes))

    def add_constant(self, shape, weights):
        assert int(np.prod(shape)) == weights.size, (shape, weights.shape)
        return self._add(IConstantLayer([], shape=tuple(shape), weights=np.array(weights)))

    def add_slice(self, input, start, shape, stride):
        return self._add(ISliceLayer([input], start=tuple(start), shape=tuple(shape), stride=tuple(stride)))

    def add_parametric_relu(self, input, slopes):
        return self._add(IParametricReLULayer([input, slopes]))

    def add_shape(self, input):
        return self._add(IShapeLayer([input]))


if types.VERSION < (10,):
    def _add_pooling(self, input, type, window_size):
        return self._add(IPoolingLayer([input], operation=type, window_size=window_size))

    INetworkDefinition.add_pooling = _add_pooling

if types.VERSION >= (8, 6):
    def _add_cast(self, input, to_type):
        return self._add(ICastLayer([input], to=to_type))

    INetworkDefinition.add_cast = _add_cast


def execute(network, feeds):
    """Run the definition: a list of arrays for its inputs -> a list of arrays from its outputs.

    In float64 where it is fed that, else in float32.
    """
    values = {id(network.get_input(index)): torch.from_numpy(
        np.array(array, np.float64 if array.dtype == np.float64 else np.float32))
        for index, array in enumerate(feeds)}
    with torch.no_grad():
        for index in range(network.num_layers):
            layer = network.get_layer(index)
            inputs = [values[id(tensor)] for tensor in layer.inputs]
            for output, result in enumerate(layer.results(*inputs)):
                values[id(layer.get_output(output))] = result
    return [values[id(network.get_output(index))].numpy() for index in range(network.num_outputs)]
