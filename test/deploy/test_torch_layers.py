"""The CPU's own layers against the portable graph they replace, bit for bit."""

import pytest

torch = pytest.importorskip('torch')

from enet_ros import networks  # noqa: E402
from enet_ros.deploy.graph import rewrite  # noqa: E402
from enet_ros.deploy.layers import PoolWithCode, UnpoolWithCode  # noqa: E402
from enet_ros.deploy.torch_layers import IndexPool, IndexUnpool, suit_cpu  # noqa: E402


@pytest.mark.parametrize('size', [(6, 8), (7, 9)])
def test_pooling_and_unpooling_equal_the_portable_ones_where_values_tie(size):
    torch.manual_seed(0)
    x = torch.randint(-1, 2, (2, 5) + size).float()
    (maxima, code), (same, indices) = PoolWithCode()(x), IndexPool()(x)
    values = torch.randn_like(maxima)
    assert torch.equal(maxima, same)
    assert torch.equal(UnpoolWithCode()(values, code, size), IndexUnpool()(values, indices, size))


@pytest.mark.parametrize('name, variant, size', [
    ('enet', 'authors', (32, 48)), ('enet', 'authors-prelu', (32, 48)), ('enet', 'pytorch-enet', (32, 48)),
    ('segnet-basic', 'authors', (37, 41))])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_the_graph_answers_as_before(name, variant, size, layout):
    torch.manual_seed(0)
    network = networks.build(name, 5, variant).eval()
    image = torch.rand(1, 3, *size)
    image[..., 8:24, 8:24] = 0.5
    portable, suited = [graph.to(memory_format=layout)
                        for graph in (rewrite(network), suit_cpu(rewrite(network)))]
    assert not any(isinstance(module, (PoolWithCode, UnpoolWithCode)) for module in suited.modules())
    with torch.no_grad():
        image = image.contiguous(memory_format=layout)
        assert torch.allclose(portable(image), suited(image), atol=1e-6)


def test_bf16_runs():
    if torch.__version__ < '2':
        pytest.skip('this PyTorch has no max pooling in bf16')
    graph = suit_cpu(rewrite(networks.ENet(3).eval())).to(torch.bfloat16)
    with torch.no_grad():
        assert torch.isfinite(graph(torch.rand(1, 3, 16, 24).bfloat16())).all()
