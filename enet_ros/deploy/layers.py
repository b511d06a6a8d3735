"""Layers of the inference form: pooling with a code, unpooling by it, labels.

TensorRT and most other runtimes have no max-unpooling and no integer indices. Here the index of the
winner in its 2x2 cell is a number of the network's own float type, found by a tournament over the
cell's four corners. Only float pointwise operations are used, so every runtime has them, and
each is exact on finite values in fp32, fp16 and bf16. ``x == upsample(maxpool(x))`` would not do:
it marks several winners where values tie, which after a ReLU is often.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor, nn

#: Where torch infers shapes: without arithmetic, but for PyTorch 1.10.
SHAPES_DEVICE = 'meta' if int(torch.__version__.split('.')[0]) > 1 else 'cpu'


class PoolWithCode(nn.Module):
    """2x2 max pooling with stride 2, and which corner won.

    Odd sizes are pooled as with ``ceil_mode=True``: a partial cell's missing corners never win.
    """

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """(N, C, H, W), finite -> maxima and codes, both (N, C, ceil(H/2), ceil(W/2)).

        A code is 0, 1, 2 or 3: the winner's place in its cell, row by row, the first one on ties,
        as in `torch.nn.MaxPool2d`.
        """
        # A copy of the last row or column ties with it and so never wins.
        if x.shape[-1] % 2:
            x = torch.cat((x, x[..., -1:]), -1)
        if x.shape[-2] % 2:
            x = torch.cat((x, x[..., -1:, :]), -2)
        x00, x01 = x[..., 0::2, 0::2], x[..., 0::2, 1::2]
        x10, x11 = x[..., 1::2, 0::2], x[..., 1::2, 1::2]
        top, bottom = torch.max(x00, x01), torch.max(x10, x11)
        right_in_top, right_in_bottom = _greater(x01, x00), _greater(x11, x10)
        code = right_in_top + _greater(bottom, top) * (right_in_bottom + 2.0 - right_in_top)
        return torch.max(top, bottom), code


class UnpoolWithCode(nn.Module):
    """The inverse of `PoolWithCode`: each value goes to its winner's place, zero elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('places', torch.arange(4.0).reshape(1, 1, 1, 2, 1, 2), persistent=False)

    def forward(self, values: Tensor, code: Tensor, size: Optional[Tuple[int, int]] = None) -> Tensor:
        """Values and codes (N, C, H, W) -> (N, C, 2H, 2W), cut to `size`: what had been pooled."""
        here = 1.0 - (code[:, :, :, None, :, None] - self.places).abs()
        cells = values[:, :, :, None, :, None] * here.clamp(min=0.0)
        unpooled = cells.flatten(4, 5).flatten(2, 3)
        return unpooled if size is None else unpooled[..., :size[0], :size[1]]


class Labels(nn.Module):
    """The best class of every pixel, the first one on ties."""

    def forward(self, logits: Tensor) -> Tensor:
        """(N, C, H, W) -> class indices (N, H, W) in the logits' own float type."""
        return logits.argmax(1).to(logits.dtype)


class CellLabels(nn.Module):
    """The best class of the four pixels of each cell, from scores side by side at half the size."""

    def forward(self, scores: Tensor) -> Tensor:
        """(N, 4 C, H, W), for each class its four corners -> class indices (N, 2H, 2W), first on ties."""
        batch, channels, height, width = scores.shape
        cells = scores.reshape(batch, channels // 4, 4, height, width).argmax(1).to(scores.dtype)
        cells = cells.reshape(batch, 2, 2, height, width).permute(0, 3, 1, 4, 2)
        return cells.reshape(batch, 2 * height, 2 * width)


class ContrastNormalisation(nn.Module):
    """SegNet-Basic's local response normalisation of an image, whose window spans all three colours.

    The sum of squares stays below 4, so it does not overflow in fp16, as squares of 0..255 would.
    """

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        """Take Caffe's constants for values of 0..255; ValueError where the window is too small."""
        super().__init__()
        if size < 5:
            raise ValueError(f'a window of {size} does not span three colours')
        self.beta = beta
        self.energy = nn.Conv2d(3, 3, 1)
        nn.init.constant_(self.energy.weight, alpha / size * 255 ** 2)
        nn.init.constant_(self.energy.bias, 1.0)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 3, H, W) in [0, 255]."""
        return image * 255.0 * self.energy(image * image) ** -self.beta


def _greater(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 where a > b, else 0, in their own type."""
    return (a - b).clamp(0.0, 1.0).ceil()
