"""Bag files read from their beginning, message by message: what damage leaves, and files of any length."""

from pathlib import Path
import shutil
import tempfile
from typing import Collection, Dict, Iterator, List, Optional, Sequence

from ..errors import InputError, one_line
from ..files import open_regular
from . import mcap_file, sqlite_file
from .messages import MAX_MESSAGE_BYTES, Message, Tell
from .metadata import Topic

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'


def messages(path: Path, tell: Tell, wanted: Optional[Collection[str]] = None) -> Iterator[Message]:
    """Yield what can be read of a .mcap or .db3 file in its order; reports problems and never raises.

    `wanted` are the topics, all of them where None. Memory does not grow with the file.
    """
    head = _head(path, tell)
    if head.startswith(mcap_file.MAGIC):
        source = mcap_file.messages(path, tell, wanted)
    elif head.startswith(sqlite_file.MAGIC):
        source = sqlite_file.messages(path, tell, wanted)
    else:
        return
    for message in source:
        if message.data[:4] == ZSTD_MAGIC:      # the bag was compressed message by message
            try:
                message = message._replace(data=mcap_file.unpack(message.data, MAX_MESSAGE_BYTES))
            except Exception as error:      # each zstd binding has errors of its own
                tell(f'{path.name}: a compressed message is damaged ({one_line(str(error), 120)})')
                continue
        yield message


def topics(path: Path, tell: Tell = lambda problem: None) -> Dict[str, Topic]:
    """Return a file's topics and how many messages of each can be read; reports problems, never raises."""
    head = _head(path, tell)
    if head.startswith(sqlite_file.MAGIC):
        return sqlite_file.topics(path, tell)
    found = mcap_file.topics(path) if head.startswith(mcap_file.MAGIC) else {}
    if found is not None:
        return found
    tell(f'{path.name}: has no summary, as if its recorder was killed: read from its beginning')
    counted: Dict[str, Topic] = {}
    for message in messages(path, tell):
        known = counted.get(message.topic) or Topic(message.topic, message.type, 0)
        counted[message.topic] = known._replace(count=known.count + 1)
    return counted


class FileStream:
    """The files of a bag one after the other, in the order of recording.

    Files that were compressed as a whole are unpacked beside the system's other temporary files.
    """

    def __init__(self, files: Sequence[Path], tell: Tell) -> None:
        self._files, self._tell = list(files), tell
        self._scratch: Optional[tempfile.TemporaryDirectory] = None
        self._plain: Optional[List[Path]] = None

    def _unpacked(self) -> List[Path]:
        if self._plain is None:
            self._plain = []
            for file in self._files:
                if _head(file, lambda problem: None).startswith(ZSTD_MAGIC):
                    self._scratch = self._scratch or tempfile.TemporaryDirectory(prefix='enet_ros_bag')
                    target = Path(self._scratch.name) / f'{len(self._plain)}_{file.stem}'
                    try:
                        file = _unpack_file(file, target)
                    except Exception as error:      # each zstd binding has errors of its own
                        self._tell(f'{file.name}: cannot be unpacked: {one_line(str(error), 120)}')
                        continue
                self._plain.append(file)
        return self._plain

    def topics(self) -> Dict[str, Topic]:
        """Return the topics by name, with how many messages there are."""
        found: Dict[str, Topic] = {}
        for file in self._unpacked():
            for topic in topics(file, self._tell).values():
                known = found.get(topic.name, topic._replace(count=0))
                found[topic.name] = topic._replace(count=topic.count + known.count)
        return found

    def messages(self, wanted: Sequence[str]) -> Iterator[Message]:
        """Yield the messages of some topics."""
        for file in self._unpacked():
            yield from messages(file, self._tell, wanted)


def _head(path: Path, tell: Tell) -> bytes:
    """Return the first bytes of a file that may be part of a bag; where it cannot be, that is reported."""
    try:
        with open_regular(path) as file:
            head = file.read(16)
    except (InputError, OSError) as error:
        tell(str(error))
        return b''
    if not head.startswith((mcap_file.MAGIC, sqlite_file.MAGIC, ZSTD_MAGIC)):
        tell(f'{path.name}: neither an mcap nor a sqlite3 file')
    return head


def _unpack_file(source: Path, target: Path) -> Path:
    """Unpack a zstandard file; ValueError where it would unpack to far more than any recording does."""
    unpacker, written = mcap_file.zstd_decompressor(), 0
    limit = min((64 << 20) + 1000 * source.stat().st_size, shutil.disk_usage(str(target.parent)).free // 2)
    with open_regular(source) as file, target.open('wb') as output:
        while not unpacker.eof:
            packed = file.read(1 << 20) if unpacker.needs_input else b''
            if unpacker.needs_input and not packed:
                raise ValueError('it ends early')
            written += output.write(unpacker.decompress(packed, max_length=16 << 20))
            if written > limit:
                raise ValueError(f'it unpacks to more than {limit >> 20} MiB')
    return target
