"""How an image of any size meets a network of one size, and how labels find the way back."""

from typing import Iterator, NamedTuple, Tuple

import cv2
import numpy as np

from .classes import IGNORE

RESIZE_MODES = ('stretch', 'crop', 'letterbox')
# Pixel centres, as area and linear interpolation have them; OpenCV before 4.5 lacks it.
_NEAREST = getattr(cv2, 'INTER_NEAREST_EXACT', cv2.INTER_NEAREST)

Size = Tuple[int, int]


class Box(NamedTuple):
    """Rows top..top+height and columns left..left+width."""

    top: int
    left: int
    height: int
    width: int

    def of(self, array: np.ndarray) -> np.ndarray:
        """Return that part of an array, as a view."""
        return array[self.top:self.top + self.height, self.left:self.left + self.width]


class Fit(NamedTuple):
    """The part `source` of the image is shown to the part `target` of the network's input."""

    image_size: Size        # (height, width)
    network_size: Size
    source: Box
    target: Box

    def to_network(self, image: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 image -> uint8 frame of the network's size, in `frame` unless nothing changes."""
        part = self.source.of(image)
        if part.shape[:2] == self.network_size:
            return np.ascontiguousarray(part)
        shrinks = self.source.height >= self.target.height and self.source.width >= self.target.width
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        place = self.target.of(frame)
        if place.shape == frame.shape:
            return cv2.resize(part, self.network_size[::-1], dst=frame, interpolation=method)
        place[:] = cv2.resize(part, (self.target.width, self.target.height), interpolation=method)
        return frame

    def to_image(self, labels: np.ndarray) -> np.ndarray:
        """Labels of the network's size -> a new (H, W) uint8 array; IGNORE where the network saw nothing."""
        part = self.target.of(labels)
        if part.shape == self.image_size:
            return part.copy()
        doubled = (self.source.height % self.target.height or self.source.width % self.target.width) == 0
        resized = cv2.resize(part, (self.source.width, self.source.height),
                             interpolation=cv2.INTER_NEAREST if doubled else _NEAREST)
        return self.embed(resized)

    def argmax(self, logits: np.ndarray) -> np.ndarray:
        """(C, h, w) float32 logits -> uint8 labels, bilinear before the argmax, of what the network saw."""
        planes = self.enlarged(logits)
        best = next(planes)
        labels = np.zeros(best.shape, np.uint8)
        for index, other in enumerate(planes, 1):
            labels[other > best] = index
            np.maximum(best, other, out=best)
        return labels

    def enlarged(self, planes: np.ndarray) -> Iterator[np.ndarray]:
        """Yield each of (C, h, w) float32 planes, bilinear, at the size of the image's part that it is of."""
        for plane in planes:
            yield cv2.resize(np.ascontiguousarray(self.target.of(plane)),
                             (self.source.width, self.source.height))

    def embed(self, labels: np.ndarray) -> np.ndarray:
        """Labels of what the network saw -> (H, W) of the whole image, IGNORE around them."""
        if labels.shape == self.image_size:
            return labels
        whole = np.full(self.image_size, IGNORE, np.uint8)
        self.source.of(whole)[:] = labels
        return whole


def fit(image_size: Size, network_size: Size, mode: str) -> Fit:
    """Plan how images of (height, width) meet a network of (height, width).

    'stretch' shows all of the image, distorted; 'crop' the largest centred part of the network's
    shape; 'letterbox' all of it between black bars.
    """
    height, width = image_size
    rows, columns = network_size
    whole_image, whole_network = Box(0, 0, height, width), Box(0, 0, rows, columns)
    if mode == 'crop':
        scale = min(height / rows, width / columns)
        part = _centred(image_size, rows * scale, columns * scale)
        return Fit(image_size, network_size, part, whole_network)
    if mode == 'letterbox':
        scale = min(rows / height, columns / width)
        part = _centred(network_size, height * scale, width * scale)
        return Fit(image_size, network_size, whole_image, part)
    return Fit(image_size, network_size, whole_image, whole_network)


def _centred(outer: Size, height: float, width: float) -> Box:
    inner = (min(max(int(round(height)), 1), outer[0]), min(max(int(round(width)), 1), outer[1]))
    return Box((outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2, inner[0], inner[1])
