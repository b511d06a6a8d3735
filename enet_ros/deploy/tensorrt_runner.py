"""Running TensorRT plans that take and give bytes, as TensorRT can from 8.5 on. Needs no torch."""

import importlib
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np

from .cuda_memory import CudaMemory
from .engine import Engine, EngineError

# TensorRT's own `nptype` fails beside a numpy that is newer than it.
_TYPES = {'UINT8': np.uint8, 'HALF': np.float16, 'FLOAT': np.float32}


class Loaded(NamedTuple):
    """A plan that TensorRT has loaded, and what must live as long as it."""

    logger: Any
    runtime: Any
    engine: Any
    context: Any


def load(plan: bytes) -> Loaded:
    """Load a plan; EngineError where this TensorRT or this GPU cannot run it."""
    import tensorrt as trt
    logger = trt.Logger(trt.Logger.ERROR)
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineError('TensorRT cannot load the engine')
    context = engine.create_execution_context()
    if context is None:
        raise EngineError('TensorRT has no memory for an execution context')
    return Loaded(logger, runtime, engine, context)


class Plan:
    """One plan: a frame's bytes in, the answer of its head out. One context, one stream, one thread."""

    def __init__(self, plan: bytes, input_size: Tuple[int, int], device: str = 'cuda') -> None:
        """Load a plan that takes (1, H, W, 3) uint8, and run it once; EngineError where that cannot be.

        `device` is 'cpu' only for a stand-in of TensorRT that computes there.
        """
        self._loaded: Any = load(plan)
        engine, context = self._loaded.engine, self._loaded.context
        shape = tuple(engine.get_tensor_shape('output'))
        if tuple(engine.get_tensor_shape('image')) != (1,) + tuple(input_size) + (3,):
            raise EngineError('the cached engine is for another size')
        # A stand-in that computes on the CPU brings its own memory.
        self._memory: Any = CudaMemory() if device == 'cuda' else importlib.import_module('tensorrt').Memory()
        pairs: List[Tuple[Any, int]] = [self._memory.pair(*made) for made in (
            ((1,) + tuple(input_size) + (3,), np.uint8),
            (shape, _TYPES[engine.get_tensor_dtype('output').name]))]
        (self._frame, self._image), (self._fetched, self._output) = pairs
        self._answer = np.empty(shape[1:], self._fetched.dtype)
        context.set_tensor_address('image', self._image)
        context.set_tensor_address('output', self._output)
        try:
            self.run(np.zeros(tuple(input_size) + (3,), np.uint8))      # the first run allocates
        except (EngineError, RuntimeError):
            self.close()
            raise

    def run(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> labels (H, W) or logits (C, H, W), overwritten by the next call.

        They lie in ordinary memory: the processor of some boards reads pinned memory uncached.
        """
        self._frame[0] = frame
        self._memory.upload(self._image, self._frame)
        if not self._loaded.context.execute_async_v3(self._memory.stream):
            raise RuntimeError('TensorRT could not run the network')
        self._memory.fetch(self._fetched, self._output)
        np.copyto(self._answer, self._fetched[0])
        return self._answer

    def close(self) -> None:
        """Release the context, the engine and then the memory they used."""
        self._loaded = None
        del self._frame, self._fetched
        self._memory.close()


class TensorRTEngine(Engine):
    """Labels by one plan, with the argmax inside; logits by another, opened when first asked for."""

    name = 'tensorrt'

    def __init__(self, open_plan: Callable[[str], Plan], input_size: Tuple[int, int], precision: str,
                 head: str = 'labels') -> None:
        """`open_plan` opens the plan of a head, 'labels' or 'logits'; that of `head` is opened at once."""
        self.precision, self.input_size = precision, input_size
        self._open_plan: Any = open_plan
        self._plans: Dict[str, Plan] = {head: open_plan(head)}

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 labels, overwritten by the next call."""
        return self._run('labels', frame)

    def logits(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (C, H, W) float32 logits."""
        return self._run('logits', frame).astype(np.float32)

    def close(self) -> None:
        """Release the plans."""
        self._open_plan = None
        while self._plans:
            self._plans.popitem()[1].close()

    def _run(self, head: str, frame: np.ndarray) -> np.ndarray:
        self.check(frame)
        if self._open_plan is None:
            raise RuntimeError('the engine was closed')
        if head not in self._plans:
            self._plans[head] = self._open_plan(head)
        return self._plans[head].run(frame)
