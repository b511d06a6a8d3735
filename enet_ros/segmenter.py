"""Camera image in, label image out: the library's face, without ROS and without torch."""

from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np

from . import picture_files
from . import weights as weights_file
from .classes import IGNORE, ClassTable
from .datasets.files import image as read_image
from .deploy.confidence import Calibration, labels_and_confidence
from .deploy.engine import Engine
from .deploy.factory import open_engine
from .errors import InputError
from .geometry import RESIZE_MODES, Fit, fit
from .overlay import Overlay
from .sources import Source, ahead, open_source
from .timing import monotonic_ns

UPSAMPLING = ('labels', 'logits')


class StageTimes(NamedTuple):
    """CLOCK_MONOTONIC nanoseconds at the start and at the end of each stage."""

    started: int
    preprocessed: int
    inferred: int
    postprocessed: int


class Prediction(NamedTuple):
    """One frame of `Segmenter.stream`: (H, W, 3) uint8 `image` in `order`, (H, W) uint8 `labels`.

    `name` is the file's, '' where there is none.
    """

    name: str
    stamp_ns: int
    image: np.ndarray
    order: str
    labels: np.ndarray
    times: StageTimes


class Segmenter:
    """Resizes, normalises, runs the engine and brings the labels back to the camera's size.

    `classes` is the table of the labels given out: the network's, or the user's groups. A segmenter
    belongs to one thread, as its engine does.
    """

    def __init__(self, engine: Engine, classes: ClassTable, resize: str = 'stretch', upsample: str = 'labels',
                 output_classes: Optional[ClassTable] = None, ego_mask: Optional[np.ndarray] = None,
                 checkpoint: Optional[weights_file.Checkpoint] = None) -> None:
        """Wrap an open engine; see `open` for the options. InputError for an unknown one."""
        for name, value, known in (('resize', resize, RESIZE_MODES), ('upsample', upsample, UPSAMPLING)):
            if value not in known:
                raise InputError(f"{name} is '{value}'; it is one of {', '.join(known)}")
        self.engine = engine
        self.checkpoint = checkpoint
        self.network_classes = classes
        self.resize = resize
        self.upsample = upsample
        self.classes = output_classes or classes
        self._groups = None if output_classes is None else _group_table(output_classes, classes)
        self._ego_mask = ego_mask
        self._ego_at_size = ego_mask
        self._fit: Optional[Fit] = None
        self._frame = np.zeros(engine.input_size + (3,), np.uint8)

    @classmethod
    def open(cls, weights: Union[str, Path, weights_file.Checkpoint] = 'camvid', engine: str = 'auto',
             input_size: Optional[Tuple[int, int]] = None, precision: Optional[str] = None,
             resize: str = 'stretch', upsample: str = 'labels',
             output_classes: Union[None, str, Path, ClassTable] = None,
             ego_mask: Union[None, str, Path, np.ndarray] = None, confidence: bool = False,
             **engine_options: Any) -> 'Segmenter':
        """Load weights and start an engine.

        `weights` is a shipped name or a path; `input_size` the network's (height, width), multiples
        of 8, the training's where None; `resize` how an image of another shape meets it: 'stretch',
        'crop' (what is outside stays unlabelled) or 'letterbox'. `upsample` 'logits' interpolates
        bilinearly before the argmax, as the literature scores; 'labels' is what a robot can afford.
        `output_classes` groups classes by a class file that maps them; pixels where `ego_mask` (a
        PNG, or (H, W) uint8) is not zero become 255. `confidence` prepares the method of that name.
        `engine_options` go to `deploy.open_engine`.
        Raises InputError in one line for whatever is wrong with any of them.
        """
        checkpoint = weights if isinstance(weights, weights_file.Checkpoint) else weights_file.load(weights)
        if output_classes is not None and not isinstance(output_classes, ClassTable):
            output_classes = ClassTable.load(output_classes)
        if ego_mask is not None and not isinstance(ego_mask, np.ndarray):
            ego_mask = read_mask(ego_mask)
        groups = None
        if output_classes is not None:      # refused before an engine is built
            table = _group_table(output_classes, checkpoint.classes)
            groups = tuple(table[:len(checkpoint.classes)].tolist())
        if confidence:
            engine_options['calibration'] = Calibration(checkpoint.temperature, groups)
        opened = open_engine(checkpoint, engine, precision, input_size, **engine_options)
        return cls(opened, checkpoint.classes, resize, upsample, output_classes, ego_mask, checkpoint)

    def __call__(self, image: Union[str, Path, np.ndarray]) -> np.ndarray:
        """(H, W, 3) uint8 RGB of any size, or the file of an image -> (H, W) uint8 labels, 255 where unknown.

        InputError where there is no such file or it is no image.
        """
        return self.timed(_pixels(image))[0]

    def overlay(self, image: Union[str, Path, np.ndarray], alpha: float = 0.5) -> np.ndarray:
        """Do as `__call__`, and return the classes' colours blended over the image, (H, W, 3) uint8 RGB."""
        image = _pixels(image)
        return Overlay(self.classes.palette(), alpha)(image, self(image))

    def stream(self, source: Union[str, Path, int, Source]) -> Iterator[Prediction]:
        """Segment every frame of a source, none left out; frames are decoded while the network runs.

        `source` is what `sources.open_source` takes: an image, a folder, a pattern, a video, a bag or a
        camera's number. InputError where it is none of them, before the first frame.
        """
        opened = source if isinstance(source, Source) else open_source(str(source), truth_topic=None)
        return self._stream(opened)

    def _stream(self, source: Source) -> Iterator[Prediction]:
        for frame in ahead(source.frames()):
            try:
                image, order = frame.pixels()
            except InputError as error:     # one message of a bag
                source.problems[str(error)] = source.problems.get(str(error), 0) + 1
                continue
            labels, times = self.timed(image, order)
            yield Prediction(frame.name, frame.stamp_ns, image, order, labels, times)

    def timed(self, image: np.ndarray, order: str = 'rgb') -> Tuple[np.ndarray, StageTimes]:
        """Do as `__call__` for an image in `order`, 'rgb' or 'bgr', and return the stages' times too.

        A 'bgr' image is reordered at the network's size, never copied at its own. ValueError for what
        is no (H, W, 3) uint8 image.
        """
        labels, _, times = self._work(image, order, False)
        return labels, times

    def confidence(self, image: np.ndarray, order: str = 'rgb') -> Tuple[np.ndarray, np.ndarray, StageTimes]:
        """Do as `timed`, and return each label's calibrated probability between the labels and the times.

        It is (H, W) uint8, 255 for 1.0, and 0 where the label is unknown. A group of `output_classes` has
        the sum of its classes' probabilities. ValueError where the segmenter was not opened for it.
        """
        return self._work(image, order, True)

    def _work(self, image: np.ndarray, order: str,
              confident: bool) -> Tuple[np.ndarray, Any, StageTimes]:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f'an image is (H, W, 3) uint8, not {image.dtype} of shape {image.shape}')
        started = monotonic_ns()
        height, width = image.shape[:2]
        if self._fit is None or self._fit.image_size != (height, width):
            self._fit = fit((height, width), self.engine.input_size, self.resize)
            self._frame[:] = 0
        frame = self._fit.to_network(image, self._frame)
        if order == 'bgr':
            frame = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=self._frame)
        preprocessed = monotonic_ns()
        shares: Any = None
        if self.upsample == 'logits':
            answer = self.engine.logits(frame)
        elif confident:
            answer, shares = self.engine.labels_and_confidence(frame)
        else:
            answer = self.engine.labels(frame)
        inferred = monotonic_ns()
        place = self._fit.to_image
        if self.upsample == 'logits':
            place = self._fit.embed
            if confident:
                answer, shares = labels_and_confidence(
                    np.stack(list(self._fit.enlarged(answer))), self.engine.calibrated())
            else:
                answer = self._fit.argmax(answer)
        labels = place(self._grouped(answer))
        if self._ego_mask is not None:
            labels[self._mask(labels.shape) != 0] = IGNORE
        if confident:
            shares = place(shares)
            shares[labels == IGNORE] = 0
        return labels, shares, StageTimes(started, preprocessed, inferred, monotonic_ns())

    def _grouped(self, labels: np.ndarray) -> np.ndarray:
        return labels if self._groups is None else self._groups[labels]

    def _mask(self, size: Tuple[int, ...]) -> np.ndarray:
        assert self._ego_mask is not None and self._ego_at_size is not None
        if self._ego_at_size.shape != size:
            self._ego_at_size = cv2.resize(self._ego_mask, size[::-1], interpolation=cv2.INTER_NEAREST)
        return self._ego_at_size

    def close(self) -> None:
        """Release the engine; a second call does nothing."""
        self.engine.close()

    def __enter__(self) -> 'Segmenter':
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _pixels(image: Union[str, Path, np.ndarray]) -> np.ndarray:
    return read_image(Path(image)) if isinstance(image, (str, Path)) else image


def read_mask(path: Union[str, Path]) -> np.ndarray:
    """Read a mask picture as (H, W) uint8; InputError names the file where it is none."""
    try:
        return picture_files.read(path, cv2.IMREAD_GRAYSCALE)
    except InputError as error:
        raise InputError(f'ego_mask {error}') from None


def _group_table(output: ClassTable, network: ClassTable) -> np.ndarray:
    """Look-up table (256,) network label -> output label; InputError where the file maps nothing of it."""
    common = network.mapping_to(output)
    if common.classes is not output and common.classes != output:
        raise InputError(f"output classes '{output.name}' maps no class of '{network.name}'; add "
                         f'`mappings: {{{network.name}: {{Road: drivable, ...}}}}`')
    return common.source
