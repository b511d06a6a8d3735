"""NVIDIA's own builder, on a CPU: what it makes of our networks, and that the double does the same.

`tensorrt-rtx` builds strongly typed plans for GPUs that are not there; it runs none.
"""

from functools import lru_cache
import re

import numpy as np
import pytest
import torch

from enet_ros.deploy.graph import rewrite
from enet_ros.networks.enet import VARIANTS, ENet
from enet_ros.networks.segnet import SegNet, SegNetBasic

real = pytest.importorskip('tensorrt_rtx_bindings', reason='tensorrt-rtx is not installed')

SIZE = (32, 48)
# At 640x360, 19 classes, fp16.
KERNELS, MEGABYTES = 102, 215
_BYTES = {'Half': 2, 'Float': 4, 'UInt8': 1, 'Int8': 1, 'Int32': 4, 'Int64': 8, 'Bool': 1}
FORMS = [('enet', variant, head, prelu, as_bytes) for variant in sorted(VARIANTS)
         for head, as_bytes in (('logits', False), ('labels', False), ('labels', True))
         for prelu in ('pointwise', 'layer')] + [
    ('segnet', '', 'logits', 'pointwise', False), ('segnet-basic', '', 'labels', 'pointwise', True)]


def logger(module):
    """Return a logger that keeps all that is said."""
    class Log(module.ILogger):
        def __init__(self):
            module.ILogger.__init__(self)
            self.lines, self.errors = [], []

        def log(self, severity, message):
            self.lines.append(message)
            if severity in (module.ILogger.ERROR, module.ILogger.INTERNAL_ERROR):
                self.errors.append(message)
    return Log()


def defined(module, fill, graph, size, prelu='pointwise', as_bytes=False, dtype=np.float16):
    """Return a filled definition, its builder and what was logged."""
    log = logger(module)
    builder = module.Builder(log)
    network = builder.create_network(1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    fill.fill(fill.Network(network, dtype, prelu), graph, size, as_bytes)
    return network, builder, log


def described(network):
    """List kinds, shapes and types of a definition's layers."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    return [(layer.type.name, [(tuple(tensor.shape), tensor.dtype.name) for tensor in (
        layer.get_output(number) for number in range(layer.num_outputs))]) for layer in layers]


@lru_cache(maxsize=1)
def graph_of(name, variant='authors', head='logits', classes=5):
    torch.manual_seed(0)
    network = {'enet': lambda: ENet(classes, variant), 'segnet': lambda: SegNet(classes),
               'segnet-basic': lambda: SegNetBasic(classes)}[name]()
    return rewrite(network.eval(), head)


@pytest.mark.parametrize('trt', ['10.3.0'], indirect=True)
@pytest.mark.parametrize('name, variant, head, prelu, as_bytes', FORMS)
def test_layer_by_layer_what_the_double_says(trt, ours, name, variant, head, prelu, as_bytes):
    graph, size = graph_of(name, variant, head), (29, 45) if name == 'segnet-basic' else SIZE
    network, builder, log = defined(real, ours(real, 'tensorrt_fill'), graph, size, prelu, as_bytes)
    assert not log.errors
    twin, _, _ = defined(trt, ours(trt, 'tensorrt_fill'), graph, size, prelu, as_bytes)
    assert len(described(twin)) > 20 and described(network) == described(twin)
    assert tuple(network.get_output(0).shape) == tuple(twin.get_output(0).shape)


def kernels(lines):
    """Return the bytes each kernel of a plan reads and writes, from the builder's own list."""
    moved = []
    for line in '\n'.join(lines).splitlines():
        if not (line.startswith('Name: ') and 'LayerType: ' in line):
            continue
        moved.append(0)
        for side in line[line.index('Inputs: '):].split(', Outputs: '):
            tensors = {name: _BYTES[kind] * int(np.prod([int(count) for count in shape.split(',')]))
                       for name, shape, kind in re.findall(
                           r'Name: (.*?), Dimensions: \[([\d,]+)\], Format/Datatype: (\w+)', side)}
            moved[-1] += sum(tensors.values())
    return moved


@pytest.mark.parametrize('trt', ['10.3.0'], indirect=True)
@pytest.mark.parametrize('head, as_bytes, prelu', [
    ('logits', False, 'pointwise'), ('labels', True, 'pointwise'), ('logits', False, 'layer')])
def test_the_plan_keeps_to_its_budget(trt, ours, record_property, head, as_bytes, prelu):
    graph = graph_of('enet', head=head, classes=19)
    network, builder, log = defined(
        real, ours(real, 'tensorrt_fill'), graph, (360, 640), prelu, as_bytes)
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(real.ComputeCapability.SM86, 0)
    config.profiling_verbosity = real.ProfilingVerbosity.DETAILED
    plan = builder.build_serialized_network(network, config)
    assert plan is not None and not log.errors
    moved = kernels(log.lines)
    record_property('kernels', len(moved))
    record_property('megabytes', sum(moved) / 1e6)
    within = len(moved) <= KERNELS and 150 < sum(moved) / 1e6 <= (196 if as_bytes else MEGABYTES)
    assert within == (prelu == 'pointwise'), (len(moved), sum(moved) / 1e6)


@pytest.mark.parametrize('trt', ['10.3.0'], indirect=True)
def test_the_double_is_as_strict(trt):
    """Negative padding, mixed types and layers that cannot be: both refuse, in the same manner."""
    for module in (real, trt):
        network, x, log = typed(module)
        kernel = np.ones((4, 2, 2, 2), np.float16)
        layer = network.add_deconvolution_nd(x, 2, (2, 2), kernel, module.Weights(module.float16))
        layer.post_padding = (-1, -1)
        assert log.errors and tuple(layer.post_padding) == (0, 0)

        network, x, log = typed(module)
        constant = network.add_constant((1, 1, 1, 1), np.ones((1, 1, 1, 1), np.float32)).get_output(0)
        refused(network.add_elementwise(x, constant, module.ElementWiseOperation.SUM), log)

        network, x, log = typed(module)
        half = network.add_slice(x, (0, 0, 0, 0), (1, 4, 4, 8), (1, 1, 1, 1)).get_output(0)
        layer = network.add_concatenation([x, half])
        layer.axis = 1
        refused(layer, log)


def typed(module):
    """Return a strongly typed definition, its input in fp16 and its log."""
    log = logger(module)
    builder = module.Builder(log)
    network = builder.create_network(1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    return network, network.add_input('x', module.float16, (1, 4, 8, 8)), log


def refused(layer, log):
    """Assert that a layer has no shape, and that the log tells why."""
    with pytest.raises(ValueError, match='__len__'):
        tuple(layer.get_output(0).shape)
    assert log.errors
