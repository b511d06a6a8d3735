"""Layers that torch on a CPU runs faster than the portable ones of `layers`, and labels with probability."""

from typing import Optional, Tuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .confidence import Calibration
from .enet_graph import Initial
from .layers import PoolWithCode, UnpoolWithCode


def suit_cpu(graph: nn.Module) -> nn.Module:
    """Replace pooling codes by torch's indices, and pool images plane by plane; return the graph, changed.

    The results are the same to the last bit; the tournament of codes reads its map four times with
    strides, and torch pools three channels side by side one number at a time.
    """
    for module in list(graph.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, PoolWithCode):
                setattr(module, name, IndexPool())
            elif isinstance(child, UnpoolWithCode):
                setattr(module, name, IndexUnpool())
            elif isinstance(module, Initial) and name == 'pool':
                setattr(module, name, PlanarPool(child))
    return graph


class IndexPool(nn.Module):
    """`PoolWithCode` with torch's own indices."""

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """(N, C, H, W) -> maxima and indices, both (N, C, ceil(H/2), ceil(W/2))."""
        maxima, indices = F.max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)
        return maxima, indices


class IndexUnpool(nn.Module):
    """`UnpoolWithCode` for the indices of `IndexPool`."""

    def forward(self, values: Tensor, indices: Tensor, size: Optional[Tuple[int, int]] = None) -> Tensor:
        """Values and indices (N, C, H, W) -> (N, C, 2H, 2W) or of `size`."""
        height, width = values.shape[-2:]
        return F.max_unpool2d(values, indices, 2, 2, output_size=size or (2 * height, 2 * width))


class PlanarPool(nn.Module):
    """Max pooling over a copy whose channels lie one after the other."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) -> the pooled image, channels last in memory."""
        return self.pool(image.contiguous()).contiguous(memory_format=torch.channels_last)


def best_and_probability(logits: Tensor, calibration: Calibration) -> Tuple[np.ndarray, np.ndarray]:
    """Do as `confidence.labels_and_confidence`, for (1, C, H, W), where the logits are: on the GPU, say."""
    # Class scores side by side in memory, which suits the argmax and the softmax.
    scores = logits.detach()[0].permute(1, 2, 0).contiguous()
    labels = scores.argmax(2)
    shares = (scores.float() / calibration.temperature).softmax(2)
    if calibration.groups is not None:
        groups = torch.tensor(calibration.groups, device=shares.device)
        shares = shares @ (groups[:, None] == groups).to(shares)    # each class's group's share
    own = shares.gather(2, labels[..., None])[..., 0]
    labels, confidence = [x.to(torch.uint8).cpu().numpy() for x in (labels, (255 * own).round())]
    return labels, confidence
