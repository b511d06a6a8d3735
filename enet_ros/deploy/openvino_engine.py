"""OpenVINO on the CPU: the fast engine of a machine without CUDA. Needs no torch."""

from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import cv2
import numpy as np

from ..weights import Checkpoint
from .engine import Engine, EngineError

_TYPES = {'fp32': 'f32', 'bf16': 'bf16'}


def available() -> Optional[str]:
    """Return None where OpenVINO loads and finds its CPU plugin, else why not."""
    try:
        import openvino
    except ImportError as error:
        return f'{error} (pip install openvino)'
    return None if 'CPU' in openvino.Core().available_devices else 'OpenVINO has no plugin for this CPU'


def open(checkpoint: Checkpoint, input_size: Tuple[int, int], precision: Optional[str] = None,
         cache: Optional[Path] = None, threads: Optional[int] = None) -> 'OpenVinoEngine':
    """Build the checkpoint's network for one size and compile it for this CPU.

    `cache` is a folder that keeps what was compiled; `threads` how many cores may be used, all where
    None. EngineError for a precision that this CPU does not compute in.
    """
    return OpenVinoEngine(checkpoint, input_size, precision or 'fp32', cache, threads)


class OpenVinoEngine(Engine):
    """The network compiled by OpenVINO's CPU plugin: bytes in, bytes out, argmax inside."""

    name = 'openvino'

    def __init__(self, checkpoint: Checkpoint, input_size: Tuple[int, int], precision: str = 'fp32',
                 cache: Optional[Path] = None, threads: Optional[int] = None) -> None:
        """See `open`."""
        import openvino
        self.precision = precision
        self.input_size = input_size
        self._checkpoint = checkpoint
        self._core: Any = openvino.Core()
        self._options = self._configuration(cache, threads)
        height, width = input_size
        self._out = np.empty(input_size, np.uint8)
        # Even and odd columns of one row, side by side: what cv2.merge writes.
        self._pairs = self._out.reshape(height // 2, 2, width // 2, 2)
        self._logits: Any = None
        self._labels: Any = self._compile('labels')
        self.labels(np.zeros(input_size + (3,), np.uint8))      # the first run allocates

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 labels."""
        answer = self._infer(self._labels, frame)
        if answer.shape[0] == 1:
            return answer[0, 0]
        for row in (0, 1):
            self._pairs[:, row] = cv2.merge((answer[row, 0], answer[row, 1]))
        return self._out

    def logits(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (C, H, W) float32 logits, by a second model compiled when first asked."""
        if self._logits is None and self._labels is not None:
            self._logits = self._compile('logits')
        return self._infer(self._logits, frame)[0]

    def close(self) -> None:
        """Release the compiled models."""
        self._labels = self._logits = None

    def _infer(self, request: Any, frame: np.ndarray) -> np.ndarray:
        self.check(frame)
        if request is None:
            raise RuntimeError('the engine was closed')
        request.infer([np.ascontiguousarray(frame)[np.newaxis]], share_inputs=True)
        answer: np.ndarray = request.get_output_tensor(0).data
        return answer

    def _configuration(self, cache: Optional[Path], threads: Optional[int]) -> Dict[str, Any]:
        if self.precision not in _TYPES:
            raise EngineError(f'OpenVINO on the CPU runs fp32 or bf16, not {self.precision}')
        capable = self._core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        if self.precision == 'bf16' and 'BF16' not in capable:
            raise EngineError('this CPU does not compute in bf16; use precision fp32')
        options: Dict[str, Any] = {'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': 1,
                                   'INFERENCE_PRECISION_HINT': _TYPES[self.precision]}
        if threads is not None:
            options['INFERENCE_NUM_THREADS'] = threads
        if cache is not None:
            try:
                cache.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise EngineError(f'engine cache {cache}: {error.strerror}') from None
            options['CACHE_DIR'] = str(cache)
        return options

    def _compile(self, head: str) -> Any:
        from .openvino_network import build
        model = build(self._checkpoint, self.input_size, head)
        return self._core.compile_model(model, 'CPU', self._options).create_infer_request()
