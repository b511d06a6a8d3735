"""Running a TensorRT plan: one context, one stream, one thread."""

import contextlib
from typing import Any, Tuple

import numpy as np
import torch

from .engine import Engine, EngineError
from .frames import FrameBuffers
from .torch_layers import best_and_probability


class TensorRTEngine(Engine):
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
        import tensorrt as trt
        self.precision, self.input_size = precision, input_size
        self._logger = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError('TensorRT cannot load the engine')
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError('TensorRT has no memory for an execution context')
        self._stream = torch.cuda.Stream() if device == 'cuda' else None
        dtype = torch.float16 if precision == 'fp16' else torch.float32
        self._buffers = FrameBuffers(input_size, dtype, device)
        self._logits = torch.empty(self._shape('output'), dtype=dtype, device=device)
        if self._shape('image') != tuple(self._buffers.image.shape):
            raise EngineError('the cached engine is for another size')
        self._bind()
        self.labels(np.zeros(input_size + (3,), np.uint8))

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 labels, overwritten by the next call."""
        with self._on_stream():
            self._run(frame)
            self._buffers.store(self._logits)
            self._wait()
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
        for name in ('_context', '_engine', '_runtime', '_buffers', '_logits'):
            self.__dict__[name] = None

    def _run(self, frame: np.ndarray) -> None:
        self.check(frame)
        if self._context is None:
            raise RuntimeError('the engine was closed')
        self._buffers.load(frame)
        stream = self._stream.cuda_stream if self._stream is not None else 0
        if self._named:
            done = self._context.execute_async_v3(stream)
        else:
            done = self._context.execute_async_v2(self._bindings, stream)
        if not done:
            raise RuntimeError('TensorRT could not run the network')

    def _bind(self) -> None:
        """Tell TensorRT the addresses of its input and output, which never change."""
        addresses = {'image': self._buffers.image.data_ptr(), 'output': self._logits.data_ptr()}
        if self._named:
            for name, address in addresses.items():
                self._context.set_tensor_address(name, address)
        else:
            self._bindings = [0] * len(addresses)
            for name, address in addresses.items():
                self._bindings[self._engine.get_binding_index(name)] = address

    @property
    def _named(self) -> bool:
        """Whether this TensorRT (from 8.5) binds by name."""
        return hasattr(self._engine, 'num_io_tensors')

    def _shape(self, name: str) -> Tuple[int, ...]:
        if self._named:
            return tuple(self._engine.get_tensor_shape(name))
        return tuple(self._engine.get_binding_shape(self._engine.get_binding_index(name)))

    def _on_stream(self) -> Any:
        return contextlib.ExitStack() if self._stream is None else torch.cuda.stream(self._stream)

    def _wait(self) -> None:
        if self._stream is not None:
            self._stream.synchronize()
