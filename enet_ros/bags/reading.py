"""Bags of camera images, read frame by frame in constant memory, whatever their state.

    with open_bag('drive') as bag:
        for message in bag.images('/camera/image'):
            image, order = message.image()
        print(bag.problems)         # what was damaged, one line each

The files are read by this package itself, whatever is installed: `rosbag2_py` verifies no checksum of an mcap
and does not report truncation, and a bag must give the same messages and the same problems everywhere.
"""

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

from ..errors import InputError
from . import metadata, salvage
from .messages import COMPRESSED, IMAGE, ImageMessage, Message, MessageError
from .metadata import Topic

SUFFIXES = ('.mcap', '.db3', '.zstd')


class Bag:
    """An open bag. `topics` by name, `custom_data` as recorded, `problems` met so far and how often."""

    def __init__(self, path: Path, files: List[Path], described: Optional[metadata.Metadata]) -> None:
        """Look at what the bag holds; see `open_bag`."""
        self.path = path
        self.files = files
        self.problems: Dict[str, int] = {}
        self.custom_data: Dict[str, str] = dict(described.custom) if described else {}
        self._described = described
        self.topics: Dict[str, Topic] = {}
        self._open()

    def _open(self) -> None:
        """Look at what the files hold; InputError where nothing can be read."""
        self._files = salvage.FileStream(self.files, self.tell)
        self.topics = self._files.topics()
        if not self.topics:
            raise InputError(f'{self.path}: nothing in it can be read: '
                             f'{next(iter(self.problems), "it holds no messages")}')
        if self._described:     # what should be there, not what is left
            known = self._described.topics
            self.topics = {name: known.get(name, topic) for name, topic in self.topics.items()}
            self.topics.update({name: topic for name, topic in known.items() if topic.count})

    @property
    def damaged(self) -> bool:
        """Whether something could not be read so far."""
        return bool(self.problems)

    def tell(self, problem: str) -> None:
        """Note a problem."""
        self.problems[problem] = self.problems.get(problem, 0) + 1

    def messages(self, topics: Sequence[str]) -> Iterator[Message]:
        """Yield the messages of some topics in the order they were recorded; damage is added to `problems`.

        Every call reads from the start, so that several can run side by side.
        """
        yield from self._files.messages(topics)

    def images(self, topic: str, messages: Optional[Iterator[Message]] = None) -> Iterator[ImageMessage]:
        """Yield the image messages of a topic; broken ones are reported and left out.

        `messages` are the topic's messages where they are read already (see `single_pass.Shared`). InputError
        where the bag has no such topic or it holds no images.
        """
        type_ = self.image_topic(topic).type
        for message in self.messages([topic]) if messages is None else messages:
            try:
                yield ImageMessage(topic, type_, message.log_ns, message.data)
            except MessageError as error:
                self.tell(f'{topic}: {error}')

    def image_topic(self, name: str) -> Topic:
        """Return a topic that holds images; InputError lists those there are where it does not."""
        topic = self.topics.get(name)
        if topic is None or topic.type not in (IMAGE, COMPRESSED):
            reason = f'has no topic {name}' if topic is None else f'{name} is {topic.type}'
            raise InputError('{}: {}, no images there; topics with images: {}'.format(
                self.path, reason, ', '.join(self.image_topics()) or 'none'))
        return topic

    def image_topics(self) -> List[str]:
        """Return the names of the topics that hold images."""
        return sorted(name for name, topic in self.topics.items() if topic.type in (IMAGE, COMPRESSED))

    def close(self) -> None:
        """Do nothing: each pass opens the bag for itself and closes it when it ends."""

    def __enter__(self) -> 'Bag':
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def open_bag(path: Union[str, Path]) -> Bag:
    """Open a bag: its folder, its metadata.yaml, or one of its files; InputError where it is not one."""
    path = Path(path)
    if path.name == metadata.NAME:
        path = path.parent
    if not os.path.isdir(str(path)) and not os.path.isfile(str(path)):     # nor a pipe, nor a device
        raise InputError(f'{path}: there is no such bag')
    if not path.is_dir():
        return Bag(path, [path], None)
    described, problem = None, ''
    try:
        described = metadata.read(path / metadata.NAME)
    except InputError as error:
        problem = str(error)
    named = [path / name for name in described.files] if described else []
    files = [file for file in named if file.is_file()]
    if not files:
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise InputError('{}: no bag: it holds no .mcap or .db3 file{}'.format(
            path, '' if described else ' and no metadata.yaml'))
    bag = Bag(path, files, described)
    if problem:
        bag.tell(problem)
    for file in named:
        if file not in files:
            bag.tell(f'{file.name}: named in metadata.yaml and missing')
    return bag
