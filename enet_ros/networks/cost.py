"""What a network costs: parameters, model size, multiply-accumulates and FLOPs, per layer.

Counted on PyTorch's meta device: no arithmetic is done and no memory is filled, so a 1920x1080
SegNet takes a moment. Needs PyTorch 1.13 or newer (a workstation).

Conventions, all for a batch of one:

- **macs**: multiply-accumulates of convolutions. A transposed convolution is counted where it
  multiplies: at its *input* positions. Padding counts as if it were data.
- **flops**: two for each multiply-accumulate, one for each bias added and one for each output of an
  activation. Batch norm is folded into its convolution (so every normalised convolution has a bias).
  Pooling, sums and copies are free. This is the convention that yields 286.03 GFLOP for SegNet in
  the paper's Table 3.
What it moves through memory depends on the form it runs in: `deploy.traffic` counts that.
"""

import copy
from typing import Any, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

# ATen operation -> what a reader calls it. Operations that are not listed only rearrange.
_KINDS = {
    'convolution': 'convolution',
    'native_batch_norm': 'batch norm',
    'relu': 'activation',
    '_prelu_kernel': 'activation',
    'prelu': 'activation',
    'max_pool2d_with_indices': 'pooling',
    'max_unpool2d': 'unpooling',
    'add': 'sum',
    'cat': 'concatenation',
    'constant_pad_nd': 'padding',
    'div': 'contrast normalisation',
}


class LayerCost(NamedTuple):
    """One operation of the network, in the order of execution."""

    name: str                       # of the module it runs in, as in the state dict
    kind: str
    output: Tuple[int, ...]         # (channels, height, width)
    parameters: int
    macs: int
    flops: int


class NetworkCost(NamedTuple):
    """All operations of a network at one input size."""

    layers: Tuple[LayerCost, ...]
    parameters: int
    input_size: Tuple[int, int]     # (height, width)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one frame."""
        return sum(layer.macs for layer in self.layers)

    @property
    def flops(self) -> int:
        """Floating point operations for one frame by the convention of Table 3."""
        return sum(layer.flops for layer in self.layers)

    def model_bytes(self, element_size: int = 2) -> int:
        """Bytes of the learned parameters; fp16 (two bytes each) by default."""
        return self.parameters * element_size


def measure(network: nn.Module, input_size: Tuple[int, int],
            ceil_mode: Optional[bool] = None) -> NetworkCost:
    """Count what one frame of (height, width) costs; `network` itself is left as it is.

    `ceil_mode` overrides how pools round odd sizes: the paper's figure for SegNet rounds down,
    though the network itself rounds up.
    """
    network = copy.deepcopy(network).eval().to('meta')
    for module in network.modules():
        if ceil_mode is not None and isinstance(module, nn.MaxPool2d):
            module.ceil_mode = ceil_mode
    ledger = _Ledger()
    handles = []
    for name, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(ledger.entering(name)))
        handles.append(module.register_forward_hook(ledger.leaving))
    with torch.no_grad(), ledger:
        network(torch.empty((1, 3) + tuple(input_size), device='meta'))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return NetworkCost(tuple(ledger.layers), parameters, (input_size[0], input_size[1]))


class _Ledger(TorchDispatchMode):
    """Writes down every operation that passes PyTorch's dispatcher, with the module it came from."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: List[LayerCost] = []
        self._path: List[str] = []

    def entering(self, name: str) -> Any:
        """Return a forward pre-hook that notes that module `name` is running."""
        return lambda module, inputs: self._path.append(name)

    def leaving(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """Forward hook: the module has run."""
        self._path.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation on the meta device and add its cost."""
        result = func(*args, **(kwargs or {}))
        kind = _KINDS.get(func.overloadpacket.__name__)
        if kind is not None:
            self.layers.append(self._cost(kind, args, result))
        return result

    def _cost(self, kind: str, args: Any, result: Any) -> LayerCost:
        output = result[0] if isinstance(result, tuple) else result
        weights: List[Tensor] = []
        macs, flops = 0, 0
        if kind == 'convolution':
            weights = [weight for weight in args[1:3] if weight is not None]
            if args[6]:
                kind = 'transposed convolution'
            positions = args[0] if args[6] else output
            macs = weights[0].numel() * positions.shape[-2] * positions.shape[-1]
            flops = 2 * macs + (output.numel() if len(weights) == 2 else 0)
        elif kind == 'batch norm':
            weights = list(args[1:3])
            self._give_bias(output.numel())
        elif kind == 'activation':
            weights = [weight for weight in args[1:2]]
            flops = output.numel()
        return LayerCost(
            self._path[-1], kind, tuple(output.shape[1:]), sum(w.numel() for w in weights), macs, flops)

    def _give_bias(self, elements: int) -> None:
        """Count the bias that folding a batch norm leaves in the convolution before it."""
        last = self.layers[-1]
        if last.macs and last.flops == 2 * last.macs:
            self.layers[-1] = last._replace(flops=last.flops + elements)
