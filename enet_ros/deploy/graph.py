"""From the trained network to its inference form, exactly.

Batch norms are folded into convolutions (in float64), dropout is gone, and pooling indices became
codes (`layers.PoolWithCode`, `layers.UnpoolWithCode`). Logits agree with the published network's to
rounding, and so do labels, with one exception that no folding can avoid: where values of a pooling
cell differ by no more than rounding itself (an image of one colour), another one may win.
"""

from torch import Tensor, nn

from ..networks.enet import ENet
from ..networks.segnet import SegNet, SegNetBasic
from .enet_graph import ENetGraph
from .folding import like
from .layers import CellLabels, Labels
from .segnet_graph import SegNetGraph

HEADS = ('logits', 'labels')


def rewrite(network: nn.Module, head: str = 'logits') -> nn.Module:
    """Return the inference form of a trained network; the network itself is left as it is.

    The result takes RGB in [0, 1] (N, 3, H, W) and gives logits (N, C, H, W) or, with
    ``head='labels'``, class indices (N, H, W) in the input's float type, the first on ties.
    ValueError for another head, TypeError for a network or layer whose inference form is not known.
    """
    if head not in HEADS:
        raise ValueError('head must be one of {}, not {!r}'.format(', '.join(HEADS), head))
    if isinstance(network, ENet):
        graph: nn.Module = ENetGraph(network)
    elif isinstance(network, (SegNet, SegNetBasic)):
        graph = SegNetGraph(network)
    else:
        raise TypeError(f'no inference form of {type(network).__name__} is known')
    if head == 'labels':
        graph = WithLabels(graph)
    weight = next(network.parameters())
    return graph.to(weight.device, weight.dtype).eval().requires_grad_(False)


class WithLabels(nn.Module):
    """A network of logits that answers with labels.

    A last layer that doubles the size in cells of 2x2 (a transposed convolution with stride 2) becomes a 1x1
    convolution whose scores stay at half the size: only labels are put in their places, exactly.
    """

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.num_classes = graph.num_classes
        self.graph = graph
        self.labels: nn.Module = Labels()
        last = getattr(graph, 'last', None)
        if isinstance(last, nn.ConvTranspose2d) and last.kernel_size == last.stride == (2, 2):
            weight = last.weight.permute(1, 2, 3, 0).reshape(-1, last.in_channels, 1, 1)
            graph.last = like(nn.Conv2d(1, 1, 1).to(last.weight), weight,
                              None if last.bias is None else last.bias.repeat_interleave(4))
            self.labels = CellLabels()

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> class indices (N, H, W) as floats."""
        return self.labels(self.graph(image))
