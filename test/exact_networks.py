"""Networks whose arithmetic is exact: the same bits on every processor, ties included.

fp32 results differ between processors in the last place, and where the values of a pooling cell or
the scores of a pixel tie to within that, the difference decides. Here every weight is a small
integer and the image is black and white, so every sum is an integer below 2**24: fp32 holds it
whatever the order of summation, and real ties are ties for everybody.
"""

import copy
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from enet_ros import networks, weights
from enet_ros.classes import ClassTable

IMAGES = ('random', 'constant', 'patches')
_LARGEST = 2 ** 24


def build(name: str = 'enet', variant: str = 'authors', classes: int = 11, seed: int = 4) -> nn.Module:
    """Return a published network in evaluation mode, with integer weights, slopes, norms and biases."""
    return copy.deepcopy(_built(name, variant, classes, seed))


@lru_cache(maxsize=4)
def _built(name: str, variant: str, classes: int, seed: int) -> nn.Module:
    random = np.random.RandomState(seed)
    network = networks.build(name, classes, variant).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            count = module.num_features
            sign = random.choice([-1, 1], count, p=[0.4, 0.6])
            _fill(module.weight, sign)
            # With eps a scale of 1, or a little more, which rounding takes off again, also from 1 / 255.
            # All shifts have one sign: two of different signs would leave that little instead of zero.
            _fill(module.running_var, np.full(count, np.nextafter(np.float32(1 - module.eps), np.float32(0))))
            _fill(module.bias, sign * random.randint(0, 2, count))
            _fill(module.running_mean, random.randint(-1, 1, count))
        elif isinstance(module, nn.PReLU):
            _fill(module.weight, random.choice([-1, 0, 2], module.num_parameters, p=[0.4, 0.4, 0.2]))
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            transposed = isinstance(module, nn.ConvTranspose2d)
            _fill(module.weight, _sparse(tuple(module.weight.shape), transposed, random))
            if module.bias is not None:
                _fill(module.bias, random.randint(0, 2, len(module.bias)))
    _single_taps(network, random)
    return network


def checkpoint(network: nn.Module, classes: ClassTable, name: str = 'enet', variant: str = 'authors',
               input_size: Any = (96, 128)) -> weights.Checkpoint:
    """Return the network as a checkpoint."""
    return networks.to_checkpoint(network, {
        'format': weights.FORMAT, 'network': name, 'variant': variant, 'input_size': list(input_size),
        'classes': classes.to_dict(), 'normalisation': weights.NORMALISATION, 'training': {}, 'scores': {}})


def image(kind: str, height: int = 64, width: int = 96, batch: int = 1, seed: int = 1) -> Tensor:
    """Return (N, 3, H, W) of zeros and ones."""
    random = np.random.RandomState(seed)
    cell = 8 if kind == 'patches' else 1
    coarse = random.randint(0, 2, (batch, 3, -(-height // cell), -(-width // cell)))
    pixels = np.ones_like(coarse) if kind == 'constant' else coarse
    return torch.from_numpy(np.kron(pixels, np.ones((cell, cell)))[..., :height, :width].astype(np.float32))


def frame(kind: str, height: int = 96, width: int = 128, seed: int = 1) -> np.ndarray:
    """Return the same as an (H, W, 3) uint8 frame of 0 and 255."""
    return (image(kind, height, width, seed=seed)[0].permute(1, 2, 0) * 255).byte().numpy()


def truth(network: nn.Module, x: Tensor) -> Tensor:
    """Return the network's logits in float64; AssertionError where fp32 would not be exact too."""
    exact = copy.deepcopy(network).double()
    for module in exact.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
            module.running_var.fill_(1.0)
        if not list(module.children()):
            module.register_forward_hook(_check)
    with torch.no_grad():
        logits = exact(x.double())
    assert len(logits.argmax(1).unique()) > 1      # a dead network would agree with anything
    return logits


def _check(module: nn.Module, inputs: Any, output: Any) -> None:
    values = output[0] if isinstance(output, tuple) else output     # a pooling's indices come second
    assert torch.equal(values, values.round()) and values.abs().max() < _LARGEST


def _sparse(shape: Any, transposed: bool, random: np.random.RandomState) -> np.ndarray:
    """Return kernels with few entries of -1 or 1 for each output: sums stay small over all layers."""
    array = np.zeros(shape)
    outputs, inputs = (shape[1], shape[0]) if transposed else shape[:2]
    for index in range(outputs):
        expands = shape[-1] * shape[-2] == 1 and inputs < outputs
        for _ in range(random.rand() < 0.5 if expands else random.randint(1, 4)):
            place = [random.randint(count) for count in shape]
            place[1 if transposed else 0] = index
            array[tuple(place)] = random.choice([-1, 1])
    return array


def _single_taps(network: nn.Module, random: np.random.RandomState) -> None:
    """Let the first layer sum nothing: 255 * (1 / 255), which engines make of it, is 1 once rounded.

    Two of them in a sum may be fused multiply-adds, which do not round in between.
    """
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    norm = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    weight = np.zeros(tuple(first.weight.shape))
    for kernel in weight.reshape(len(weight), -1):
        kernel[random.randint(len(kernel))] = random.choice([-1, 1])
    _fill(first.weight, weight)
    for shift in (norm.bias, norm.running_mean) + ((first.bias,) if first.bias is not None else ()):
        _fill(shift, np.zeros(tuple(shift.shape)))


def _fill(tensor: Tensor, values: np.ndarray) -> None:
    tensor.data.copy_(torch.from_numpy(np.asarray(values, np.float64)))
