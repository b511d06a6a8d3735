"""OpenVINO on the CPU: the fast engine of a machine without CUDA. Needs no torch."""

import hashlib
import io
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import cv2
import numpy as np

from ..errors import InputError
from ..weights import Checkpoint
from .cache import EngineCache
from .confidence import Calibration
from .engine import Engine, EngineError

_TYPES = {'fp32': 'f32', 'bf16': 'bf16'}


def available() -> Optional[str]:
    """Return None where OpenVINO finds its CPU plugin, else why not; ImportError where it is missing."""
    import openvino
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
        self._options = self._configuration(threads)
        self._cache = None if cache is None else EngineCache(cache)
        height, width = input_size
        # Even and odd columns of one row, side by side: what cv2.merge writes.
        self._pairs = np.empty((2, height // 2, 2, width // 2, 2), np.uint8)    # labels, then confidence
        self._logits: Any = None
        self._confidence: Any = None
        self._labels: Any = self._compile('labels')
        self.labels(np.zeros(input_size + (3,), np.uint8))      # the first run allocates

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 labels."""
        return self._whole(self._infer(self._labels, frame), self._pairs[0])

    def calibrate(self, calibration: Calibration) -> None:
        """Compile a second model, and run it once."""
        self.calibration = calibration
        self._confidence = self._compile('confidence')
        super().calibrate(calibration)

    def labels_and_confidence(self, frame: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 RGB -> labels and their probability times 255, (H, W) uint8 both."""
        self.calibrated()
        answer = self._infer(self._confidence, frame)
        half = len(answer) // 2
        return self._whole(answer[:half], self._pairs[0]), self._whole(answer[half:], self._pairs[1])

    def _whole(self, answer: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        if answer.shape[0] == 1:
            return answer[0, 0]
        for row in (0, 1):
            pairs[:, row] = cv2.merge((answer[row, 0], answer[row, 1]))
        return pairs.reshape(self.input_size)

    def logits(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (C, H, W) float32 logits, by a second model compiled when first asked."""
        if self._logits is None and self._labels is not None:
            self._logits = self._compile('logits')
        return self._infer(self._logits, frame)[0]

    def close(self) -> None:
        """Release the compiled models."""
        self._labels = self._logits = self._confidence = None

    def _infer(self, request: Any, frame: np.ndarray) -> np.ndarray:
        self.check(frame)
        if request is None:
            raise RuntimeError('the engine was closed')
        request.infer([np.ascontiguousarray(frame)[np.newaxis]], share_inputs=True)
        answer: np.ndarray = request.get_output_tensor(0).data
        return answer

    def _configuration(self, threads: Optional[int]) -> Dict[str, Any]:
        if self.precision not in _TYPES:
            raise EngineError(f'OpenVINO on the CPU runs fp32 or bf16, not {self.precision}')
        capable = self._core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        if self.precision == 'bf16' and 'BF16' not in capable:
            raise EngineError('this CPU does not compute in bf16; use precision fp32')
        # Pinned, all processes begin at the same core: two engines would share one and leave one idle.
        options: Dict[str, Any] = {'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': 1,
                                   'ENABLE_CPU_PINNING': False,
                                   'INFERENCE_PRECISION_HINT': _TYPES[self.precision]}
        if threads is not None:
            options['INFERENCE_NUM_THREADS'] = threads
        return options

    def _compile(self, head: str) -> Any:
        """Return an inference request, of a model compiled now or kept from before.

        OpenVINO's own cache checks nothing: a damaged file of it gives wrong labels.
        """
        key = self._key(head)
        kept = None if self._cache is None else self._cache.load(key)
        if kept is not None:
            try:
                return self._core.import_model(io.BytesIO(kept), 'CPU', self._options).create_infer_request()
            except RuntimeError:    # whole, and yet refused: compiled anew
                pass
        from .openvino_network import build
        model = build(self._checkpoint, self.input_size, head, self.calibration or Calibration())
        compiled = self._core.compile_model(model, 'CPU', self._options)
        if self._cache is not None:
            try:
                self._cache.store(key, compiled.export_model().getvalue(), {})
            except InputError as error:
                raise EngineError(str(error)) from None
        return compiled.create_infer_request()

    def _key(self, head: str) -> Dict[str, Any]:
        """Return everything that a compiled model depends on, as JSON types."""
        import openvino
        calibration = str(self.calibrated()) if head == 'confidence' else ''
        return {'network': self._checkpoint.network, 'calibration': calibration,
                'weights': self._checkpoint.sha256, 'head': head,
                'size': '{}x{}'.format(*self.input_size), 'precision': self.precision,
                'threads': self._options.get('INFERENCE_NUM_THREADS', 0), 'source': _source(),
                'openvino': openvino.__version__,
                'cpu': self._core.get_property('CPU', 'FULL_DEVICE_NAME')}


def _source() -> str:
    """Return a hash of the code that builds the model, so that changed code never meets an old model."""
    here = Path(__file__).parent
    files = sorted(here.glob('openvino_*.py')) + [here / 'blocks.py', here / 'arrays.py']
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()
