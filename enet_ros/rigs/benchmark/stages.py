"""The node's own cost: what a frame takes beside the engine, stage by stage, without ROS."""

from typing import Any, Callable, Dict, Tuple

import numpy as np

from ...classes import ClassTable
from ...deploy.engine import Engine
from ...images import decode_compressed, encode_jpeg, encode_png, to_array
from ...overlay import Overlay
from ...segmenter import Segmenter
from .race import Timing, race

Size = Tuple[int, int]


class FixedEngine(Engine):
    """Gives the same labels at once, so that a segmenter's own work can be timed."""

    name = 'none'
    precision = 'none'

    def __init__(self, input_size: Size, classes: int) -> None:
        self.input_size = input_size
        rng = np.random.default_rng(0)
        blocks = rng.integers(0, classes, (input_size[0] // 8, input_size[1] // 8), np.uint8)
        self._labels = blocks.repeat(8, 0).repeat(8, 1)

    def labels(self, frame: np.ndarray) -> np.ndarray:
        """Return the same (H, W) uint8 labels for every frame."""
        return self._labels


def measure(camera: Size, network: Size, rounds: int = 30, progress: Any = iter) -> Dict[str, Timing]:
    """Time each stage for frames of `camera` (height, width) and a network of `network`.

    Keys: 'decode raw', 'decode jpeg' (bytes to pixels), 'resize and labels back' (all that a
    segmenter does but inference), 'message' (labels into an array of bytes), 'overlay',
    'overlay message', 'labels png', 'overlay jpeg'.
    """
    classes = ClassTable.load('camvid')
    height, width = camera
    image = _street_like(camera)
    data, jpeg = image.tobytes(), encode_jpeg(image, 'bgr').tobytes()
    segmenter = Segmenter(FixedEngine(network, len(classes)), classes)
    labels = segmenter(image)
    overlay = Overlay(classes.palette())
    blended = overlay(image, labels, 'bgr').copy()
    runs: Dict[str, Callable[[], Any]] = {
        'decode raw': lambda: to_array(data, height, width, 'bgr8', 3 * width),
        'decode jpeg': lambda: decode_compressed(jpeg, 'jpeg'),
        'resize and labels back': lambda: segmenter.timed(image, 'bgr'),
        'message': lambda: _message(labels),
        'overlay': lambda: overlay(image, labels, 'bgr'),
        'overlay message': lambda: _message(blended),
        'labels png': lambda: encode_png(labels),
        'overlay jpeg': lambda: encode_jpeg(blended, 'bgr'),
    }
    return race(runs, rounds=rounds, budget_s=2.0, rest_s=0.0, progress=progress)


def own_cost_ms(stages: Dict[str, Timing], overlay: bool = False) -> float:
    """Return the milliseconds beside the engine for a raw image, with or without an overlay listener."""
    names = ['decode raw', 'resize and labels back', 'message']
    return sum(stages[name].median_ms for name in names + (['overlay', 'overlay message'] if overlay else []))


def _message(array: np.ndarray) -> Any:
    """Fill an image message's data as the node does."""
    import array as arrays
    data = arrays.array('B')
    data.frombytes(array.data)
    return data


def _street_like(size: Size) -> np.ndarray:
    """Return smooth shapes with some noise, (H, W, 3) uint8: what a JPEG decoder meets in a street."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size[0], :size[1]]
    smooth = 127 + 80 * np.sin(rows / 37.0) * np.cos(columns / 53.0)
    return np.clip(smooth[..., None] + rng.normal(0, 6, size + (3,)), 0, 255).astype(np.uint8)
