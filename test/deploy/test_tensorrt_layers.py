"""The layers handed to TensorRT compute what the inference form does; executed by the double."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

from enet_ros.deploy.layers import Labels, PoolWithCode, UnpoolWithCode


class Network:
    """A network of one or two inputs made by a function, replayed on values it was not made with."""

    def __init__(self, trt, *shapes):
        self.trt = trt
        self.layers = importlib.import_module('enet_ros.deploy.tensorrt_layers')
        builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
        self.network = builder.create_network(1)
        self.inputs = [self.network.add_input(f'x{index}', trt.float32, shape)
                       for index, shape in enumerate(shapes)]

    def __call__(self, outputs, *feeds):
        for output in outputs:
            self.network.mark_output(output)
        return self.trt.execute(self.network, [feed.numpy() for feed in feeds])


def values(*shape, **options):
    generator = torch.Generator().manual_seed(options.get('seed', 0))
    return torch.rand(*shape, generator=generator) * 2 - 1


@pytest.mark.parametrize('size', [(8, 12), (7, 9), (7, 8), (8, 9)])
@pytest.mark.parametrize('kind', ['random', 'constant', 'tied', 'zeroed', 'negative'])
def test_pool_and_unpool(trt, size, kind):
    x = values(1, 5, *size)
    x = {'random': x, 'constant': x * 0 + 2, 'tied': (x * 2).round(), 'zeroed': x.clamp(min=0),
         'negative': -1 - x.abs()}[kind]
    network = Network(trt, x.shape)
    pooled, code = network.layers.pool_with_code(network.network, network.inputs[0], np.float32)
    unpooled = network.layers.unpool_with_code(network.network, pooled, code, np.float32, size)
    answers = network([pooled, code, unpooled], x)
    maxima, codes = PoolWithCode()(x)
    expected, indices = nn.functional.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    truth = nn.functional.max_unpool2d(expected, indices, 2, output_size=size)
    assert np.array_equal(answers[0], maxima.numpy()) and np.array_equal(answers[0], expected.numpy())
    assert np.array_equal(answers[1], codes.numpy())
    assert np.array_equal(answers[2], truth.numpy())
    assert np.array_equal(answers[2], UnpoolWithCode()(maxima, codes, size).numpy())


@pytest.mark.parametrize('slopes', [[0.1, 0.9, -0.3], [1.5, 2.0, 1.0], [0.2, 1.3, -2.0], [0.25], [-1.5]])
@pytest.mark.parametrize('form', ['pointwise', 'layer'])
def test_prelu_of_any_slopes(trt, slopes, form):
    x = values(1, 3, 4, 4)
    network = Network(trt, x.shape)
    y = network.layers.prelu(
        network.network, network.inputs[0], np.array(slopes, np.float32), np.float32, form)
    answer = network([y], x)[0]
    assert np.array_equal(answer, nn.functional.prelu(x, torch.tensor(slopes)).numpy())


@pytest.mark.parametrize('kernel, padding, output_padding, groups', [
    (2, 0, 0, 1), (3, 1, 1, 1), (3, 1, 0, 1), (3, 1, 1, 2), (4, 1, 0, 1)])
@pytest.mark.parametrize('bias', [True, False])
def test_transposed_convolution(trt, kernel, padding, output_padding, groups, bias):
    layer = nn.ConvTranspose2d(4, 6, kernel, 2, padding, output_padding, groups, bias)
    x = values(1, 4, 5, 7)
    network = Network(trt, x.shape)
    y = network.layers.transposed_convolution(
        network.network, network.inputs[0], layer.weight.detach().numpy(),
        layer.bias.detach().numpy() if bias else trt.Weights(trt.float32), layer.stride, layer.padding,
        layer.output_padding, groups)
    assert tuple(y.shape) == tuple(layer(x).shape)
    answer = network([y], x)[0]
    assert np.abs(answer - layer(x).detach().numpy()).max() < 1e-6


@pytest.mark.parametrize('classes', [1, 2, 11, 19])
def test_labels_take_the_first_of_equal_classes(trt, classes):
    logits = (values(1, classes, 6, 8) * 2).round()
    network = Network(trt, logits.shape)
    answer = network([network.layers.labels(network.network, network.inputs[0], np.float32)], logits)[0]
    assert answer.shape == (1, 6, 8)
    assert np.array_equal(answer, Labels()(logits).numpy())


def test_the_double_refuses_what_tensorrt_would(trt):
    network = Network(trt, (1, 2, 4, 4)).network
    with pytest.raises(AttributeError, match='add_unpooling'):
        network.add_unpooling
    layer = network.add_deconvolution_nd(network.get_input(0), 2, (2, 2), np.ones((2, 2, 2, 2), np.float32))
    with pytest.raises(AttributeError, match='output_padding'):
        layer.output_padding = (1, 1)
    with pytest.raises(TypeError, match='no ITensor'):
        network.add_unary(torch.zeros(1), trt.UnaryOperation.ABS)


def test_output_padding_beyond_the_padding_is_refused(trt):
    network = Network(trt, (1, 4, 5, 7))
    with pytest.raises(importlib.import_module('enet_ros.deploy.engine').EngineError, match='output_padding'):
        network.layers.transposed_convolution(
            network.network, network.inputs[0], np.ones((4, 6, 3, 3), np.float32),
            trt.Weights(trt.float32), (2, 2), (0, 0), (1, 1), 1)
