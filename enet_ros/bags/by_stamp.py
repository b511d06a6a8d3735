"""Messages of one topic found by the stamps of another."""

from collections import OrderedDict
from typing import Iterator, Optional

from .messages import ImageMessage, Message
from .reading import Bag

SLACK_NS = 3 * 10**8        # how far a topic's stamps may be out of order
MAX_AHEAD = 256             # messages kept for frames that have not come yet ...
MAX_AHEAD_BYTES = 256 << 20     # ... and their size
RECENT = 4096               # stamps remembered to tell duplicates
SEVERAL = '{}: several messages of one stamp; the first one counts'


class Recent:
    """The stamps met last, to tell a second message of the same stamp."""

    def __init__(self) -> None:
        self._stamps: 'OrderedDict[int, None]' = OrderedDict()

    def is_new(self, stamp_ns: int) -> bool:
        """Return whether the stamp is met for the first time, and remember it."""
        if stamp_ns in self._stamps:
            return False
        self._stamps[stamp_ns] = None
        if len(self._stamps) > RECENT:
            self._stamps.popitem(last=False)
        return True


class TopicByStamp:
    """Messages of an image topic, found by their exact stamp while another topic is read.

    It reads just as far ahead as the frames need, so that memory does not depend on the bag's length or on
    which topic was recorded first.
    """

    def __init__(self, bag: Bag, topic: str, messages: Optional[Iterator[Message]] = None) -> None:
        """Begin; `messages` as in `Bag.images`. InputError where the topic holds no images."""
        self.bag, self.topic = bag, bag.image_topic(topic).name
        self._messages = bag.images(topic, messages)
        self._ahead: 'OrderedDict[int, ImageMessage]' = OrderedDict()
        self._bytes = 0
        self._recent = Recent()
        self._last: Optional[int] = None
        self._ended = False
        self._asked: Optional[int] = None
        self._jumps = 0     # back in time, of the topic less those of the frames that ask: a bag's loops
        self.seen = 0       # messages with a stamp of their own
        self.found = 0

    def find(self, stamp_ns: int) -> Optional[ImageMessage]:
        """Return the message of that stamp, once."""
        self._jumps -= self._asked is not None and stamp_ns < self._asked - SLACK_NS
        self._asked = stamp_ns
        while not self._ended and not self._is_ahead(stamp_ns):
            self._read()
        message = self._ahead.pop(stamp_ns, None)
        if message is not None:
            self._bytes -= message.size
            self.found += 1
        return message

    def count_rest(self) -> None:
        """Read to the end, so that `seen` is complete."""
        while not self._ended:
            self._read()

    def _is_ahead(self, stamp_ns: int) -> bool:
        if stamp_ns in self._ahead or self._jumps > 0:
            return True
        return self._jumps == 0 and self._last is not None and self._last > stamp_ns + SLACK_NS

    def _read(self) -> None:
        message = next(self._messages, None)
        if message is None:
            self._ended = True
            return
        self._jumps += self._last is not None and message.stamp_ns < self._last - SLACK_NS
        self._last = message.stamp_ns
        if not self._recent.is_new(message.stamp_ns):
            self.bag.tell(SEVERAL.format(self.topic))
            return
        self.seen += 1
        self._ahead[message.stamp_ns] = message
        self._bytes += message.size
        while len(self._ahead) > MAX_AHEAD or self._bytes > MAX_AHEAD_BYTES and len(self._ahead) > 1:
            self._bytes -= self._ahead.popitem(last=False)[1].size
