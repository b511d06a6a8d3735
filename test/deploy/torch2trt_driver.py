"""What a process with the double and a real torch2trt finds out; prints JSON. Run by test_torch2trt."""

import copy
import json
import types

import exact_networks
import numpy as np
import tensorrt as trt
from test_graph import EXACT, image, trained_looking
import torch
from torch import nn
import torch2trt  # noqa: F401
from torch2trt.torch2trt import CONVERTERS

from enet_ros.deploy.engine import EngineError
from enet_ros.deploy.graph import rewrite
from enet_ros.deploy.tensorrt_engine import trace
from enet_ros.networks.enet import VARIANTS
from enet_ros.networks.segnet import SegNetBasic

# Kept before ours take their places, which the first trace does.
TRANSPOSED = ('torch.nn.ConvTranspose2d.forward', 'torch.nn.functional.conv_transpose2d')
STOCK = {name: CONVERTERS[name] for name in TRANSPOSED if name in CONVERTERS}


def replay(graph, kind='random', truth=None, size=(64, 96)):
    """Trace on one image, replay in float64 on another; return the error against the graph, or `truth`."""
    definition = trace(graph, exact_networks.image('patches', *size))
    unseen = exact_networks.image(kind, *size, seed=2)
    if truth is None:
        with torch.no_grad():
            truth = copy.deepcopy(graph).double()(unseen.double())
    answer = trt.execute(definition, [unseen.double().numpy()])[0]
    return float(np.abs(answer - truth.numpy()).max())


def agreement():
    """Largest errors of logits and labels, for every network; those whose arithmetic is exact in fp32 too."""
    found = {}
    for name, variant in EXACT:
        network, size = exact_networks.build(name, variant), (32, 32) if name == 'segnet' else (64, 96)
        for kind in exact_networks.IMAGES:
            truth = exact_networks.truth(network, exact_networks.image(kind, *size, seed=2))
            found[f'{name} {variant} logits {kind}'] = replay(rewrite(network), kind, truth, size)
            found[f'{name} {variant} labels {kind}'] = replay(
                rewrite(network, 'labels'), kind, truth.argmax(1), size)
    for name in sorted(VARIANTS):
        found[name + ' of any weights'] = replay(rewrite(trained_looking(name)))
    found['segnet-basic'] = replay(rewrite(trained_looking(build=SegNetBasic)), size=(29, 45))
    return found


def constants():
    """Return the size of the largest constant of a traced ENet."""
    definition = trace(rewrite(trained_looking()), image('random')[:1])
    layers = [definition.get_layer(index) for index in range(definition.num_layers)]
    return max(int(np.prod(layer.shape)) for layer in layers if layer.type.name == 'CONSTANT')


class Mutant(nn.Module):
    """The inference form with one of its layers replaced."""

    def __init__(self, change):
        super().__init__()
        self.graph = rewrite(trained_looking())
        change(self.graph)

    def forward(self, x):
        return self.graph(x)


def torch_unpool(graph):
    def pool(self, x):
        return nn.functional.max_pool2d(x, 2, 2, return_indices=True)

    def unpool(self, values, indices):
        return nn.functional.max_unpool2d(values, indices, 2)

    for module in graph.modules():
        if type(module).__name__ == 'PoolWithCode':
            module.forward = types.MethodType(pool, module)
        if type(module).__name__ == 'UnpoolWithCode':
            module.forward = types.MethodType(unpool, module)


def shuffled(graph):
    """Insert an operation without converter, whose result torch2trt hands on as a constant."""
    class There(nn.Module):
        def forward(self, x):
            return nn.functional.pixel_shuffle(nn.functional.pixel_unshuffle(x, 2), 2)

    graph.up4.activation = There()


def mutants():
    """Return what becomes of graphs that torch2trt would freeze: a message, or the error of the replay."""
    found = {}
    for change in (torch_unpool, shuffled):
        try:
            found[change.__name__] = replay(Mutant(change))
        except EngineError as error:
            found[change.__name__] = str(error)
    return found


def stock_transposed_convolution():
    """Return the error where torch2trt's own converter of the transposed convolution is left in place."""
    for name in TRANSPOSED:
        CONVERTERS.pop(name)
    CONVERTERS.update(STOCK)
    try:
        return replay(rewrite(trained_looking()))
    except Exception as error:
        return f'{type(error).__name__}: {error}'


def indexing():
    """Whether tensors can still be indexed by tensors, and nothing is left on their class."""
    left = [name for name in ('__getitem__', 'size') if name in vars(torch.Tensor)]
    return [torch.arange(9)[torch.tensor([1, 2])].tolist(), left]


if __name__ == '__main__':
    torch.set_num_threads(1)
    results = {}
    for function in (agreement, constants, mutants, indexing, stock_transposed_convolution):
        results[function.__name__] = function()
    print(json.dumps(results))
