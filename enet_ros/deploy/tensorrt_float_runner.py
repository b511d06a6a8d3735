"""Running a TensorRT plan that takes and gives floats, as before 8.5: bytes by torch's kernels around it."""

import contextlib
from typing import Any, List, Tuple

import numpy as np
import torch

from .engine import Engine, EngineError
from .frames import FrameBuffers
from .tensorrt_runner import load
from .torch_layers import best_and_probability


class TensorRTFloatEngine(Engine):
    """A plan that takes (1, 3, H, W) and gives logits (1, C, H, W), both of the engine's precision.

    TensorRT 8.2 has no uint8, so torch kernels on the same stream scale the frame before it and take
    the argmax after it: what crosses the bus are a frame's bytes up and a label's bytes down.
    """

    name = 'tensorrt'

    def __init__(self, plan: bytes, input_size: Tuple[int, int], precision: str,
                 device: str = 'cuda') -> None:
        """Load a plan; EngineError where this TensorRT or this GPU cannot run it.

        `device` is 'cpu' only for a stand-in of TensorRT that computes there.
        """
        self.precision, self.input_size = precision, input_size
        self._loaded: Any = load(plan)
        engine = self._loaded.engine
        places = [engine.get_binding_index(name) for name in ('image', 'output')]
        self._stream = torch.cuda.Stream() if device == 'cuda' else None
        dtype = torch.float16 if precision == 'fp16' else torch.float32
        self._buffers: Any = FrameBuffers(input_size, dtype, device)
        image, output = [tuple(engine.get_binding_shape(place)) for place in places]
        if image != tuple(self._buffers.image.shape):
            raise EngineError('the cached engine is for another size')
        self._logits: Any = torch.empty(output, dtype=dtype, device=device)
        self._bindings: List[int] = [0, 0]
        for place, tensor in zip(places, (self._buffers.image, self._logits)):
            self._bindings[place] = tensor.data_ptr()
        self.labels(np.zeros(input_size + (3,), np.uint8))

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 labels, overwritten by the next call."""
        with self._on_stream():
            self._run(frame)
            self._buffers.store(self._logits)
            if self._stream is not None:
                self._stream.synchronize()
        return self._buffers.labels()

    def logits(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (C, H, W) float32 logits."""
        with self._on_stream():
            self._run(frame)
            return self._logits[0].float().cpu().numpy()

    def labels_and_confidence(self, frame: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 RGB -> labels and their probability times 255, (H, W) uint8 both."""
        with self._on_stream():
            self._run(frame)
            return best_and_probability(self._logits, self.calibrated())

    def close(self) -> None:
        """Release context, engine and buffers, in this order."""
        self._loaded = self._buffers = self._logits = None

    def _run(self, frame: np.ndarray) -> None:
        self.check(frame)
        if self._loaded is None:
            raise RuntimeError('the engine was closed')
        self._buffers.load(frame)
        stream = self._stream.cuda_stream if self._stream is not None else 0
        if not self._loaded.context.execute_async_v2(self._bindings, stream):
            raise RuntimeError('TensorRT could not run the network')

    def _on_stream(self) -> Any:
        return contextlib.ExitStack() if self._stream is None else torch.cuda.stream(self._stream)
