"""Bytes an inference graph moves through memory: on a small GPU, what decides its speed. An estimate.

The rule: every layer reads its inputs once and writes its outputs once, whatever a runtime might save;
only a convolution with its bias and the activation after it, and pointwise layers that follow each
other, count as one layer. Slices, reshapes, pooling codes and unpooling are layers like any other.
Counted alike from a PyTorch graph, which needs no TensorRT, and from a TensorRT network definition.
"""

from collections import Counter
from typing import Any, Dict, Hashable, Iterable, List, NamedTuple, Sequence, Set, Tuple

import numpy as np
import torch
from torch import Tensor, nn

_POINTWISE = ('activation', 'pointwise')

# By torch's functions and TensorRT's layer types; of the latter, those not listed move next to nothing.
_TORCH_KINDS = {
    'conv2d': 'convolution', 'conv_transpose2d': 'convolution', 'relu': 'activation', 'prelu': 'pointwise',
    'add': 'pointwise', 'sub': 'pointwise', 'rsub': 'pointwise', 'mul': 'pointwise', 'pow': 'pointwise',
    'abs': 'pointwise', 'clamp': 'pointwise', 'ceil': 'pointwise', 'max': 'pointwise', 'to': 'pointwise',
    'max_pool2d': 'pooling', 'cat': 'concatenation', 'getitem': 'slice', 'flatten': 'reshape',
    'argmax': 'argmax',
}
_TENSORRT_KINDS = {
    'CONVOLUTION': 'convolution', 'DECONVOLUTION': 'convolution', 'ACTIVATION': 'activation',
    'ELEMENTWISE': 'pointwise', 'UNARY': 'pointwise', 'PARAMETRIC_RELU': 'PReLU', 'POOLING': 'pooling',
    'CONCATENATION': 'concatenation', 'SLICE': 'slice', 'SHUFFLE': 'reshape', 'TOPK': 'argmax',
}


class Layer(NamedTuple):
    """One operation: what it reads and writes, as (tensor's key, elements)."""

    kind: str
    reads: Tuple[Tuple[Hashable, int], ...]
    writes: Tuple[Tuple[Hashable, int], ...]


class Traffic(NamedTuple):
    """Elements moved for one frame by each kind of fused layer, and how many of these there are."""

    elements: Dict[str, int]
    layers: int

    def megabytes(self, element_size: int = 2) -> float:
        """Return 10^6 bytes moved for one frame; fp16 has two bytes an element."""
        return sum(self.elements.values()) * element_size / 1e6


def of_graph(graph: nn.Module, input_size: Tuple[int, int]) -> Traffic:
    """Count an inference graph at (height, width) by running it once on the CPU."""
    image = torch.zeros((1, 3) + tuple(input_size)).as_subclass(_Recorder)
    image.ledger = []
    with torch.no_grad():
        output = graph(image)
    weights = sum(parameter.numel() for parameter in graph.parameters())
    return count([layer for layer, _ in image.ledger], [id(output)], weights)


def of_network(network: Any, weights: int = 0) -> Traffic:
    """Count a TensorRT network definition; `weights` are elements its convolutions read."""
    layers = []
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        kind = _TENSORRT_KINDS.get(layer.type.name)
        if kind is not None:
            reads = [layer.get_input(number) for number in range(layer.num_inputs)]
            writes = [layer.get_output(number) for number in range(layer.num_outputs)]
            layers.append(Layer(kind, *[tuple((_key(tensor), int(np.prod(tuple(tensor.shape))))
                                              for tensor in side) for side in (reads, writes)]))
    outputs = [_key(network.get_output(index)) for index in range(network.num_outputs)]
    return count(layers, outputs, weights)


