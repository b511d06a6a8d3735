"""What is trained in a stage: a network, an optional second classifier, and the loss in one function."""

import contextlib
from typing import Any, Callable, Optional, Tuple

import torch
from torch import Tensor, nn

from . import losses
from .recipe import Loss


class Trained(nn.Module):
    """The network of one stage with, where the recipe asks for it, a classifier on the encoder.

    The second classifier speeds the encoder's learning up and is left out of the weights.
    """

    def __init__(self, network: Any, auxiliary: bool = False) -> None:
        super().__init__()
        self.network: Any = network
        self.classifier = nn.Conv2d(128, network.num_classes, 1) if auxiliary else None

    def forward(self, image: Tensor) -> Tuple[Tensor, Optional[Tensor]]:
        """Return the logits, and the encoder's own at 1/8 of the size or None."""
        if self.classifier is None:
            return self.network(image), None
        features, indices1, indices2 = self.network.encoder(image)
        return self.network.decoder(features, indices1, indices2), self.classifier(features)


def to_input(images: Tensor) -> Tensor:
    """Turn (N, H, W, 3) uint8 into (N, 3, H, W) float32 in [0, 1]; channels_last in memory."""
    return images.permute(0, 3, 1, 2).float() / 255


def set_dropout(network: nn.Module, probability: float) -> None:
    """Give the blocks whose published dropout is 0.1 another probability; negative leaves them."""
    for module in network.modules():
        if isinstance(module, nn.Dropout2d) and module.p > 0.05 and probability >= 0:
            module.p = probability


def device(name: str) -> torch.device:
    """Resolve 'auto': the first GPU where there is one, else the CPU."""
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    return torch.device(name)


def precision(name: str, where: torch.device) -> torch.dtype:
    """Resolve 'auto': bfloat16 where the hardware multiplies it, float16 on older GPUs, else float32."""
    if name != 'auto':
        return getattr(torch, name)
    if where.type == 'cuda':
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    flags = ''
    with contextlib.suppress(OSError):
        with open('/proc/cpuinfo', encoding='ascii', errors='replace') as file:
            flags = file.read(1 << 14)
    # Without these instructions oneDNN emulates bfloat16, slower than float32.
    return torch.bfloat16 if 'avx512_bf16' in flags or 'amx_bf16' in flags else torch.float32


class Objective:
    """The loss of one batch: forward pass under autocast and loss in float32, compiled on request."""

    def __init__(self, trained: Trained, options: Loss, weight: Tensor, dtype: torch.dtype,
                 encoder_only: bool, compiled: bool = False,
                 total_sum: Optional[Callable[[Tensor], Tensor]] = None) -> None:
        """`total_sum` adds a tensor up over the processes that share the batch, for the soft Jaccard."""
        self._trained, self._options, self._weight = trained, options, weight
        self._dtype, self._encoder_only, self._total_sum = dtype, encoder_only, total_sum
        # Else a second stage of another crop is compiled for any shape, which takes a quarter of an hour.
        self._loss: Any = torch.compile(self._forward, dynamic=False) if compiled else self._forward

    def __call__(self, images: Tensor, labels: Tensor, soft: Optional[Tensor] = None) -> Tensor:
        """(N, H, W, 3), (N, H, W) and a teacher's (N, h, w, C), all uint8 -> the batch's loss."""
        if soft is not None:
            soft = soft.permute(0, 3, 1, 2).float()
            soft = soft / soft.sum(1, keepdim=True).clamp_min(1)
        loss, sums = self._loss(to_input(images), labels.long(), soft)
        if sums is not None:
            sums = sums if self._total_sum is None else self._total_sum(sums)
            loss = loss + self._options.jaccard * losses.soft_jaccard(sums)
        return loss

    def _forward(self, x: Tensor, labels: Tensor,
                 soft: Optional[Tensor]) -> Tuple[Tensor, Optional[Tensor]]:
        with torch.autocast(x.device.type, self._dtype, self._dtype != torch.float32):
            logits, auxiliary = self._trained(x)
        logits = logits.float()
        if self._encoder_only:
            labels, soft = losses.encoder_labels(labels), None
        loss = losses.total(self._options, logits, labels, self._weight,
                            None if auxiliary is None else auxiliary.float(), soft)
        return loss, losses.jaccard_sums(logits, labels) if self._options.jaccard else None
