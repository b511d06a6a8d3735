"""SegNet and SegNet-Basic (Badrinarayanan et al., 2015, arXiv:1511.00561), the paper's yardsticks.

Layer for layer as in the authors' prototxts; input as for ENet: RGB in [0, 1], any height and width.
"""

from typing import List, Sequence, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# VGG16's thirteen convolutions, by stage; the decoder mirrors them from the deepest stage up.
_ENCODER = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_DECODER = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))

_BASIC_WIDTH = 64
_BASIC_STAGES = 4


class _PoolingStack(nn.Module):
    """Encoder stages, each ending in 2x2 max pooling; decoder stages, each starting with its undoing.

    Pools count an odd last row or column as a cell of its own (Caffe rounds up), so any size works,
    and an unpooled map has exactly the size that was pooled.
    """

    def __init__(self, num_classes: int, encoder: Sequence[nn.Module], decoder: Sequence[nn.Module],
                 classifier: nn.Module) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.encoder = nn.ModuleList(encoder)
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, stride=2)
        self.decoder = nn.ModuleList(decoder)
        self.classifier = classifier

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> logits (N, C, H, W)."""
        x = image
        pooled: List[Tuple[Tensor, torch.Size]] = []
        for stage in self.encoder:
            x = stage(x)
            size = x.shape[-2:]
            x, indices = self.pool(x)
            pooled.append((indices, size))
        for stage in self.decoder:
            indices, size = pooled.pop()
            x = stage(self.unpool(x, indices, output_size=size))
        return self.classifier(x)


class SegNet(_PoolingStack):
    """SegNet: RGB in [0, 1] (N, 3, H, W) -> logits (N, C, H, W).

    All of VGG16's convolutions and their mirror image, 3x3 with bias, batch norm and ReLU, in the
    decoder too; the last, 64 -> C, has neither. 29,449,355 parameters for 11 classes, 577 more for
    each further class.
    """

    def __init__(self, num_classes: int) -> None:
        _check_classes(num_classes)
        inputs = 3
        stages: List[List[nn.Module]] = []
        for widths in _ENCODER + _DECODER:
            stages.append([])
            for width in widths:
                stages[-1] += _convolution(inputs, width, 3, nn.ReLU())
                inputs = width
        modules = [nn.Sequential(*stage) for stage in stages]
        super().__init__(num_classes, modules[:len(_ENCODER)], modules[len(_ENCODER):],
                         nn.Conv2d(inputs, num_classes, 3, padding=1))


class SegNetBasic(_PoolingStack):
    """SegNet-Basic: RGB in [0, 1] (N, 3, H, W) -> logits (N, C, H, W).

    Four 7x7 convolutions down and four up, 64 wide, without ReLU on the way up; a 1x1 classifier.
    1,416,587 parameters for 11 classes.
    """

    def __init__(self, num_classes: int) -> None:
        _check_classes(num_classes)
        encoder = [nn.Sequential(*_convolution(width, _BASIC_WIDTH, 7, nn.ReLU()))
                   for width in (3,) + (_BASIC_WIDTH,) * (_BASIC_STAGES - 1)]
        encoder[0] = nn.Sequential(_ContrastNormalisation(), *encoder[0])
        decoder = [nn.Sequential(*_convolution(_BASIC_WIDTH, _BASIC_WIDTH, 7))
                   for _ in range(_BASIC_STAGES)]
        super().__init__(num_classes, encoder, decoder, nn.Conv2d(_BASIC_WIDTH, num_classes, 1))


class _ContrastNormalisation(nn.Module):
    """Caffe's LRN over the colours of a pixel; its constants are meant for values up to 255."""

    size, alpha, beta = 5, 1e-4, 0.75

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, 3, H, W) in [0, 255], bright pixels damped."""
        return F.local_response_norm(image * 255, self.size, self.alpha, self.beta, k=1.0)


def _convolution(inputs: int, outputs: int, kernel: int, *activation: nn.Module) -> List[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs),
            *activation]


def _check_classes(num_classes: int) -> None:
    if num_classes < 1:
        raise ValueError(f'num_classes must be at least 1, not {num_classes}')
