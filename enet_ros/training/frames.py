"""Training data in memory: frames at input size, and batches of augmented crops made ahead by threads."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Deque, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..classes import IGNORE, ClassTable
from ..cli import progress
from ..datasets.sample import Dataset
from ..errors import InputError
from .augmentation import Crop, Frame, augment, rare_pixels
from .recipe import Recipe, Stage


class Frames(NamedTuple):
    """All annotated frames of a data set at one size."""

    frames: List[Frame]
    sequences: List[str]
    pixels: np.ndarray          # (C,) int64: pixels of each class
    present: np.ndarray         # (C,) int64: labelled pixels of the frames in which the class occurs

    def split(self, sequences: Iterable[str]) -> Tuple['Frames', 'Frames']:
        """Return the frames without those `sequences`, and theirs; InputError where one does not exist."""
        held = set(sequences)
        missing = held - set(self.sequences)
        if missing:
            raise InputError("sequence '{}' is not in the training data; there are: {}".format(
                sorted(missing)[0], ', '.join(sorted(set(self.sequences)))))
        parts = []
        for wanted in (False, True):
            chosen = [n for n, name in enumerate(self.sequences) if (name in held) == wanted]
            parts.append(_collect([self.frames[n] for n in chosen], [self.sequences[n] for n in chosen],
                                  len(self.pixels)))
        return parts[0], parts[1]


    def thinned(self, count: int) -> 'Frames':
        """Return at most `count` of the frames, evenly spread."""
        chosen = np.unique(np.linspace(0, len(self.frames) - 1, count).astype(int))
        return self._replace(frames=[self.frames[n] for n in chosen],
                             sequences=[self.sequences[n] for n in chosen])


class Batch(NamedTuple):
    """Crops (N, h, w, 3) uint8 RGB, labels (N, h, w) uint8 and a teacher's (N, h/2, w/2, C) uint8."""

    images: np.ndarray
    labels: np.ndarray
    soft: Optional[np.ndarray] = None


def load(dataset: Dataset, size: Tuple[int, int], rare_classes: Sequence[str] = ()) -> Frames:
    """Read every frame once, at `size` (height, width); InputError where one cannot be trained on."""
    classes: ClassTable = dataset.classes
    rare = [classes.index(name) for name in rare_classes if name in classes.names]
    frames, sequences = [], []
    for sample in progress(dataset, 'reading', len(dataset)):
        if sample.image is None or sample.label is None:
            raise InputError(f'{sample.name}: no annotation, so it cannot be trained on')
        image, label = resize(sample.image, sample.label, size)
        if ((label >= len(classes)) & (label != IGNORE)).any():
            raise InputError(f"{sample.name}: label {label[(label >= len(classes)) & (label != IGNORE)][0]} "
                             f"is no class of table '{classes.name}'")
        frames.append(Frame(image, label, rare_pixels(label, rare)))
        sequences.append(sample.sequence)
    loaded = _collect(frames, sequences, len(classes))
    if not loaded.pixels.any():
        raise InputError(f'{dataset.name}: no frame with a labelled pixel to train on')
    return loaded


def _collect(frames: List[Frame], sequences: List[str], classes: int) -> Frames:
    """Count the pixels of each class."""
    pixels, present = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for frame in frames:
        seen = np.bincount(frame.label.ravel(), minlength=256)[:classes]
        pixels += seen
        present += np.where(seen > 0, seen.sum(), 0)
    return Frames(frames, sequences, pixels, present)


def merge(parts: Sequence[Frames]) -> Frames:
    """Return the frames of all parts, one after the other."""
    return _collect([frame for part in parts for frame in part.frames],
                    [name for part in parts for name in part.sequences], len(parts[0].pixels))


def resize(image: np.ndarray, label: np.ndarray, size: Tuple[int, int]) -> Tuple[np.ndarray, np.ndarray]:
    """Return image and label at `size` (height, width), untouched where they have it."""
    height, width = size
    if image.shape[:2] != (height, width):
        smaller = image.shape[0] * image.shape[1] > height * width
        image = cv2.resize(image, (width, height),
                           interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST)
    return image, label


def order(frames: Frames, balance: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the frames of one epoch: a permutation, or with `balance` more of the short sequences.

    A frame is drawn in proportion to 1 / (frames of its sequence) ** balance.
    """
    count = len(frames.frames)
    if not balance:
        return rng.permutation(count)
    _, inverse, sizes = np.unique(frames.sequences, return_inverse=True, return_counts=True)
    weight = (1.0 / sizes[inverse]) ** balance
    # Systematic sampling: each frame as often as its weight says, to within one.
    shuffled = rng.permutation(count)
    edges = np.cumsum(weight[shuffled] / weight.sum() * count)
    picked = np.searchsorted(edges, np.arange(count) + rng.uniform(), side='right')
    return rng.permutation(shuffled[np.minimum(picked, count - 1)])


def batches(frames: Frames, recipe: Recipe, stage: Stage, rare: Sequence[int], epoch: int,
            part: int = 0, parts: int = 1, first: int = 0,
            soft: Optional[np.ndarray] = None) -> Iterator[Batch]:
    """Yield the batches of one epoch, made ahead by `recipe.workers` threads.

    Every crop depends on the seed, the epoch and its place in it alone, so that neither the threads'
    timing nor a resumed run changes anything. An incomplete last batch is filled from the epoch's
    beginning. Of every batch only part number `part` of `parts` is made; `first` is the step to begin
    with. `soft` holds a teacher's probabilities of every frame, (frames, H/2, W/2, C) uint8.
    """
    drawn = order(frames, recipe.sequence_balance, np.random.default_rng([recipe.seed, epoch]))
    steps = steps_per_epoch(len(drawn), stage.batch)
    drawn = np.resize(drawn, steps * stage.batch)

    def taught(number: int) -> Frame:
        frame = frames.frames[number]
        return frame if soft is None else frame._replace(soft=soft[number])

    def crop(place: int) -> Crop:
        rng = np.random.default_rng([recipe.seed, epoch, place])
        donor = None
        if rng.uniform() < stage.augmentation.paste:
            donor = taught(int(rng.integers(len(frames.frames))))
        return augment(taught(drawn[place]), stage.crop, stage.augmentation, rng, donor, rare)

    def batch(step: int) -> Batch:
        crops = [crop(step * stage.batch + n) for n in range(part, stage.batch, parts)]
        images, labels, answers = zip(*crops)
        return Batch(np.stack(images), np.stack(labels), None if soft is None else np.stack(answers))

    with ThreadPoolExecutor(recipe.workers) as pool:
        waiting: Deque = deque()
        for step in range(first, steps):
            waiting.append(pool.submit(batch, step))
            if len(waiting) > recipe.workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def steps_per_epoch(frames: int, batch: int) -> int:
    """Return the batches that cover every frame."""
    return -(-frames // batch)
