"""Messages of one topic found by the stamps of another, whatever order either was recorded in."""

import tempfile
from typing import IO, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple
import zlib

from .messages import ImageMessage, Message, MessageError
from .reading import Bag

MAX_AHEAD_BYTES = 256 << 20     # of messages whose frame has not come yet; the rest waits in a temporary file
SEVERAL = '{}: several messages of one stamp; the first one counts'


class Stamp(NamedTuple):
    """A message's header: stamp in ns since the epoch, and the frame's name."""

    ns: int
    frame_id: str


def stamps_of(bag: Bag, topics: Sequence[str]) -> Dict[str, List[Stamp]]:
    """Return the headers of image topics in the order of recording, by a pass that decodes no pixels."""
    stamps: Dict[str, List[Stamp]] = {topic: [] for topic in topics}
    for message in bag.messages(topics):
        try:
            header = ImageMessage(message.topic, message.type, message.log_ns, message.data).header
            stamps[message.topic].append(Stamp(*header))
        except MessageError as error:
            bag.tell(f'{message.topic}: {error}')
    return stamps


class TopicByStamp:
    """Messages of an image topic, found by their exact stamp while another topic is read.

    It reads just as far as the frames need. What comes before its frame is kept, `MAX_AHEAD_BYTES` in memory
    and the rest in a temporary file, so that memory does not depend on the length or order of the bag.
    """

    def __init__(self, bag: Bag, topic: str, wanted: Iterable[int],
                 messages: Optional[Iterator[Message]] = None) -> None:
        """Begin; `wanted` are the stamps that will be asked for, `messages` as in `Bag.images`."""
        self.bag, self.topic = bag, topic
        self._messages = bag.images(topic, messages)
        self._unread: Set[int] = set(wanted)
        self._ahead: Dict[int, ImageMessage] = {}
        self._bytes = 0
        self._file: Optional[IO[bytes]] = None
        self._in_file: Dict[int, Tuple[int, int, int]] = {}     # stamp -> when recorded, place, length
        self.found = 0

    def find(self, stamp_ns: int) -> Optional[ImageMessage]:
        """Return the message of that stamp, once."""
        while stamp_ns in self._unread:
            message = next(self._messages, None)
            if message is None:
                break
            if message.stamp_ns in self._unread:    # else nobody wants it, or it is the second of its stamp
                self._unread.remove(message.stamp_ns)
                self._keep(message)
        found = self._take(stamp_ns)
        self.found += found is not None
        return found

    def _keep(self, message: ImageMessage) -> None:
        if not self._ahead or self._bytes + message.size <= MAX_AHEAD_BYTES:
            self._ahead[message.stamp_ns] = message
            self._bytes += message.size
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()
        packed = zlib.compress(message.data, 1)     # labels become a small part of their size
        self._in_file[message.stamp_ns] = (message.log_ns, self._file.seek(0, 2), len(packed))
        self._file.write(packed)

    def _take(self, stamp_ns: int) -> Optional[ImageMessage]:
        message = self._ahead.pop(stamp_ns, None)
        if message is not None:
            self._bytes -= message.size
        elif stamp_ns in self._in_file and self._file is not None:
            log_ns, place, length = self._in_file.pop(stamp_ns)
            self._file.seek(place)
            data = zlib.decompress(self._file.read(length))
            message = ImageMessage(self.topic, self.bag.topics[self.topic].type, log_ns, data)
        return message
