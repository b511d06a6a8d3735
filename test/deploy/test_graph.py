"""The inference form equals the published network."""

import io

import exact_networks
import numpy as np
import pytest
import torch
from torch import nn

from enet_ros.deploy import layers
from enet_ros.deploy.graph import rewrite
from enet_ros.deploy.layers import PoolWithCode, UnpoolWithCode
from enet_ros.networks.enet import VARIANTS, ENet
from enet_ros.networks.segnet import SegNet, SegNetBasic

EXACT = [('enet', variant) for variant in sorted(VARIANTS)] + [('segnet', 'authors')]
INPUTS = ('random', 'constant', 'tied', 'zeroed')


def trained_looking(variant='authors', classes=11, seed=0, build=ENet):
    """Return a network whose every parameter and statistic matters (none is 0 or 1)."""
    generator = torch.Generator().manual_seed(seed)
    network = (build(classes, variant) if build is ENet else build(classes)).eval()
    for name, tensor in network.state_dict().items():
        if not tensor.dtype.is_floating_point:
            continue
        noise = torch.rand(tensor.shape, generator=generator)
        if name.endswith('running_var'):
            tensor.copy_(0.5 + noise)
        elif tensor.dim() == 1:
            tensor.copy_(noise - 0.4)       # norms of both signs, slopes below 0 and above it
        else:
            fan_in = tensor[0].numel()
            tensor.copy_((noise - 0.5) * (6.0 / fan_in) ** 0.5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.abs_().add_(0.5)
            module.weight.data[::3] *= -1
    return network


def image(kind, height=64, width=96, seed=1):
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand(2, 3, height, width, generator=generator)
    return {'random': random, 'constant': torch.full_like(random, 0.3),
            'tied': (random * 2).round() / 2, 'zeroed': (random - 0.7).clamp(min=0)}[kind]


# In float64: in fp32 values of a pooling cell may tie within rounding, and processors round differently.
@pytest.mark.parametrize('kind', ['random', 'tied', 'zeroed'])
@pytest.mark.parametrize('variant', sorted(VARIANTS))
def test_logits_and_labels_are_the_published_network_s(variant, kind):
    network, x = trained_looking(variant).double(), image(kind).double()
    with torch.no_grad():
        truth = network(x)
        logits = rewrite(network)(x)
        labels = rewrite(network, head='labels')(x)
    assert truth.std() > 1e-2       # a dead network would agree with anything
    assert (logits - truth).abs().max() < 1e-9
    assert torch.equal(labels, truth.argmax(1).double())


@pytest.mark.parametrize('name, variant, kind', [
    (name, variant, kind) for name, variant in EXACT
    for kind in exact_networks.IMAGES[:1 if name == 'segnet' else None]])
def test_bit_for_bit_in_fp32_where_the_arithmetic_is_exact(name, variant, kind):
    """Ties of pooling cells and of classes included, on any processor."""
    size = (32, 32) if name == 'segnet' else (64, 96)
    network, x = exact_networks.build(name, variant), exact_networks.image(kind, *size)
    truth = exact_networks.truth(network, x)
    with torch.no_grad():
        assert torch.equal(rewrite(network)(x).double(), truth)
        assert torch.equal(rewrite(network, 'labels')(x), truth.argmax(1).float())


def ties_to_the_last(graph):
    layers._greater.__code__ = (lambda a, b: (a >= b).to(a.dtype)).__code__


def places_transposed(graph):
    for module in graph.modules():
        if isinstance(module, UnpoolWithCode):
            module.places = module.places.transpose(3, 5)


def no_output_padding(graph):
    layer = graph.up4.branch[2]
    layer.padding, layer.output_padding = (0, 0), (0, 0)
    forward = layer.forward
    layer.forward = lambda x: forward(x)[..., :-1, :-1]


def one_dilation(graph):
    layer = graph.section3[5].branch[2]
    layer.dilation = layer.padding = (4, 4)


def one_shift(graph):
    graph.section2[3].branch[0].bias[5] += 1


def slopes_of_one_layer(graph):
    graph.section3[3].activation.weight += 1


@pytest.mark.parametrize('change', [ties_to_the_last, places_transposed, no_output_padding, one_dilation,
                                    one_shift, slopes_of_one_layer])
def test_a_graph_with_one_mistake_fails(change, monkeypatch):
    """The comparison above sees it."""
    greater = layers._greater.__code__
    network, x = exact_networks.build(), exact_networks.image('random')
    graph = rewrite(network)
    try:
        change(graph)
        assert not torch.equal(graph(x).double(), exact_networks.truth(network, x))
    finally:
        layers._greater.__code__ = greater


@pytest.mark.parametrize('build, size', [
    (SegNet, (29, 45)), (SegNetBasic, (29, 45)), (SegNetBasic, (32, 48))])
def test_segnet_agrees_at_odd_sizes_too(build, size):
    network = trained_looking(build=build).double()
    x = image('random', *size)[:1].double()
    with torch.no_grad():
        truth, logits, labels = network(x), rewrite(network)(x), rewrite(network, 'labels')(x)
    assert truth.std() > 1e-2
    assert (logits - truth).abs().max() < 1e-9
    assert torch.equal(labels, truth.argmax(1).double())


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('kind', INPUTS + ('subnormal', 'huge'))
def test_pooling_codes_are_bit_exact(kind, dtype):
    if dtype == torch.float16 and torch.__version__ < '2':
        pytest.skip('this PyTorch computes fp16 on a GPU only')
    if kind == 'subnormal':
        x = image('tied').to(dtype) * torch.finfo(dtype).tiny
    elif kind == 'huge':
        x = (image('tied') - 0.5).to(dtype) * 2 * torch.finfo(dtype).max
    else:
        x = (image(kind) - 0.5).to(dtype)
    pooled, code = PoolWithCode()(x)
    expected, indices = nn.functional.max_pool2d(x.float(), 2, return_indices=True)
    values = torch.randn(pooled.shape).to(dtype)
    unpooled = UnpoolWithCode().to(dtype)(values, code)
    assert pooled.dtype == code.dtype == unpooled.dtype == dtype
    assert torch.equal(pooled.float(), expected)
    assert torch.equal(unpooled.float(), nn.functional.max_unpool2d(values.float(), indices, 2))


@pytest.mark.parametrize('size', [(5, 7), (6, 7), (5, 8)])
def test_odd_sizes_pool_as_in_ceil_mode(size):
    x = -torch.rand(1, 2, *size) - 1        # zero padding would win over these
    pooled, code = PoolWithCode()(x)
    expected, indices = nn.functional.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    assert torch.equal(pooled, expected)
    unpooled = UnpoolWithCode()(pooled, code)[..., :size[0], :size[1]]
    assert torch.equal(unpooled, nn.functional.max_unpool2d(expected, indices, 2, output_size=size))


def test_nothing_of_training_is_left_and_the_network_is_untouched():
    network = trained_looking('pytorch-enet')
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    graph = rewrite(network)
    kinds = {type(module) for module in graph.modules()}
    assert not kinds & {nn.BatchNorm2d, nn.Dropout2d, nn.MaxUnpool2d}
    assert not graph.training and network.training
    assert not any(parameter.requires_grad for parameter in graph.parameters())
    graph(image('random'))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_sizes_that_do_not_halve_three_times_are_refused():
    with pytest.raises(ValueError, match='multiples of 8'):
        rewrite(trained_looking())(torch.zeros(1, 3, 60, 64))


def test_unknown_heads_are_refused():
    with pytest.raises(ValueError, match='must be one of'):
        rewrite(trained_looking(), head='mask')


def test_foreign_networks_are_refused():
    with pytest.raises(TypeError, match='Linear'):
        rewrite(nn.Linear(1, 1))


@pytest.mark.parametrize('head', ['logits', 'labels'])
@pytest.mark.parametrize('variant', sorted(VARIANTS))
def test_onnx_export_agrees_under_onnxruntime(variant, head):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    network = exact_networks.build(variant=variant)
    stream = io.BytesIO()
    options = {'dynamo': False} if torch.__version__ >= '2.5' else {}
    torch.onnx.export(rewrite(network, head), exact_networks.image('patches'), stream, opset_version=11,
                      input_names=['image'], **options)
    assert b'Unpool' not in stream.getvalue()
    session = onnxruntime.InferenceSession(stream.getvalue(), providers=['CPUExecutionProvider'])
    for kind in exact_networks.IMAGES:      # most of them were not traced
        x = exact_networks.image(kind, seed=2)
        truth = exact_networks.truth(network, x)
        answer = session.run(None, {'image': x.numpy()})[0]
        assert np.array_equal(answer, (truth.argmax(1) if head == 'labels' else truth).numpy())
