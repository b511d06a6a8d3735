"""What every layer of the double is: attributes, inputs, outputs, and shapes inferred from them."""

import enum

import torch

from . import _types as types

__all__ = ['ActivationType', 'ElementWiseOperation', 'ILayer', 'ITensor', 'LayerType', 'PaddingMode',
           'PoolingType', 'ReduceOperation', 'TopKOperation', 'UnaryOperation']

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
