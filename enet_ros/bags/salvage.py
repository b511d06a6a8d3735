"""A bag file read from its beginning, message by message: what damage leaves, and files of any length.

Nothing of the file's index is needed or kept.
"""

from pathlib import Path
import sqlite3
import struct
from typing import Callable, Collection, Dict, Iterator, NamedTuple, Optional, Tuple, Union
import zlib

from ..errors import InputError
from ..files import open_regular
from .metadata import Topic

Tell = Callable[[str], None]
MAGIC = b'\x89MCAP0\r\n'
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_READ = (0x03, 0x04, 0x05)  # schema, channel, message
_MAX_UNPACKED = 1 << 30     # bytes; a chunk that claims more is not believed


class Message(NamedTuple):
    """A message as it lies in the bag; `log_ns` is when it was recorded, `data` is CDR."""

    topic: str
    type: str
    log_ns: int
    data: bytes


def messages(path: Path, tell: Tell, wanted: Optional[Collection[str]] = None) -> Iterator[Message]:
    """Yield what can be read of a .mcap or .db3 file in its order; never raises, but tells.

    `wanted` are the topics, all of them where None. Memory does not grow with the file.
    """
    name = path.name
    try:
        with open_regular(path) as file:
            head = file.read(16)
    except InputError as error:
        tell(str(error))
        return
    if head.startswith(MAGIC):
        source = _mcap(path, tell, wanted)
    elif head.startswith(b'SQLite format 3'):
        source = _sqlite(path, tell, wanted)
    else:
        tell(f'{name}: neither an mcap nor a sqlite3 file')
        return
    for message in source:
        if message.data[:4] == ZSTD_MAGIC:      # the bag was compressed message by message
            try:
                message = message._replace(data=unzstd(message.data, _MAX_UNPACKED))
            except Exception as error:      # each zstd binding has errors of its own
                tell(f'{name}: a compressed message is damaged ({_brief(error)})')
                continue
        yield message


def topics(path: Path) -> Dict[str, Topic]:
    """Return the topics of a damaged file with how many messages of each can be read."""
    found: Dict[str, Topic] = {}
    for message in messages(path, lambda problem: None):
        known = found.get(message.topic) or Topic(message.topic, message.type, 0)
        found[message.topic] = known._replace(count=known.count + 1)
    return found


def unzstd(data: Union[bytes, memoryview], limit: int) -> bytes:
    """Unpack zstandard data of at most `limit` bytes."""
    from backports import zstd
    unpacker = zstd.ZstdDecompressor()
    unpacked = unpacker.decompress(data, max_length=limit)
    if not unpacker.eof:
        raise ValueError('it ends early or is larger than it says')
    return unpacked


def _brief(error: BaseException) -> str:
    return ' '.join(str(error).split())[:120] or type(error).__name__


class _Channels:
    """Schemas and channels met so far in an mcap file."""

    def __init__(self, wanted: Optional[Collection[str]]) -> None:
        self._wanted = wanted
        self._schemas: Dict[int, str] = {}
        self._channels: Dict[int, Tuple[str, str]] = {}

    def learn(self, opcode: int, record: memoryview) -> None:
        """Take in a schema (3) or channel (4) record."""
        number, = struct.unpack_from('<H', record)
        if opcode == 3:
            self._schemas[number] = _string(record, 2)
        else:
            schema, = struct.unpack_from('<H', record, 2)
            self._channels[number] = (_string(record, 4), self._schemas.get(schema, ''))

    def message(self, record: memoryview) -> Optional[Message]:
        """Read a message record (5); None where its channel is unknown or its topic not wanted."""
        channel, _, log_ns, _ = struct.unpack_from('<HIQQ', record)
        topic, type_ = self._channels.get(channel, ('', ''))
        if not topic or self._wanted is not None and topic not in self._wanted:
            return None
        return Message(topic, type_, log_ns, bytes(record[22:]))


def _string(record: memoryview, at: int) -> str:
    length, = struct.unpack_from('<I', record, at)
    return bytes(record[at + 4:at + 4 + length]).decode('utf-8', 'replace')


