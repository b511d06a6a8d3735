"""ENet's inference form.

Zero channels are never made: where a block pads its shortcut with them, the shortcut enters the
block's last convolution as further inputs, with an identity as weights.
"""

from typing import Tuple

import torch
from torch import Tensor, nn

from ..networks.blocks import Bottleneck, DownsamplingBottleneck, InitialBlock, UpsamplingBottleneck
from ..networks.enet import ENet, check_size
from .folding import activation, affine, fold, like, sequence
from .layers import PoolWithCode, UnpoolWithCode


class ENetGraph(nn.Module):
    """ENet for inference."""

    def __init__(self, network: ENet) -> None:
        super().__init__()
        encoder, decoder = network.encoder, network.decoder
        self.num_classes = network.num_classes
        self.initial = Initial(encoder.initial)
        self.down1 = Down(encoder.down1)
        self.section1 = _section(encoder.section1)
        self.down2 = Down(encoder.down2)
        self.section2 = _section(encoder.section2)
        self.section3 = _section(encoder.section3)
        self.up4 = Up(decoder.up4)
        self.section4 = _section(decoder.section4)
        self.up5 = Up(decoder.up5)
        self.section5 = _section(decoder.section5)
        self.last = fold(decoder.last)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, C, H, W); ValueError where H or W is no multiple of 8."""
        check_size(image)
        x, code1 = self.down1(self.initial(image))
        x, code2 = self.down2(self.section1(x))
        x = self.section3(self.section2(x))
        x = self.section4(self.up4(x, code2))
        x = self.section5(self.up5(x, code1))
        return self.last(x)


class Initial(nn.Module):
    """The initial block; its batch norm spans both branches and is split between them."""

    def __init__(self, block: InitialBlock) -> None:
        super().__init__()
        scale, shift = affine(block.norm)
        filters = block.conv.out_channels
        weight = block.conv.weight.detach().double() * scale[:filters].reshape(-1, 1, 1, 1)
        bias = shift[:filters]
        if block.conv.bias is not None:
            bias = bias + block.conv.bias.detach().double() * scale[:filters]
        self.conv = like(block.conv, weight, bias)
        self.pool = nn.MaxPool2d(block.pool.kernel_size, block.pool.stride, block.pool.padding)
        # The pooled branch's share of the norm: a scale may be negative, so it cannot go before the pool.
        pooled = nn.Conv2d(3, 3, 1, groups=3).to(block.conv.weight)
        self.scale = like(pooled, scale[filters:].reshape(-1, 1, 1, 1), shift[filters:])
        self.activation = activation(block.activation)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 16, H/2, W/2)."""
        return self.activation(torch.cat((self.conv(image), self.scale(self.pool(image))), 1))


class Regular(nn.Module):
    """A bottleneck that keeps its size."""

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        self.branch = sequence(block.branch)
        self.activation = activation(block.activation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return self.activation(x + self.branch(x))


class Down(nn.Module):
    """A downsampling bottleneck; the shortcut's zero channels are implied by the weights."""

    def __init__(self, block: DownsamplingBottleneck) -> None:
        super().__init__()
        self.pool = PoolWithCode()
        self.branch = sequence(block.branch)
        self.activation = activation(block.activation)
        inputs = block.branch[0].in_channels
        identity = torch.eye(inputs + block.extra, inputs).double()[:, :, None, None]
        expansion = self.branch[-1]
        self.joined = isinstance(expansion, nn.Conv2d)
        if self.joined:
            self.branch = self.branch[:-1]
            weight = torch.cat((expansion.weight.double(), identity.to(expansion.weight.device)), 1)
            self.expansion = like(expansion, weight, expansion.bias)
        else:       # an activation stands between the expansion and the sum
            self.widen = like(nn.Conv2d(1, 1, 1).to(block.branch[0].weight), identity, None)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """(N, in, H, W) -> (N, out, H/2, W/2) and the pooling codes (N, in, H/2, W/2)."""
        pooled, code = self.pool(x)
        if self.joined:
            total = self.expansion(torch.cat((self.branch(x), pooled), 1))
        else:
            total = self.widen(pooled) + self.branch(x)
        return self.activation(total), code


class Up(nn.Module):
    """An upsampling bottleneck."""

    def __init__(self, block: UpsamplingBottleneck) -> None:
        super().__init__()
        self.skip = sequence(block.skip)
        self.unpool = UnpoolWithCode()
        self.branch = sequence(block.branch)
        self.activation = activation(block.activation)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(N, in, H, W) and codes (N, out, H, W) -> (N, out, 2H, 2W)."""
        return self.activation(self.unpool(self.skip(x), code) + self.branch(x))


def _section(blocks: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*[Regular(block) for block in blocks])
