"""PyTorch on the CPU: the engine that runs wherever the package does, Python 3.6 included."""

from pathlib import Path
from typing import Optional, Tuple

import numpy as np
import torch

from .. import networks
from ..weights import Checkpoint
from .engine import Engine, EngineError
from .graph import rewrite
from .torch_layers import best_and_probability, suit_cpu

# Faster than no_grad, but torch 1.8 lacks it.
_without_autograd = getattr(torch, 'inference_mode', torch.no_grad)
_DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16}


def available() -> Optional[str]:
    """Return None: where torch is, its CPU is."""
    return None


def open(checkpoint: Checkpoint, input_size: Tuple[int, int], precision: Optional[str] = None,
         cache: Optional[Path] = None, threads: Optional[int] = None) -> 'TorchEngine':
    """Rewrite the checkpoint's network and load it; `threads` is torch's, for the whole process."""
    if precision == 'fp16':
        raise EngineError('torch on the CPU runs fp32 or bf16, not fp16')
    if threads is not None:
        torch.set_num_threads(threads)
    return TorchEngine(networks.from_checkpoint(checkpoint), input_size, precision or 'fp32')


class TorchEngine(Engine):
    """The inference graph, channels last, without autograd."""

    name = 'torch'

    def __init__(self, network: torch.nn.Module, input_size: Tuple[int, int],
                 precision: str = 'fp32') -> None:
        """`network` is a published network in evaluation mode; `precision` 'fp32' or 'bf16'."""
        self.precision = precision
        self.input_size = input_size
        self._dtype = _DTYPES[precision]
        graph = suit_cpu(rewrite(network, head='logits')).to(self._dtype)
        self._graph: Optional[torch.nn.Module] = graph.to(memory_format=torch.channels_last)
        self.labels(np.zeros(input_size + (3,), np.uint8))      # the first run allocates and plans

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 labels."""
        # Class scores lie side by side in memory, which makes the argmax six times faster.
        return self._run(frame).permute(0, 2, 3, 1).argmax(3)[0].to(torch.uint8).numpy()

    def logits(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (C, H, W) float32 logits."""
        return self._run(frame)[0].float().contiguous().numpy()

    def labels_and_confidence(self, frame: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 RGB -> labels and their probability times 255, (H, W) uint8 both."""
        return best_and_probability(self._run(frame), self.calibrated())

    def _run(self, frame: np.ndarray) -> torch.Tensor:
        self.check(frame)
        if self._graph is None:
            raise RuntimeError('the engine was closed')
        with _without_autograd():
            # (1, 3, H, W) over the frame's own memory is channels last already.
            image = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
            return self._graph(image.to(self._dtype) / 255)

    def close(self) -> None:
        """Release the network."""
        self._graph = None
