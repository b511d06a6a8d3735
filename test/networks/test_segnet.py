"""SegNet and SegNet-Basic against the published parameter counts and the prototxts' arithmetic."""

import numpy as np
import pytest
import torch

from enet_ros.networks.segnet import SegNet, SegNetBasic


@pytest.fixture(scope='module')
def segnet():
    return SegNet(2)


@pytest.fixture(scope='module')
def segnet_basic():
    return SegNetBasic(2)


@pytest.fixture(params=['segnet', 'segnet_basic'])
def network(request):
    return request.getfixturevalue(request.param)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize('build, classes, expected', [
    (SegNet, 11, 29449355), (SegNet, 12, 29449355 + 577), (SegNetBasic, 11, 1416587)])
def test_parameters_as_published(build, classes, expected):
    assert parameters(build(classes)) == expected


@pytest.mark.parametrize('size', [(32, 32), (45, 62), (33, 47)])
def test_logits_have_the_size_of_the_image_even_where_halving_is_uneven(network, size):
    with torch.no_grad():
        assert network.eval()(torch.rand(2, 3, *size)).shape == (2, 2) + size


def test_pools_round_up(segnet):
    """360 rows halve to 12 in five pools that round up (to 11 in pools that round down)."""
    heights = []
    hook = segnet.pool.register_forward_hook(
        lambda module, inputs, output: heights.append(output[0].shape[2]))
    with torch.no_grad():
        segnet.eval()(torch.rand(1, 3, 360, 32))
    hook.remove()
    assert heights == [180, 90, 45, 23, 12]


def test_unpooling_puts_values_back_where_the_maximum_was(segnet):
    seen = []
    hook = segnet.unpool.register_forward_hook(
        lambda module, inputs, output: seen.append((inputs, output)))
    with torch.no_grad():
        segnet.eval()(torch.rand(1, 3, 37, 41))
    hook.remove()
    assert len(seen) == 5
    for (values, indices), unpooled in seen:
        at_indices = unpooled.flatten(2).gather(2, indices.flatten(2))
        assert torch.equal(at_indices, values.flatten(2))
        assert unpooled.count_nonzero() == values.count_nonzero()


def test_activations_of_the_two_decoders(segnet, segnet_basic):
    """SegNet's decoder has a ReLU after every batch norm, SegNet-Basic's has none (prototxts)."""
    assert [sum(isinstance(module, torch.nn.ReLU) for module in network.decoder.modules())
            for network in (segnet, segnet_basic)] == [12, 0]


def test_contrast_normalisation_is_caffes_on_values_up_to_255(segnet_basic):
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, 4, 5)).astype(np.float32)
    with torch.no_grad():
        got = segnet_basic.encoder[0][0](torch.from_numpy(image)).numpy()
    scaled = image.astype(np.float64) * 255
    energy = (scaled ** 2).sum(axis=1, keepdims=True)      # a window of five covers all three colours
    # Of the five, red's window holds itself and two to the right: all three colours; likewise blue's.
    assert np.allclose(got, scaled / (1 + 1e-4 / 5 * energy) ** 0.75, rtol=1e-5)


def test_every_parameter_learns(network):
    network.train()(torch.rand(2, 3, 32, 48)).logsumexp(1).pow(2).mean().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
    assert all(gradient.abs().sum() > 0 for gradient in gradients if gradient.dim() == 4)


@pytest.mark.parametrize('build', [SegNet, SegNetBasic])
def test_no_classes_are_refused(build):
    with pytest.raises(ValueError, match='num_classes'):
        build(0)
