"""What playback_node can play: bags, data-set folders, videos and the synthetic street, frame by frame."""

from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, Iterator, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from ...bags import topics
from ...bags.messages import COMPRESSED, ImageMessage, MessageError
from ...bags.reading import SUFFIXES, open_bag
from ...classes import ClassTable
from ...datasets import SyntheticStreet, open_dataset
from ...errors import InputError

DEFAULT_RATE = 15.0     # Hz, of data sets that tell no times
_LOOKAHEAD = 8          # images for which ground truth may be recorded late
_EPOCH_NS = 10 ** 9     # where sources without a date begin: 0 is no time on a ROS clock


class SourceFrame(NamedTuple):
    """
    One frame to play.

    Either `image`, (H, W, 3) uint8 in `order`, or `serialized`, a sensor_msgs message as it lay in a bag
    (its type and CDR bytes). `truth` is (H, W) uint8 or None, `matrix` the camera's (3, 3) intrinsics or
    None, `info` a serialized CameraInfo or None.
    """

    stamp_ns: int
    frame_id: str
    image: Optional[np.ndarray] = None
    order: str = 'rgb'
    serialized: Optional[Tuple[str, bytes]] = None
    truth: Optional[np.ndarray] = None
    matrix: Optional[np.ndarray] = None
    info: Optional[bytes] = None


class Source(NamedTuple):
    """`frames()` begins anew at each call; `count` is None where nobody knows; `rate` is the source's own.

    `classes` is the coding of its ground truth, None where it has none.
    """

    name: str
    rate: float
    count: Optional[int]  # type: ignore[assignment]  # hides tuple.count
    frames: Any
    classes: Optional[ClassTable] = None


def open_source(name: str, split: str = '', size: Optional[Tuple[int, int]] = None, seed: int = 0,
                image_topic: str = '', truth_topic: str = '', truth_classes: str = '') -> Source:
    """
    Open a source by what `name` is: 'synthetic', a bag, a video file or a data-set folder.

    `size` (height, width) is what the synthetic street is drawn at. InputError where it is none of them.
    """
    if name == 'synthetic':
        street = SyntheticStreet(size or (360, 480), seed, frames=10 ** 6)
        return Source('synthetic', 30.0, None, lambda: _samples(street, 30.0, street.camera_matrix),
                      street.classes)
    path = Path(name).expanduser()
    if not path.exists():
        raise InputError(f"source {name}: no such file or folder; 'synthetic' needs none")
    if _is_bag(path):
        return _bag(path, image_topic, truth_topic, truth_classes)
    if path.is_file():
        return _video(path)
    dataset = open_dataset(path, split or None)
    if not len(dataset):
        raise InputError(f'source {name}: no images in it')
    rate = _own_rate(dataset)
    return Source(dataset.name, rate, len(dataset), lambda: _samples(dataset, rate, None), dataset.classes)


def _is_bag(path: Path) -> bool:
    if path.is_file():
        return path.suffix in SUFFIXES or path.name == 'metadata.yaml'
    return (path / 'metadata.yaml').is_file() or any(
        entry.suffix in SUFFIXES for entry in path.iterdir())


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
        yield SourceFrame(_EPOCH_NS + int(index * 1e9 / rate), '', sample.image, truth=sample.label,
                          matrix=matrix)


def _video(path: Path) -> Source:
    capture = cv2.VideoCapture(str(path))
    opened, rate = capture.isOpened(), capture.get(cv2.CAP_PROP_FPS)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    if not opened:
        raise InputError(f'source {path}: no video that OpenCV can read, and no bag')
    rate = rate if 0 < rate <= 1000 else 30.0
    return Source(path.name, rate, count if count > 0 else None, lambda: _video_frames(path, rate))


def _video_frames(path: Path, rate: float) -> Iterator[SourceFrame]:
    capture = cv2.VideoCapture(str(path))
    try:
        index = 0
        while True:
            there, image = capture.read()
            if not there:
                return
            yield SourceFrame(_EPOCH_NS + int(index * 1e9 / rate), '', image, 'bgr')
            index += 1
    finally:
        capture.release()


def _bag(path: Path, image_topic: str, truth_topic: str, truth_classes: str) -> Source:
    with open_bag(path) as bag:
        image_topic = image_topic or topics.image_topic(bag)
        topic = bag.image_topic(image_topic)
        if truth_topic or topics.truth_topics(bag):
            truth_topic = bag.image_topic(truth_topic or topics.truth_topic(bag)).name
        info_topic = _info_topic(image_topic)
        info_topic = info_topic if info_topic in bag.topics else ''
        classes = topics.truth_classes(bag, truth_topic, truth_classes or None) if truth_topic else None
        stamps = []
        for message in bag.images(image_topic):
            stamps.append(message.stamp_ns)
            if len(stamps) == 10:
                break
    if not stamps:
        raise InputError(f'{path}: no image on {image_topic}')
    steps = sorted(b - a for a, b in zip(stamps, stamps[1:]) if b > a)
    rate = 1e9 / steps[len(steps) // 2] if steps else DEFAULT_RATE
    return Source(path.name, rate, topic.count if topic.count > 0 else None,
                  lambda: _bag_frames(path, image_topic, truth_topic, info_topic, classes), classes)


def _info_topic(image_topic: str) -> str:
    """Return where image_transport looks for the CameraInfo: beside the image."""
    base = image_topic[:-len('/compressed')] if image_topic.endswith('/compressed') else image_topic
    return base.rsplit('/', 1)[0] + '/camera_info'


def _bag_frames(path: Path, image_topic: str, truth_topic: str, info_topic: str,
                classes: Optional[ClassTable]) -> Iterator[SourceFrame]:
    """Read images, ground truth and CameraInfo side by side and join them by stamp."""
    waiting: Deque[Tuple[int, str, Tuple[str, bytes]]] = deque()
    truths: Dict[int, np.ndarray] = {}
    info: Optional[bytes] = None
    lookahead = _LOOKAHEAD if truth_topic else 0

    def ready(least: int) -> Iterator[SourceFrame]:
        while waiting and (len(waiting) > least or waiting[0][0] in truths):
            stamp_ns, frame_id, serialized = waiting.popleft()
            yield SourceFrame(stamp_ns, frame_id, serialized=serialized,
                              truth=truths.pop(stamp_ns, None), info=info)

    with open_bag(path) as bag:
        names = [name for name in (image_topic, truth_topic, info_topic) if name]
        for message in bag.messages(names):
            if message.topic == info_topic:
                info = message.data
                continue
            try:
                image = ImageMessage(message.topic, message.type, message.log_ns, message.data)
                if message.topic == truth_topic and classes is not None:
                    truths[image.stamp_ns] = image.labels(classes)
                    while len(truths) > 4 * _LOOKAHEAD:     # truth for no image of this bag
                        truths.pop(next(iter(truths)))
                else:
                    waiting.append((image.stamp_ns, image.header.frame_id, (message.type, message.data)))
            except (MessageError, InputError) as error:
                bag.tell(f'{message.topic}: {error}')
            yield from ready(lookahead)
        yield from ready(0)


def is_compressed(type_: str) -> bool:
    """Tell whether a serialized message's type is CompressedImage."""
    return type_ == COMPRESSED
