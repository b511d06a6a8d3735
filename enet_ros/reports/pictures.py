"""Pictures inside the HTML file: data URIs of the examples' frames."""

import base64
from typing import Any, Dict

import numpy as np

from ..classes import ClassTable
from ..evaluation.examples import Example
from ..images import encode_jpeg, encode_png
from ..overlay import colourise

# Error map: right is grey, wrong is the colour of what was missed, ignored truth is white.
RIGHT, IGNORED = (70, 74, 80), (255, 255, 255)


def error_map(prediction: np.ndarray, truth: np.ndarray, classes: ClassTable) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the missed classes' own colours on grey."""
    picture = colourise(truth, classes.palette())
    picture[prediction == truth] = RIGHT
    picture[truth >= len(classes)] = IGNORED
    return picture


def pictures(example: Example, classes: ClassTable) -> Dict[str, Any]:
    """Return one frame's name, scores and pictures as data URIs: image, truth, prediction, errors."""
    palette = classes.palette()
    return {
        'frame': example.frame,
        'image': None if example.image is None else data_uri(encode_jpeg(example.image, quality=85), 'jpeg'),
        'truth': _png(colourise(example.truth, palette)),
        'prediction': _png(colourise(example.prediction, palette)),
        'errors': _png(error_map(example.prediction, example.truth, classes))}


def data_uri(data: np.ndarray, kind: str) -> str:
    """Return a picture file's bytes as a data URI; `kind` is jpeg or png."""
    return 'data:image/{};base64,{}'.format(kind, base64.b64encode(data.tobytes()).decode('ascii'))


def _png(picture: np.ndarray) -> str:
    return data_uri(encode_png(np.ascontiguousarray(picture[..., ::-1])), 'png')
