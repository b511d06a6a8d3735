"""ENet (Paszke et al., 2016, arXiv:1606.02147), to be read beside the paper's Table 1."""

from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor, nn

from .blocks import Bottleneck, DownsamplingBottleneck, InitialBlock, Style, UpsamplingBottleneck


class Variant(NamedTuple):
    """One reading of the paper: the styles of encoder and decoder and the last layer."""

    encoder: Style
    decoder: Style
    last_kernel: int        # of the last transposed convolution: 2, or 3 with padding 1
    last_bias: bool


_AUTHORS = Style(main_bias=True, slope='channel', batch_norm_eps=1e-3)
_PAPER = _AUTHORS._replace(norm_between_asymmetric=True)
_PYTORCH_ENET = Style(
    main_bias=False, slope='shared', batch_norm_eps=1e-5, norm_between_asymmetric=True,
    tall_kernel_first=True, activate_expansion=True, internal_from_input=True, initial_pool=3,
    upsampling_kernel=2)

VARIANTS = {
    'authors': Variant(_AUTHORS, _AUTHORS._replace(slope='relu'), 2, True),
    'authors-prelu': Variant(_AUTHORS, _AUTHORS, 2, True),
    'paper': Variant(_PAPER, _PAPER, 2, True),
    'pytorch-enet': Variant(_PYTORCH_ENET, _PYTORCH_ENET._replace(slope='relu'), 3, False),
}

# Sections 2 and 3 of Table 1, without the downsampling block: (dilation, asymmetric).
_SECTION = ((1, False), (2, False), (1, True), (4, False),
            (1, False), (8, False), (1, True), (16, False))

_DECODER_DROPOUT = {'authors': 0.0, 'authors-prelu': 0.0, 'paper': 0.1, 'pytorch-enet': 0.1}


class Encoder(nn.Module):
    """Initial block and bottlenecks 1.0 to 3.8: 1/8 of the input's size, 128 feature maps."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.initial = InitialBlock(style)
        self.down1 = DownsamplingBottleneck(16, 64, style, dropout=0.01)
        self.section1 = nn.Sequential(*[Bottleneck(64, style, dropout=0.01) for _ in range(4)])
        self.down2 = DownsamplingBottleneck(64, 128, style, dropout=0.1)
        self.section2 = nn.Sequential(*_section(style))
        self.section3 = nn.Sequential(*_section(style))

    def forward(self, image: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) -> features (N, 128, H/8, W/8) and the pooling indices of 1.0 and 2.0."""
        x = self.initial(image)
        x, indices1 = self.down1(x)
        x = self.section1(x)
        x, indices2 = self.down2(x)
        return self.section3(self.section2(x)), indices1, indices2


class Decoder(nn.Module):
    """Bottlenecks 4.0 to 5.1 and the last transposed convolution."""

    def __init__(self, num_classes: int, variant: Variant, dropout: float) -> None:
        super().__init__()
        style = variant.decoder
        self.up4 = UpsamplingBottleneck(128, 64, style, dropout)
        self.section4 = nn.Sequential(*[Bottleneck(64, style, dropout) for _ in range(2)])
        self.up5 = UpsamplingBottleneck(64, 16, style, dropout)
        self.section5 = nn.Sequential(Bottleneck(16, style, dropout))
        extra = variant.last_kernel - 2
        self.last = nn.ConvTranspose2d(
            16, num_classes, variant.last_kernel, stride=2, padding=extra, output_padding=extra,
            bias=variant.last_bias)

    def forward(self, features: Tensor, indices1: Tensor, indices2: Tensor) -> Tensor:
        """Turn encoder features and indices into logits (N, C, H, W)."""
        x = self.section4(self.up4(features, indices2))
        x = self.section5(self.up5(x, indices1))
        return self.last(x)


class ENet(nn.Module):
    """ENet: RGB in [0, 1] (N, 3, H, W) -> logits (N, C, H, W); H and W are multiples of 8.

    Four variants exist, because the paper, the two public programs and the authors' weights differ:

    - ``authors`` (default): as the authors' Torch7 code builds it. Biases in the initial, main and
      transposed convolutions; PReLU per channel in the encoder, ReLU in the decoder; nothing
      between the two asymmetric convolutions, (1, 5) first; no activation after the expansion;
      internal width a quarter of the output; no dropout in the decoder; batch norm eps 1e-3.
    - ``authors-prelu``: the same with PReLU per channel in the decoder, as in the weights for
      Cityscapes that the authors published.
    - ``paper``: the authors' network where the paper's text says otherwise: PReLU in the decoder
      too (its Figure 3 shows the slopes), batch norm and PReLU "between all convolutions", so also
      between the asymmetric ones, and spatial dropout of 0.1 in the decoder.
    - ``pytorch-enet``: the widely used port. No bias anywhere; one PReLU slope per layer; batch
      norm and activation between the asymmetric convolutions, (5, 1) first; an activation after
      the expansion of regular and downsampling blocks; internal width a quarter of the *input* in
      down- and upsampling blocks; a 3x3 initial pool; 2x2 transposed convolutions inside and a
      3x3 one last; decoder dropout 0.1; batch norm eps 1e-5.

    Parameters: 363,791 for 11 classes and 364,311 for 19 (``authors``), 350,652 for 12
    (``pytorch-enet``).
    """

    def __init__(self, num_classes: int, variant: str = 'authors') -> None:
        """Build the network; ValueError for an unknown variant or fewer than one class."""
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError("unknown ENet variant '{}': choose one of {}".format(
                variant, ', '.join(VARIANTS)))
        if num_classes < 1:
            raise ValueError(f'num_classes must be at least 1, not {num_classes}')
        self.num_classes = num_classes
        self.variant = variant
        self.encoder = Encoder(VARIANTS[variant].encoder)
        self.decoder = Decoder(num_classes, VARIANTS[variant], _DECODER_DROPOUT[variant])

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) float -> (N, C, H, W) logits; ValueError where H or W is not a multiple of 8."""
        check_size(image)
        return self.decoder(*self.encoder(image))


class EncoderClassifier(nn.Module):
    """The first training stage (paper, section 5.2): the encoder with a 1x1 classifier on top.

    339,575 parameters for 11 classes, 340,607 for 19.
    """

    def __init__(self, encoder: Encoder, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.encoder = encoder
        self.classifier = nn.Conv2d(128, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> logits (N, C, H/8, W/8)."""
        check_size(image)
        return self.classifier(self.encoder(image)[0])


def check_size(image: Tensor) -> None:
    """Raise ValueError unless height and width are positive multiples of 8 (three halvings)."""
    if torch.jit.is_tracing():
        return
    height, width = image.shape[-2:]
    if height % 8 or width % 8 or not height or not width:
        raise ValueError(f'ENet needs a height and width that are multiples of 8, not {height}x{width}')


def _section(style: Style) -> List[nn.Module]:
    return [Bottleneck(128, style, dropout=0.1, dilation=dilation, asymmetric=asymmetric)
            for dilation, asymmetric in _SECTION]
