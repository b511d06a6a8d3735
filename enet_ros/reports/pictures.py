"""Pictures inside the HTML file: data URIs of the gallery's frames."""

import base64
from typing import Any, Dict, Optional

import numpy as np

from ..classes import ClassTable
from ..images import encode_jpeg, encode_png
from ..metrics.gallery import Exhibit
from ..overlay import colourise

# Error map: right is grey, wrong is the colour of what was missed, ignored truth is white.
RIGHT, IGNORED = (70, 74, 80), (255, 255, 255)


def error_map(prediction: np.ndarray, truth: np.ndarray, classes: ClassTable) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the missed classes' own colours on grey."""
    picture = colourise(truth, classes.palette())
    picture[prediction == truth] = RIGHT
    picture[truth >= len(classes)] = IGNORED
    return picture


def pictures(exhibit: Exhibit, classes: ClassTable) -> Dict[str, Any]:
    """Return one frame's name, scores and pictures as data URIs: image, truth, prediction, errors."""
    palette = classes.palette()
    return {
        'frame': exhibit.frame,
        'image': None if exhibit.image is None else data_uri(encode_jpeg(exhibit.image, quality=85), 'jpeg'),
        'truth': _png(colourise(exhibit.truth, palette)),
        'prediction': _png(colourise(exhibit.prediction, palette)),
        'errors': _png(error_map(exhibit.prediction, exhibit.truth, classes))}


def data_uri(data: np.ndarray, kind: str) -> str:
    """Return a picture file's bytes as a data URI; `kind` is jpeg or png."""
    return 'data:image/{};base64,{}'.format(kind, base64.b64encode(data.tobytes()).decode('ascii'))


def _png(picture: Optional[np.ndarray]) -> Any:
    return data_uri(encode_png(np.ascontiguousarray(picture[..., ::-1])), 'png')
