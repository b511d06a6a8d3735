"""Bytes an inference graph moves through memory: on a small GPU, what decides its speed. An estimate.

The rule: every layer reads its inputs once and writes its outputs once, whatever a runtime might save;
only a convolution with its bias and the activation after it, and pointwise layers that run one after the
other, count as one layer. Slices, reshapes, pooling codes and unpooling are layers like any other.
"""

from collections import Counter
import copy
from typing import Any, Dict, Hashable, Iterable, List, NamedTuple, Sequence, Tuple

import torch
from torch import Tensor, nn

from .layers import SHAPES_DEVICE

_POINTWISE = ('activation', 'pointwise')

# By the names of torch's functions.
_KINDS = {
    'conv2d': 'convolution', 'conv_transpose2d': 'convolution', 'relu': 'activation', 'prelu': 'pointwise',
    'add': 'pointwise', 'sub': 'pointwise', 'rsub': 'pointwise', 'mul': 'pointwise', 'pow': 'pointwise',
    'abs': 'pointwise', 'clamp': 'pointwise', 'ceil': 'pointwise', 'max': 'pointwise',
    'max_pool2d': 'pooling', 'cat': 'concatenation', 'getitem': 'slice', 'flatten': 'reshape',
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
    """Count an inference graph of logits at (height, width) by running it once, without arithmetic."""
    image = torch.zeros((1, 3) + tuple(input_size), device=SHAPES_DEVICE).as_subclass(_Recorder)
    image.ledger = []
    with torch.no_grad():
        output = copy.deepcopy(graph).to(SHAPES_DEVICE)(image)
    weights = sum(parameter.numel() for parameter in graph.parameters())
    return count([layer for layer, _ in image.ledger], [id(output)], weights)


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
    groups: List[int] = []
    kind, last = '', None       # of the fused layer that is still open, and what it wrote
    for index, layer in enumerate(layers):
        joins = layer.kind in _POINTWISE and kind in _POINTWISE
        if layer.kind == 'activation' and kind == 'convolution':
            joins = layer.reads[0][0] == last and readers[last] == 1
        groups.append(groups[-1] if joins else index)
        if kind == 'convolution' and joins:
            kind = 'activated convolution'
        elif not joins:
            kind = layer.kind
        last = layer.writes[0][0]
    return groups


class _Recorder(Tensor):
    """A tensor that writes down what is done with it; the results are kept, so that ids stay theirs."""

    ledger: List[Tuple[Layer, Any]]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor):
            return result
        kind = _KINDS[func.__name__.strip('_')]
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
        elif kind == 'reshape' and ledger[-1][0].kind == 'reshape':
            reads = list(ledger.pop()[0].reads)     # a reshape of a reshape is one
        ledger.append((Layer(kind, tuple(reads), ((id(result), result.numel()),)), result))
        result.ledger = ledger
        return result
