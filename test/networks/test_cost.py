"""Costs against hand-counted layers, the networks' known sums and the paper's Table 3."""

import pytest
import torch
from torch import nn

from enet_ros.networks import ENet
from enet_ros.networks.cost import measure
from enet_ros.networks.segnet import SegNet, SegNetBasic


def test_one_convolution_counted_by_hand():
    cost = measure(nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.PReLU(5)), (4, 6))
    convolution, activation = cost.layers
    assert (convolution.name, convolution.kind, convolution.output) == ('0', 'convolution', (5, 4, 6))
    assert convolution.parameters == 3 * 5 * 9 + 5
    assert convolution.macs == 3 * 5 * 9 * 24
    assert convolution.flops == 2 * convolution.macs + 5 * 24
    assert (activation.name, activation.flops, activation.parameters) == ('1', 5 * 24, 5)


def test_transposed_convolution_is_counted_at_its_input():
    layer, = measure(nn.ConvTranspose2d(3, 5, 2, stride=2, bias=False), (4, 6)).layers
    assert layer.kind == 'transposed convolution'
    assert layer.macs == 3 * 5 * 4 * 24
    assert layer.flops == 2 * layer.macs


def test_folded_batch_norm_leaves_one_bias_and_no_more():
    bare = nn.Sequential(nn.Conv2d(3, 5, 1, bias=False), nn.BatchNorm2d(5))
    biased = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5))
    assert measure(bare, (4, 6)).flops == measure(biased, (4, 6)).flops == 2 * 15 * 24 + 5 * 24


@pytest.mark.parametrize('classes, parameters, macs', [
    (11, 363791, 1694073600), (12, 363856, 1697760000), (19, 364311, 1723564800),
    (20, 364376, 1727251200)])
def test_enet_at_640x360(classes, parameters, macs):
    cost = measure(ENet(classes), (360, 640))
    assert cost.macs == macs
    assert cost.parameters == parameters == sum(layer.parameters for layer in cost.layers)


def test_table_3():
    segnet = measure(SegNet(20), (360, 640), ceil_mode=False)
    assert round(segnet.flops / 1e9, 2) == 286.03
    assert round(segnet.model_bytes() / 2 ** 20, 1) == 56.2
    enet = measure(ENet(20), (360, 640))
    assert round(enet.flops / 1e9, 2) == 3.51       # the paper prints 3.83: see docs/speed.md
    assert round(enet.model_bytes() / 2 ** 20, 1) == 0.7


def test_segnet_basic_at_640x360():
    assert round(measure(SegNetBasic(11), (360, 640)).macs / 1e9, 1) == 78.9


@pytest.mark.parametrize('network', [ENet(3, 'authors'), ENet(3, 'paper'), ENet(3, 'pytorch-enet')])
def test_every_parameter_belongs_to_a_layer(network):
    cost = measure(network, (16, 24))
    assert sum(layer.parameters for layer in cost.layers) == cost.parameters


def test_measuring_leaves_the_network_as_it_was():
    network = ENet(3).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    measure(network, (16, 24), ceil_mode=True)
    assert network.training
    assert not any(module.ceil_mode for module in network.modules() if isinstance(module, nn.MaxPool2d))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_cost_grows_with_pixels():
    assert measure(ENet(11), (720, 1280)).macs == 4 * measure(ENet(11), (360, 640)).macs
