"""The network in fp16 with sums in fp16 too, as a TX1's kernels may keep them, emulated on a CPU."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from enet_ros import picture_files, weights
from enet_ros.datasets.synthetic import SyntheticStreet
from enet_ros.deploy.graph import rewrite
from enet_ros.networks import from_checkpoint

SIZE = (240, 320)
LEAST = 0.9985      # of the labels are those of fp32


def summed(x, weight, bias, columns, dtype):
    """Return weight (O, K) times columns (K, P), every partial sum rounded to `dtype`."""
    total = torch.zeros(len(weight), columns.shape[1])
    for one_weight, column in zip(weight.t().float().contiguous(), columns.float()):
        total = total.addr_(one_weight, column).to(dtype).float()    # the product is exact in fp32
    if bias is not None:
        total = (total + bias.float()[:, None]).to(dtype).float()
    return total.to(x.dtype)


def emulated(dtype):
    """Return conv2d and conv_transpose2d, for one image, whose sums are kept in `dtype`."""
    def convolution(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        parts = []
        for index, part in enumerate(x.chunk(groups, 1)):
            size = len(weight) // groups
            mine = slice(index * size, (index + 1) * size)
            columns = F.unfold(part.float(), weight.shape[2:], dilation, padding, stride)[0]
            own_bias = None if bias is None else bias[mine]
            parts.append(summed(x, weight[mine].flatten(1), own_bias, columns, dtype))
        full = [size + 2 * pad - step * (kernel - 1) - 1 for size, pad, step, kernel in zip(
            x.shape[2:], pair(padding), pair(dilation), weight.shape[2:])]
        height, width = [length // step + 1 for length, step in zip(full, pair(stride))]
        return torch.cat(parts).reshape(1, -1, height, width)

    def transposed(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        """As a convolution of the map with zeros between its values: they add nothing."""
        (step, _), (pad, _), (extra, _) = pair(stride), pair(padding), pair(output_padding)
        height, width = x.shape[2:]
        spread = x.new_zeros(1, x.shape[1], (height - 1) * step + 1, (width - 1) * step + 1)
        spread[..., ::step, ::step] = x
        before = weight.shape[-1] - 1 - pad
        spread = F.pad(spread, (before, before + extra, before, before + extra))
        return convolution(spread, weight.flip(2, 3).transpose(0, 1), bias)
    return convolution, transposed


def pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def test_the_emulation_is_a_convolution():
    """With sums that are not rounded it gives what torch does."""
    torch.manual_seed(0)
    convolution, transposed = emulated(torch.float32)
    x = torch.randn(1, 4, 9, 11)
    for shape, options in (((6, 4, 3, 3), dict(stride=2, padding=1)),
                           ((6, 2, 5, 1), dict(padding=(2, 0), groups=2)),
                           ((6, 4, 3, 3), dict(padding=4, dilation=4))):
        weight, bias = torch.randn(shape), torch.randn(6)
        assert torch.allclose(convolution(x, weight, bias, **options),
                              F.conv2d(x, weight, bias, **options), atol=1e-4)
    for size, options in ((2, dict(stride=2)), (3, dict(stride=2, padding=1, output_padding=1))):
        weight, bias = torch.randn(4, 6, size, size), torch.randn(6)
        assert torch.allclose(transposed(x, weight, bias, **options),
                              F.conv_transpose2d(x, weight, bias, **options), atol=1e-4)


def street():
    return [SyntheticStreet(SIZE, seed=5)[index].image for index in (0, 120)]


def camvid():
    folder = os.environ.get('ENET_CAMVID')
    if not folder:
        pytest.skip('ENET_CAMVID names no CamVid')
    paths = sorted((Path(folder) / 'val').glob('*.png'))[::50][:2]
    images = [picture_files.read(path, cv2.IMREAD_COLOR) for path in paths]
    return [cv2.resize(image, SIZE[::-1], interpolation=cv2.INTER_AREA)[..., ::-1] for image in images]


@pytest.mark.parametrize('name, frames', [('synthetic', street), ('camvid', camvid)])
def test_labels_survive_sums_in_half_precision(monkeypatch, name, frames):
    """Frames of the kind that the network was trained on; and sums with eight bits would be seen."""
    if torch.__version__ < '2':
        pytest.skip('this PyTorch computes fp16 on a GPU only')
    network = from_checkpoint(weights.load(name))
    images = [torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None] for frame in frames()]
    graph, half = rewrite(network), rewrite(network).half()
    agreement = {}
    with torch.no_grad():
        truth = [graph(image.float() / 255).argmax(1) for image in images]
        for dtype in (torch.float16, torch.bfloat16):
            convolution, transposed = emulated(dtype)
            monkeypatch.setattr(F, 'conv2d', convolution)
            monkeypatch.setattr(F, 'conv_transpose2d', transposed)
            answers = [half(image.half() / 255).float().argmax(1) for image in images]
            agreement[dtype] = torch.stack(answers).eq(torch.stack(truth)).double().mean().item()
    assert agreement[torch.bfloat16] < LEAST <= agreement[torch.float16], agreement
