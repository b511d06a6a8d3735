"""A bag as a camera: its images with their ground truth and CameraInfo."""

from collections import deque
from pathlib import Path
from typing import Deque, Dict, Iterator, Optional, Tuple

import numpy as np

from ..bags import topics
from ..bags.messages import ImageMessage, MessageError
from ..bags.reading import open_bag
from ..classes import ClassTable
from ..errors import InputError
from .frame import DEFAULT_RATE, Source, SourceFrame

_LOOKAHEAD = 8          # images for which ground truth may be recorded late


def open_recording(path: Path, image_topic: str = '', truth_topic: Optional[str] = '',
                   truth_classes: str = '') -> Source:
    """Open a bag's camera images, joined by stamp with its ground truth unless `truth_topic` is None.

    InputError where it has no such images, or where nothing tells the coding of the ground truth.
    """
    with open_bag(path) as bag:
        image_topic = image_topic or topics.image_topic(bag)
        topic = bag.image_topic(image_topic)
        if truth_topic or truth_topic is not None and topics.truth_topics(bag):
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
    problems: Dict[str, int] = {}
    names = (image_topic, truth_topic or '', info_topic)
    return Source(path.name, rate, topic.count if topic.count > 0 else None,
                  lambda: _frames(path, names, classes, problems), classes, problems)


def _info_topic(image_topic: str) -> str:
    """Return where image_transport looks for the CameraInfo: beside the image."""
    base = image_topic[:-len('/compressed')] if image_topic.endswith('/compressed') else image_topic
    return base.rsplit('/', 1)[0] + '/camera_info'


def _frames(path: Path, names: Tuple[str, str, str], classes: Optional[ClassTable],
            problems: Dict[str, int]) -> Iterator[SourceFrame]:
    """Read images, ground truth and CameraInfo side by side and join them by stamp; tell what is damaged."""
    image_topic, truth_topic, info_topic = names
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
        problems.update(bag.problems)
        bag.problems = problems
        for message in bag.messages([name for name in names if name]):
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
