"""ENet as published: sizes, parameters, and what tells the three variants apart."""

import pytest
import torch
from torch import nn

from enet_ros import networks, weights
from enet_ros.networks import EncoderClassifier, ENet


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize('classes, full, encoder', [
    (11, 363791, 339575), (12, 363856, 339704), (19, 364311, 340607), (20, 364376, 340736),
    (30, 365026, None)])
def test_parameters_of_the_authors_network(classes, full, encoder):
    network = ENet(classes)
    assert network.variant == 'authors' and parameters(network) == full
    if encoder is not None:
        assert parameters(EncoderClassifier(network.encoder, classes)) == encoder
    assert parameters(network.encoder) == 338156


def test_parameters_of_every_block():
    encoder, decoder = ENet(11).encoder, ENet(11).decoder
    assert parameters(encoder.initial) == 412
    assert [parameters(encoder.down1), parameters(encoder.down2)] == [4656, 22112]
    assert [parameters(block) for block in encoder.section1] == [4656] * 4
    section = [18016, 18016, 19040, 18016, 18016, 18016, 19040, 18016]
    assert [parameters(block) for block in encoder.section2] == section
    assert [parameters(block) for block in encoder.section3] == section
    blocks = (decoder.up4, *decoder.section4, decoder.up5, *decoder.section5)
    assert [parameters(block) for block in blocks] == [13904, 4560, 4560, 1572, 324]
    assert parameters(decoder.last) == 65 * 11


def test_parameters_of_the_port():
    assert parameters(ENet(12, 'pytorch-enet')) == 350652


@pytest.mark.parametrize('variant', ['authors', 'authors-prelu', 'paper', 'pytorch-enet'])
def test_shapes(variant):
    network = ENet(7, variant).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 40, 72)).shape == (2, 7, 40, 72)
        assert EncoderClassifier(network.encoder, 7)(torch.rand(1, 3, 40, 72)).shape == (1, 7, 5, 9)


@pytest.mark.parametrize('variant, decoder, prelus', [
    ('authors', nn.ReLU, 'encoder'), ('paper', nn.PReLU, 'both'), ('pytorch-enet', nn.ReLU, 'encoder')])
def test_activations(variant, decoder, prelus):
    network = ENet(3, variant)
    assert isinstance(network.decoder.up4.activation, decoder)
    assert any(isinstance(module, nn.PReLU) for module in network.encoder.modules())
    assert not any(isinstance(module, nn.ReLU) for module in network.encoder.modules())
    slopes = {module.num_parameters for module in network.modules() if isinstance(module, nn.PReLU)}
    assert (slopes == {1}) == (variant == 'pytorch-enet')
    assert any(isinstance(module, nn.PReLU) for module in network.decoder.modules()) == (prelus == 'both')


def test_dropout_is_the_papers():
    network = ENet(3)
    rates = [module.p for module in network.modules() if isinstance(module, nn.Dropout2d)]
    assert rates == [0.01] * 5 + [0.1] * 17
    paper = [module.p for module in ENet(3, 'paper').modules() if isinstance(module, nn.Dropout2d)]
    assert paper == [0.01] * 5 + [0.1] * 22


@pytest.mark.parametrize('size', [(100, 128), (128, 100), (4, 8), (0, 8)])
def test_sizes_that_cannot_be_halved_three_times_are_refused(size):
    with pytest.raises(ValueError, match='multiples of 8, not {}x{}'.format(*size)):
        ENet(2).eval()(torch.rand((1, 3) + size))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown ENet variant 'theirs'"):
        ENet(3, 'theirs')
    with pytest.raises(ValueError, match='at least 1'):
        ENet(0)
    with pytest.raises(ValueError, match="unknown network 'unet'"):
        networks.build('unet', 3)


def test_unpooling_puts_values_back_where_they_came_from():
    block = ENet(3).encoder.down1.eval()
    image = torch.zeros(1, 16, 4, 4)
    image[..., 1, 2] = 5
    _, indices = block.pool(image)
    assert (indices[0, :, 0, 1] == 1 * 4 + 2).all()


def test_checkpoint_round_trip(random_checkpoint):
    network = networks.from_checkpoint(random_checkpoint)
    assert not network.training
    again = networks.to_checkpoint(network, random_checkpoint.metadata)
    assert set(again.arrays) == set(random_checkpoint.arrays)
    assert all((again.arrays[name] == array).all() for name, array in random_checkpoint.arrays.items())


@pytest.mark.parametrize('change, message', [
    (lambda arrays: arrays.pop('decoder.last.bias'), 'lacks array decoder.last.bias'),
    (lambda arrays: arrays.update(extra=arrays['decoder.last.bias']), 'holds the unknown array extra'),
    (lambda arrays: arrays.update({'decoder.last.bias': arrays['decoder.last.bias'][:5]}),
     r'array decoder.last.bias is \(5,\), but enet with 11 classes has \(11,\)'),
])
def test_arrays_that_do_not_fit_are_named(random_checkpoint, change, message):
    arrays = dict(random_checkpoint.arrays)
    change(arrays)
    with pytest.raises(weights.WeightsError, match='w.npz: ' + message):
        networks.from_checkpoint(weights.Checkpoint(arrays, random_checkpoint.metadata, 'w.npz'))
