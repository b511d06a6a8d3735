"""The inference form of SegNet and SegNet-Basic."""

from typing import List, Tuple, Union

from torch import Tensor, nn

from ..networks.segnet import SegNet, SegNetBasic
from .folding import fold, sequence
from .layers import ContrastNormalisation, PoolWithCode, UnpoolWithCode


class SegNetGraph(nn.Module):
    """Encoder stages that pool, decoder stages that unpool; any height and width."""

    def __init__(self, network: Union[SegNet, SegNetBasic]) -> None:
        super().__init__()
        self.num_classes = network.num_classes
        stages = [list(stage) for stage in network.encoder]
        self.normalisation: nn.Module = nn.Sequential()
        if isinstance(network, SegNetBasic):
            norm = stages[0].pop(0)
            self.normalisation = ContrastNormalisation(norm.size, norm.alpha, norm.beta)
        self.encoder = nn.ModuleList([sequence(stage) for stage in stages])
        self.pool = PoolWithCode()
        self.unpool = UnpoolWithCode()
        self.decoder = nn.ModuleList([sequence(stage) for stage in network.decoder])
        self.classifier = fold(network.classifier)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, C, H, W)."""
        x = self.normalisation(image)
        pooled: List[Tuple[Tensor, Tuple[int, int]]] = []
        for stage in self.encoder:
            x = stage(x)
            size = (x.shape[-2], x.shape[-1])
            x, code = self.pool(x)
            pooled.append((code, size))
        for stage in self.decoder:
            code, size = pooled.pop()
            x = stage(self.unpool(x, code, size))
        return self.classifier(x)
