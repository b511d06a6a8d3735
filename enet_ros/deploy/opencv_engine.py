"""OpenCV's dnn module on the CPU: slow, and there wherever the package is; no torch, no other library."""

from pathlib import Path
from typing import Any, Optional, Tuple

import cv2
import numpy as np

from ..weights import Checkpoint
from . import blocks
from . import onnx_layers as layers
from .arrays import Arrays
from .engine import Engine, EngineError
from .onnx_graph import Graph, Maps


def available() -> Optional[str]:
    """Return None where OpenCV has its dnn module, else why not."""
    return None if hasattr(cv2, 'dnn') else 'this OpenCV was built without dnn'


def onnx_file(checkpoint: Checkpoint, input_size: Tuple[int, int]) -> bytes:
    """Write ENet's inference form as ONNX: float RGB (1, 3, H, W) of 0..255 -> logits (1, C, H, W).

    WeightsError names the array that is missing, unknown or of another shape.
    """
    image = Graph().input('image', (1, 3) + tuple(input_size))
    return image.graph.file(image, onnx_logits(image, checkpoint))


def onnx_logits(image: Maps, checkpoint: Checkpoint) -> Maps:
    """Append ENet to a graph: float RGB (1, 3, H, W) of 0..255 -> logits (1, C, H, W)."""
    arrays = Arrays(checkpoint)
    with arrays.fitted():
        x, winner1 = blocks.trunk(layers, image, arrays)
        last = arrays.convolution('decoder.last')
        arrays.check_classes(last.weight.shape[1], len(checkpoint.classes))
        return layers.doubling_convolution(blocks.rest(layers, x, arrays, winner1), *last)


def open(checkpoint: Checkpoint, input_size: Tuple[int, int], precision: Optional[str] = None,
         cache: Optional[Path] = None, threads: Optional[int] = None) -> 'OpenCvEngine':
    """Build the checkpoint's network for one size; nothing of it is kept in `cache`.

    `threads` is how many cores all of OpenCV may use in this process. EngineError for another network
    than ENet and for another precision than fp32.
    """
    if checkpoint.network != 'enet':
        raise EngineError(f'it runs ENet, not {checkpoint.network}')
    if precision not in (None, 'fp32'):
        raise EngineError(f'it runs fp32, not {precision}')
    if threads is not None:
        cv2.setNumThreads(threads)
    return OpenCvEngine(checkpoint, input_size)


class OpenCvEngine(Engine):
    """The network run by OpenCV, from an ONNX file in memory."""

    name = 'opencv'
    precision = 'fp32'

    def __init__(self, checkpoint: Checkpoint, input_size: Tuple[int, int]) -> None:
        """See `open`."""
        self.input_size = input_size
        model = np.frombuffer(onnx_file(checkpoint, input_size), np.uint8)
        self._net: Any = cv2.dnn.readNetFromONNX(model)
        self.labels(np.zeros(input_size + (3,), np.uint8))      # the first run allocates

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 labels."""
        best: np.ndarray = self.logits(frame).argmax(0).astype(np.uint8)
        return best

    def logits(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (C, H, W) float32 logits."""
        self.check(frame)
        if self._net is None:
            raise RuntimeError('the engine was closed')
        self._net.setInput(cv2.dnn.blobFromImage(frame))
        logits: np.ndarray = self._net.forward()[0]
        return logits

    def close(self) -> None:
        """Release the network."""
        self._net = None