def _mcap(path: Path, tell: Tell, wanted: Optional[Collection[str]]) -> Iterator[Message]:
    """Walk the records of an mcap file (mcap.dev/spec); a damaged chunk is skipped, a cut one half read."""
    channels, size = _Channels(wanted), path.stat().st_size
    with path.open('rb') as file:
        file.seek(len(MAGIC))
        while True:
            at = file.tell()
            head = file.read(9)
            if len(head) < 9 or head[0] == 0x02:      # the footer
                if len(head) < 9:
                    tell(f'{path.name}: ends early, after {size} bytes')
                return
            opcode, length = head[0], struct.unpack('<Q', head[1:])[0]
            cut = length > size - at - 9
            record = file.read(min(length, size - at - 9))
            if cut:
                tell(f'{path.name}: ends early, inside a record at byte {at}')
            try:
                if opcode == 0x06:
                    yield from _records(_chunk(memoryview(record), cut), channels, cut)
                elif opcode in _READ and not cut:
                    yield from _records(memoryview(head + record), channels, cut)
            except Exception as error:      # lz4 and zstd have errors of their own
                tell(f'{path.name}: the chunk at byte {at} is damaged ({_brief(error)}), its messages are '
                     'lost')
            if cut:
                return


def _records(data: memoryview, channels: _Channels, cut: bool) -> Iterator[Message]:
    """Yield the messages of consecutive records, whole ones unless they are `cut`."""
    at = 0
    while at < len(data):
        if cut and (at + 9 > len(data) or at + 9 + struct.unpack_from('<Q', data, at + 1)[0] > len(data)):
            return
        opcode, length = data[at], struct.unpack_from('<Q', data, at + 1)[0]
        if at + 9 + length > len(data):
            raise ValueError('a record is longer than its chunk')
        if opcode in (3, 4):
            channels.learn(opcode, data[at + 9:at + 9 + length])
        elif opcode == 5:
            message = channels.message(data[at + 9:at + 9 + length])
            if message is not None:
                yield message
        at += 9 + length


def _chunk(record: memoryview, cut: bool) -> memoryview:
    """Return a chunk's records; raises where they are damaged. Half an unpacked chunk goes unchecked."""
    unpacked, crc = struct.unpack_from('<QI', record, 16)
    length, = struct.unpack_from('<I', record, 28)
    packing = bytes(record[32:32 + length]).decode('ascii')
    data: Union[bytes, memoryview] = record[40 + length:]
    if cut and not packing:
        return memoryview(data)
    if packing == 'zstd':
        data = unzstd(data, min(unpacked, _MAX_UNPACKED))
    elif packing == 'lz4':
        from lz4 import frame
        data = frame.decompress(data)
    elif packing:
        raise ValueError(f"packed as '{packing}'")
    if len(data) != unpacked:
        raise ValueError(f'{len(data)} bytes instead of {unpacked}')
    if crc and zlib.crc32(data) != crc:
        raise ValueError('checksum does not match')
    return memoryview(data)


def _sqlite(path: Path, tell: Tell, wanted: Optional[Collection[str]]) -> Iterator[Message]:
    """Read rows of a sqlite3 bag in their order, past damaged pages where there is something behind them."""
    connection = sqlite3.connect(f'{path.resolve().as_uri()}?mode=ro&immutable=1', uri=True)
    last, step = 0, 0
    try:
        # Lets sqlite open a file that is shorter than it says.
        connection.execute('PRAGMA writable_schema=ON')
        names = {row[0]: (row[1], row[2]) for row in connection.execute('SELECT id, name, type FROM topics')
                 if wanted is None or row[1] in wanted}
        while step < 1 << 20:
            try:
                rows = connection.execute('SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? '
                                          'ORDER BY id', (last + step,))
                for last, topic, log_ns, data in rows:
                    step = 0
                    if topic in names and isinstance(data, bytes):
                        yield Message(names[topic][0], names[topic][1], log_ns, data)
                return
            except sqlite3.DatabaseError as error:
                if step == 0:
                    tell(f'{path.name}: damaged behind row {last} ({_brief(error)})')
                step = max(1, 2 * step)
    except (sqlite3.DatabaseError, sqlite3.OperationalError) as error:
        tell(f'{path.name}: {_brief(error)}')
    finally:
        connection.close()
