"""The network definition, and what it answers."""

import numpy as np
import torch

from . import _layers as layers
from . import _types as types
from ._layer import ITensor

__all__ = ['INetworkDefinition', 'execute']


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
        return self._add(layers.IConvolutionLayer([input], num_output_maps=num_output_maps,
                                                  kernel_size_nd=kernel_shape, kernel=kernel, bias=bias))

    def add_deconvolution_nd(self, input, num_output_maps, kernel_shape, kernel, bias=None):
        return self._add(layers.IDeconvolutionLayer([input], num_output_maps=num_output_maps,
                                                    kernel_size_nd=kernel_shape, kernel=kernel, bias=bias))

    def add_activation(self, input, type):
        return self._add(layers.IActivationLayer([input], operation=type))

    def add_pooling_nd(self, input, type, window_size):
        return self._add(layers.IPoolingLayer([input], operation=type, window_size_nd=window_size))

    def add_concatenation(self, inputs):
        return self._add(layers.IConcatenationLayer(inputs))

    def add_identity(self, input):
        return self._add(layers.IIdentityLayer([input]))

    def add_elementwise(self, input1, input2, op):
        return self._add(layers.IElementWiseLayer([input1, input2], op=op))

    def add_unary(self, input, op):
        return self._add(layers.IUnaryLayer([input], op=op))

    def add_shuffle(self, input):
        return self._add(layers.IShuffleLayer([input]))

    def add_topk(self, input, op, k, axes):
        return self._add(layers.ITopKLayer([input], op=op, k=k, axes=axes))

    def add_constant(self, shape, weights):
        assert int(np.prod(shape)) == weights.size, (shape, weights.shape)
        return self._add(layers.IConstantLayer([], shape=tuple(shape), weights=np.array(weights)))

    def add_slice(self, input, start, shape, stride):
        return self._add(layers.ISliceLayer([input], start=tuple(start), shape=tuple(shape),
                                            stride=tuple(stride)))

    def add_parametric_relu(self, input, slopes):
        return self._add(layers.IParametricReLULayer([input, slopes]))

    def add_shape(self, input):
        return self._add(layers.IShapeLayer([input]))


if types.VERSION < (10,):
    def _add_pooling(self, input, type, window_size):
        return self._add(layers.IPoolingLayer([input], operation=type, window_size=window_size))

    INetworkDefinition.add_pooling = _add_pooling

if types.VERSION >= (8, 6):
    def _add_cast(self, input, to_type):
        return self._add(layers.ICastLayer([input], to=to_type))

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
