"""PyTorch on an NVIDIA GPU, where there is no TensorRT: fp16, channels last, one CUDA graph.

At this size a frame costs more in kernel launches than in arithmetic; a CUDA graph launches all of
them at once. Never run where this was written: there was no GPU.
"""

import contextlib
from pathlib import Path
from typing import Any, Optional, Tuple

import numpy as np
import torch

from .. import networks
from ..weights import Checkpoint
from .engine import Engine, EngineError
from .frames import FrameBuffers
from .graph import rewrite
from .torch_layers import best_and_probability

_DTYPES = {'fp16': torch.float16, 'fp32': torch.float32, 'bf16': torch.bfloat16}
_WARM_UP = 3        # cuDNN chooses its kernels before they are captured


def available() -> Optional[str]:
    """Return None where PyTorch can use a GPU, else why not."""
    return None if torch.cuda.is_available() else 'PyTorch sees no CUDA device'


def open(checkpoint: Checkpoint, input_size: Tuple[int, int], precision: Optional[str] = None,
         cache: Optional[Path] = None, threads: Optional[int] = None) -> 'CudaEngine':
    """Rewrite the checkpoint's network and load it; `cache` and `threads` have no meaning here."""
    precision = precision or 'fp16'
    if precision == 'bf16' and not torch.cuda.is_bf16_supported():
        raise EngineError('this GPU does not compute in bf16')
    try:
        return CudaEngine(networks.from_checkpoint(checkpoint), input_size, precision)
    except RuntimeError as error:       # no memory, or a GPU that this PyTorch was not built for
        raise EngineError(f'the GPU does not run the network: {error}') from error


class CudaEngine(Engine):
    """The inference graph on a GPU, captured once and replayed for every frame."""

    name = 'torch'

    def __init__(self, network: torch.nn.Module, input_size: Tuple[int, int], precision: str = 'fp16',
                 device: str = 'cuda') -> None:
        """`network` is a published network in evaluation mode; on `device` 'cpu' nothing is captured."""
        self.precision = precision
        self.input_size = input_size
        graph = rewrite(network, head='logits').to(device, _DTYPES[precision])
        self._network: Any = graph.to(memory_format=torch.channels_last)
        self._buffers: Any = FrameBuffers(input_size, _DTYPES[precision], device, channels_last=True)
        self._stream: Any = torch.cuda.Stream() if device == 'cuda' else None
        self._logits: Any = None
        self._replay: Any = self._capture() if self._stream is not None and _has_graphs() else self._compute
        self.labels(np.zeros(input_size + (3,), np.uint8))

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 labels, overwritten by the next call."""
        self._run(frame)
        return self._buffers.labels()

    def logits(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (C, H, W) float32 logits."""
        self._run(frame)
        return self._logits[0].float().contiguous().cpu().numpy()

    def labels_and_confidence(self, frame: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 RGB -> labels and their probability times 255, (H, W) uint8 both."""
        self._run(frame)
        return best_and_probability(self._logits, self.calibrated())

    def close(self) -> None:
        """Release the captured graph, then what it points to."""
        self._replay = self._network = self._buffers = self._logits = None

    def _run(self, frame: np.ndarray) -> None:
        self.check(frame)
        if self._network is None:
            raise RuntimeError('the engine was closed')
        with contextlib.ExitStack() if self._stream is None else torch.cuda.stream(self._stream):
            self._buffers.upload(frame)
            self._replay()
            self._buffers.fetch()
            if self._stream is not None:
                self._stream.synchronize()

    def _compute(self) -> None:
        """Queue all that happens between the two transfers."""
        with torch.no_grad():
            self._buffers.scale()
            self._logits = self._network(self._buffers.image)
            self._buffers.reduce(self._logits)

    def _capture(self) -> Any:
        """Record `_compute` on the engine's own stream, after cuDNN's choices; return what replays it."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                self._compute()
            self._stream.synchronize()
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured, stream=self._stream):
            self._compute()
        return captured.replay


def _has_graphs() -> bool:
    """Whether this PyTorch can capture CUDA graphs: not with a TX1's CUDA 10.2."""
    return hasattr(torch.cuda, 'CUDAGraph') and int((torch.version.cuda or '0').split('.')[0]) >= 11
