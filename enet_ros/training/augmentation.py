"""Crops, geometry and colour for training frames; numpy and OpenCV, drawn from a given generator."""

from typing import NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..classes import IGNORE
from .recipe import Augmentation

_GREY = np.array([0.299, 0.587, 0.114], np.float32)     # ITU-R BT.601 luma


class Frame(NamedTuple):
    """A training frame at input size, where its rare classes are, and a teacher's answer."""

    image: np.ndarray       # (H, W, 3) uint8 RGB
    label: np.ndarray       # (H, W) uint8
    rare: np.ndarray        # (N, 2) int16 x, y: as many pixels of each rare class that is there
    soft: Optional[np.ndarray] = None       # (H/2, W/2, C) uint8 probabilities of a teacher, of 255


class Crop(NamedTuple):
    """What `augment` cuts out of a frame."""

    image: np.ndarray       # (h, w, 3) uint8 RGB
    label: np.ndarray       # (h, w) uint8
    soft: Optional[np.ndarray] = None       # (h/2, w/2, C) uint8


def rare_pixels(label: np.ndarray, classes: Sequence[int], per_class: int = 64) -> np.ndarray:
    """Return up to `per_class` evenly spaced pixels (x, y) of each class, repeated to equal numbers."""
    found = []
    for index in classes:
        y, x = np.nonzero(label == index)
        if len(x):
            picked = np.linspace(0, len(x) - 1, per_class).astype(int)
            found.append(np.stack([x[picked], y[picked]], 1))
    return np.concatenate(found).astype(np.int16) if found else np.zeros((0, 2), np.int16)


def augment(frame: Frame, size: Tuple[int, int], options: Augmentation, rng: np.random.Generator,
            donor: Optional[Frame] = None, pasted: Sequence[int] = ()) -> Crop:
    """Return a crop of `size` (height, width).

    With a `donor`, the pixels of its classes `pasted` replace this frame's before anything else, at the
    same place or moved, as the options say. Outside the frame the image is mirrored, the label is IGNORE
    and the teacher's answer all zero.
    """
    if donor is not None:
        frame = _paste(frame, _moved(donor, options, rng), pasted)
    return _colour(_warp(frame, _placement(frame, size, options, rng), size), options, rng)


def _warp(frame: Frame, matrix: np.ndarray, size: Tuple[int, int]) -> Crop:
    """Apply an affine map (2, 3) from frame to crop."""
    height, width = size
    image = cv2.warpAffine(frame.image, matrix, (width, height), flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REFLECT_101)
    label = cv2.warpAffine(frame.label, matrix, (width, height), flags=cv2.INTER_NEAREST,
                           borderMode=cv2.BORDER_CONSTANT, borderValue=IGNORE)
    soft = None
    if frame.soft is not None:
        # The same map between pixels twice as large: pixel x there has its middle at 2 x + 0.5 here.
        half = matrix.copy()
        half[:, 2] = (matrix[:, 2] + 0.5 * (matrix[:, 0] + matrix[:, 1]) - 0.5) / 2
        soft = cv2.warpAffine(frame.soft, half, (width // 2, height // 2), flags=cv2.INTER_LINEAR,
                              borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return Crop(image, label, soft)


def _moved(donor: Frame, options: Augmentation, rng: np.random.Generator) -> Frame:
    """Scale a donor about the horizon, shift and flip it, so that its objects stay on the ground."""
    if not options.paste_shift and options.paste_scale == (1.0, 1.0):
        return donor
    height, width = donor.label.shape
    scale = np.exp(rng.uniform(*np.log(options.paste_scale)))
    turned = -1 if rng.uniform() < options.flip else 1
    centre, horizon = (width - 1) / 2, 0.4 * height
    shift = rng.uniform(-1, 1) * options.paste_shift * width
    matrix = np.array([[turned * scale, 0, centre + shift - turned * scale * centre],
                       [0, scale, horizon - scale * horizon]])
    return donor._replace(**_warp(donor, matrix, (height, width))._asdict())


def _paste(frame: Frame, donor: Frame, classes: Sequence[int]) -> Frame:
    taken = np.isin(donor.label, np.asarray(classes, np.uint8))
    image = np.where(taken[..., None], donor.image, frame.image)
    label = np.where(taken, donor.label, frame.label)
    soft = frame.soft
    if soft is not None and donor.soft is not None:
        soft = np.where(taken[::2, ::2, None], donor.soft, soft)
    return Frame(image, label, rare_pixels(label, classes) if len(frame.rare) else frame.rare, soft)


def _placement(frame: Frame, size: Tuple[int, int], options: Augmentation,
               rng: np.random.Generator) -> np.ndarray:
    """Draw the affine map (2, 3) from frame to crop: scale, place, flip."""
    height, width = size
    scale = np.exp(rng.uniform(np.log(options.scale[0]), np.log(options.scale[1])))
    stretch = (1 + options.stretch) ** rng.uniform(-1, 1)
    scale_x, scale_y = scale * stretch, scale
    frame_height, frame_width = frame.label.shape
    window_w, window_h = width / scale_x, height / scale_y
    where = rng.uniform(0, 1, 2)
    left = _start(frame_width, window_w, where[0])
    top = _start(frame_height, window_h, where[1])
    if rng.uniform() < options.rare and len(frame.rare):
        x, y = frame.rare[rng.integers(len(frame.rare))]
        left = _around(float(x), frame_width, window_w, where[0])
        top = _around(float(y), frame_height, window_h, where[1])
    matrix = np.array([[scale_x, 0, -left * scale_x + 0.5 * (scale_x - 1)],
                       [0, scale_y, -top * scale_y + 0.5 * (scale_y - 1)]])
    if rng.uniform() < options.flip:
        matrix[0] = -matrix[0]
        matrix[0, 2] += width - 1
    return matrix


def _start(length: float, window: float, share: float) -> float:
    """First pixel of a window inside `length`, or of one that holds all of it."""
    return (length - window) * share


def _around(pixel: float, length: float, window: float, share: float) -> float:
    """First pixel of a window that holds `pixel`, kept inside the frame where it fits."""
    start = pixel - window * (0.1 + 0.8 * share)
    low, high = min(0.0, length - window), max(0.0, length - window)
    return min(max(start, low), high)


def _colour(crop: Crop, options: Augmentation, rng: np.random.Generator) -> Crop:
    """Draw and apply the colour changes: one affine map of the colours, one table, blur, noise."""
    saturation, contrast, brightness = (
        1 + bound * rng.uniform(-1, 1)
        for bound in (options.saturation, options.contrast, options.brightness))
    channels = 1 + options.channels * rng.uniform(-1, 1, 3).astype(np.float32)
    exponent = (1 + options.gamma) ** rng.uniform(-1, 1)
    blurred, noise = rng.uniform() < options.blur, options.noise * rng.uniform()
    mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * _GREY
    image = crop.image
    mean = float(image.mean())
    matrix = (brightness * contrast * channels[:, None] * mix).astype(np.float32)
    offset = (brightness * (1 - contrast) * mean * channels).astype(np.float32)
    if not (np.allclose(matrix, np.eye(3)) and np.allclose(offset, 0)):
        image = cv2.transform(image, np.concatenate([matrix, offset[:, None]], 1))
    if exponent != 1:
        image = cv2.LUT(image, (255 * (np.arange(256) / 255.0) ** exponent + 0.5).astype(np.uint8))
    if blurred:
        image = cv2.GaussianBlur(image, (3, 3), 0)
    if noise:
        grain = rng.normal(0, noise, image.shape).astype(np.float32)
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    return crop._replace(image=image)
