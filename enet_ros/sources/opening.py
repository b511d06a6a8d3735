"""Opens whatever a user names."""

import glob
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

import numpy as np

from ..bags.reading import SUFFIXES
from ..datasets import SyntheticStreet, open_dataset, recognise
from ..datasets.files import IMAGE_SUFFIXES
from ..datasets.files import image as read_image
from ..errors import InputError
from .bag import open_recording
from .frame import DEFAULT_RATE, EPOCH_NS, Source, SourceFrame
from .video import open_video


def open_source(name: str, split: str = '', size: Optional[Tuple[int, int]] = None, seed: int = 0,
                image_topic: str = '', truth_topic: Optional[str] = '', truth_classes: str = '') -> Source:
    """
    Open a source by what `name` is.

    'synthetic', a bag, a video file, a data-set folder, an image, a pattern such as 'drive/*.png', or the
    number of a camera ('0'). `size` (height, width) is what the synthetic street is drawn at; a bag's
    ground truth is left alone where `truth_topic` is None. InputError where it is none of them.
    """
    if name == 'synthetic':
        street = SyntheticStreet(size or (360, 480), seed, frames=10 ** 6)
        return Source('synthetic', 30.0, None, lambda: _samples(street, 30.0, street.camera_matrix),
                      street.classes, {})
    path = Path(name).expanduser()
    if not _exists(path):
        if name.isdigit():
            return open_video(int(name))
        images = sorted(Path(match) for match in glob.glob(str(path)) if _is_image(Path(match)))
        if images:
            return _stills(name, images)
        raise InputError(f"source {name}: no such file or folder; 'synthetic' needs none")
    if _is_bag(path):
        return open_recording(path, image_topic, truth_topic, truth_classes)
    if path.is_file():
        return _stills(path.name, [path]) if _is_image(path) else open_video(path)
    if not path.is_dir():
        raise InputError(f'source {name}: neither a file nor a folder')
    if recognise(path) is None:
        raise InputError('source {}: neither images ({}) nor a bag nor a data set in this folder'.format(
            name, ', '.join(IMAGE_SUFFIXES)))
    dataset = open_dataset(path, split or None)
    if not len(dataset):
        raise InputError(f'source {name}: no images in it')
    rate = _own_rate(dataset)
    return Source(dataset.name, rate, len(dataset), lambda: _samples(dataset, rate, None), dataset.classes,
                  {}, 'stills')


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:      # a name too long, a zero byte in it
        raise InputError(f'source {str(path)[:80]!r}: {error}') from None


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _is_bag(path: Path) -> bool:
    if path.is_file():
        return path.suffix in SUFFIXES or path.name == 'metadata.yaml'
    return path.is_dir() and ((path / 'metadata.yaml').is_file() or any(
        entry.suffix in SUFFIXES for entry in path.iterdir()))


def _stills(name: str, images: List[Path]) -> Source:
    def frames() -> Iterator[SourceFrame]:
        for index, path in enumerate(images):
            yield SourceFrame(EPOCH_NS + int(index * 1e9 / DEFAULT_RATE), '', read_image(path),
                              name=path.stem)
    return Source(name, DEFAULT_RATE, len(images), frames, None, {}, 'stills')


def _own_rate(dataset: Any) -> float:
    """Rate of the first two samples where they tell times."""
    if len(dataset) < 2:
        return DEFAULT_RATE
    first, second = dataset[0], dataset[1]
    if first.stamp is None or second.stamp is None or second.stamp <= first.stamp:
        return DEFAULT_RATE
    return min(1.0 / (second.stamp - first.stamp), 1000.0)


def _samples(dataset: Any, rate: float, matrix: Optional[np.ndarray]) -> Iterator[SourceFrame]:
    """Play samples evenly: the gaps between a data set's drives are no part of any."""
    for index in range(len(dataset)):
        sample = dataset[index]
        yield SourceFrame(EPOCH_NS + int(index * 1e9 / rate), '', sample.image, truth=sample.label,
                          matrix=matrix, name=sample.name)