def count(layers: Sequence[Layer], outputs: Iterable[Hashable], weights: int = 0) -> Traffic:
    """Fuse layers by the rule and add up what is left; `outputs` are keys of the network's outputs."""
    groups = _fuse(layers)
    group_of = {key: group for layer, group in zip(layers, groups) for key, _ in layer.writes}
    wanted = set(outputs)       # what leaves the group that makes it
    for layer, group in zip(layers, groups):
        wanted.update(key for key, _ in layer.reads if group_of.get(key) != group)
    elements = {'weights': weights} if weights else {}
    for group in sorted(set(groups)):
        members = [layer for layer, other in zip(layers, groups) if other == group]
        made = {key: size for layer in members for key, size in layer.writes}
        read = {key: size for layer in members for key, size in layer.reads if key not in made}
        moved = sum(read.values()) + sum(size for key, size in made.items() if key in wanted)
        kind = 'pointwise' if members[0].kind in _POINTWISE else members[0].kind
        if any(key in wanted for key in made):      # else nobody needs it
            elements[kind] = elements.get(kind, 0) + moved
    return Traffic(elements, len(set(groups)))


def _fuse(layers: Sequence[Layer]) -> List[int]:
    """Return the number of the fused layer that each layer belongs to."""
    readers = Counter(key for layer in layers for key, _ in layer.reads)
    maker = {key: index for index, layer in enumerate(layers) for key, _ in layer.writes}
    edges = [(maker[key], index) for index, layer in enumerate(layers)
             for key, _ in layer.reads if key in maker]
    kinds = [layer.kind for layer in layers]
    groups = list(range(len(layers)))
    for source, target in edges:
        activates = kinds[target] == 'activation' and kinds[source] == 'convolution'
        if activates and readers[layers[target].reads[0][0]] == 1:
            groups[target], kinds[target] = source, 'activated convolution'
        elif kinds[source] in _POINTWISE and kinds[target] in _POINTWISE:
            old, new = groups[target], groups[source]
            if old != new and not _leads_around(edges, groups, new, old):
                groups = [new if group == old else group for group in groups]
    return groups


def _leads_around(edges: Sequence[Tuple[int, int]], groups: Sequence[int], start: int, end: int) -> bool:
    """Tell whether a way leads from one group to another through a third: then they cannot be one."""
    after: Dict[int, Set[int]] = {}
    for source, target in edges:
        after.setdefault(groups[source], set()).add(groups[target])
    waiting = list(after.get(start, set()) - {start, end})
    seen = set(waiting)
    while waiting:
        following = after.get(waiting.pop(), set()) - seen - {start}
        if end in following:
            return True
        seen |= following
        waiting.extend(following)
    return False


def _key(tensor: Any) -> Hashable:
    """Return what tells a network's tensor from others: bindings may hand out a new object each time."""
    return tensor.name or id(tensor)


class _Recorder(Tensor):
    """A tensor that writes down what is done with it; the results are kept, so that ids stay theirs."""

    ledger: List[Tuple[Layer, Any]]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor):
            return result
        kind = _TORCH_KINDS[func.__name__.strip('_')]
        result = result.as_subclass(cls)
        tensors = [item for argument in args
                   for item in (argument if isinstance(argument, (tuple, list)) else (argument,))
                   if isinstance(item, Tensor)]
        ledger = [tensor.ledger for tensor in tensors if isinstance(tensor, cls)][0]
        reads: List[Tuple[Hashable, int]] = [(id(tensor), tensor.numel()) for tensor in tensors]
        if func.__name__ == 'prelu' and tensors[1].numel() == 1:
            kind = 'activation'     # a leaky ReLU
        if kind == 'convolution':
            reads = reads[:1]       # the weights are counted for the whole network
        elif kind == 'argmax':      # a running maximum over slices
            planes = [object() for _ in range(tensors[0].shape[1])]
            ledger.extend((Layer('slice', tuple(reads), ((id(plane), result.numel()),)), plane)
                          for plane in planes)
            kind, reads = 'pointwise', [(id(plane), result.numel()) for plane in planes]
        elif kind == 'reshape' and ledger[-1][0].kind == 'reshape':
            reads = list(ledger.pop()[0].reads)     # a reshape of a reshape is one
        ledger.append((Layer(kind, tuple(reads), ((id(result), result.numel()),)), result))
        result.ledger = ledger
        return result
