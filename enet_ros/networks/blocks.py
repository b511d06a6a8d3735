"""The four blocks of ENet: paper, section 3, Figure 2."""

from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Style(NamedTuple):
    """What the paper, the authors' code and its best-known port do differently inside a block."""

    main_bias: bool                         # bias in the initial, main and transposed convolutions
    slope: str                              # 'channel' or 'shared' PReLU, or 'relu'
    batch_norm_eps: float
    norm_between_asymmetric: bool = False   # batch norm and activation between (1, 5) and (5, 1)
    tall_kernel_first: bool = False         # (5, 1) before (1, 5)
    activate_expansion: bool = False        # activation after the expansion's batch norm
    internal_from_input: bool = False       # internal width = in / 4 instead of out / 4
    initial_pool: int = 2                   # 2, or 3 with padding 1
    upsampling_kernel: int = 3              # of the transposed convolution: 3 or 2

    def norm(self, channels: int) -> nn.Module:
        """Batch norm over `channels` feature maps."""
        return nn.BatchNorm2d(channels, eps=self.batch_norm_eps)

    def activation(self, channels: int) -> nn.Module:
        """PReLU or ReLU for `channels` feature maps."""
        if self.slope == 'relu':
            return nn.ReLU()
        return nn.PReLU(channels if self.slope == 'channel' else 1)

    def norm_activation(self, channels: int) -> List[nn.Module]:
        """Batch norm, then activation: what comes between two convolutions."""
        return [self.norm(channels), self.activation(channels)]


class InitialBlock(nn.Module):
    """Figure 2(a): 13 strided 3x3 filters beside a pooled copy of the input: 16 maps, 1/2 size."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 13, 3, stride=2, padding=1, bias=style.main_bias)
        self.pool = nn.MaxPool2d(style.initial_pool, stride=2, padding=style.initial_pool - 2)
        self.norm = style.norm(16)
        self.activation = style.activation(16)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 16, H/2, W/2)."""
        x = torch.cat((self.conv(image), self.pool(image)), 1)
        return self.activation(self.norm(x))


class Bottleneck(nn.Module):
    """Figure 2(b): 1x1 projection, main convolution, 1x1 expansion, added to the input."""

    def __init__(self, channels: int, style: Style, dropout: float, dilation: int = 1,
                 asymmetric: bool = False) -> None:
        super().__init__()
        internal = channels // 4
        if asymmetric:
            main = _asymmetric(internal, style)
        else:
            main = [nn.Conv2d(internal, internal, 3, padding=dilation, dilation=dilation,
                              bias=style.main_bias)]
        self.branch = nn.Sequential(
            nn.Conv2d(channels, internal, 1, bias=False),
            *(style.norm_activation(internal) + main + style.norm_activation(internal)
              + _expansion(internal, channels, style, dropout)))
        self.activation = style.activation(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return self.activation(x + self.branch(x))


class DownsamplingBottleneck(nn.Module):
    """Figure 2(b) with a 2x2 strided projection, and 2x2 max pooling in the main branch."""

    def __init__(self, inputs: int, outputs: int, style: Style, dropout: float) -> None:
        super().__init__()
        internal = (inputs if style.internal_from_input else outputs) // 4
        self.extra = outputs - inputs
        self.pool = nn.MaxPool2d(2, stride=2, return_indices=True)
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, internal, 2, stride=2, bias=False),
            *(style.norm_activation(internal)
              + [nn.Conv2d(internal, internal, 3, padding=1, bias=style.main_bias)]
              + style.norm_activation(internal)
              + _expansion(internal, outputs, style, dropout)))
        self.activation = style.activation(outputs)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """(N, in, H, W) -> (N, out, H/2, W/2) and the pooling indices (N, in, H/2, W/2)."""
        pooled, indices = self.pool(x)
        padded = F.pad(pooled, (0, 0, 0, 0, 0, self.extra))
        return self.activation(padded + self.branch(x)), indices


class UpsamplingBottleneck(nn.Module):
    """Max-unpooling in the main branch, a transposed convolution in the other."""

    def __init__(self, inputs: int, outputs: int, style: Style, dropout: float) -> None:
        super().__init__()
        internal = (inputs if style.internal_from_input else outputs) // 4
        extra = style.upsampling_kernel - 2
        self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), style.norm(outputs))
        self.unpool = nn.MaxUnpool2d(2, stride=2)
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, internal, 1, bias=False),
            *(style.norm_activation(internal)
              + [nn.ConvTranspose2d(internal, internal, style.upsampling_kernel, stride=2,
                                    padding=extra, output_padding=extra, bias=style.main_bias)]
              + style.norm_activation(internal)
              + _expansion(internal, outputs, style._replace(activate_expansion=False), dropout)))
        self.activation = style.activation(outputs)

    def forward(self, x: Tensor, indices: Tensor) -> Tensor:
        """(N, in, H, W) and indices (N, out, H, W) -> (N, out, 2H, 2W)."""
        return self.activation(self.unpool(self.skip(x), indices) + self.branch(x))


def _asymmetric(channels: int, style: Style) -> List[nn.Module]:
    """Split a 5x5 convolution into two of 5 taps; only the second carries the bias."""
    kernels = [(1, 5), (5, 1)]
    if style.tall_kernel_first:
        kernels.reverse()
    first, second = [
        nn.Conv2d(channels, channels, kernel, padding=(kernel[0] // 2, kernel[1] // 2),
                  bias=style.main_bias and last)
        for kernel, last in zip(kernels, (False, True))]
    between = style.norm_activation(channels) if style.norm_between_asymmetric else []
    return [first] + between + [second]


def _expansion(internal: int, outputs: int, style: Style, dropout: float) -> List[nn.Module]:
    """1x1 expansion, batch norm, and what regularises the branch."""
    layers: List[nn.Module] = [nn.Conv2d(internal, outputs, 1, bias=False), style.norm(outputs)]
    if style.activate_expansion:
        layers.append(style.activation(outputs))
    if dropout:
        layers.append(nn.Dropout2d(dropout))
    return layers
