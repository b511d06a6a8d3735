"""What can still be read of a damaged bag file, message by message, and what is told about the rest."""

from pathlib import Path
import sqlite3
import struct
from typing import Callable, Dict, Iterator, NamedTuple, Optional, Tuple
import zlib

from ..errors import InputError
from ..files import open_regular
from .metadata import Topic

Tell = Callable[[str], None]
MAGIC = b'\x89MCAP0\r\n'
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_MAX_UNPACKED = 1 << 30     # bytes; a chunk that claims more is not believed


class Message(NamedTuple):
    """A message as it lies in the bag; `log_ns` is when it was recorded, `data` is CDR."""

    topic: str
    type: str
    log_ns: int
    data: bytes


def messages(path: Path, tell: Tell) -> Iterator[Message]:
    """Yield what can be read of a .mcap or .db3 file in its order; never raises, but tells."""
    name = path.name
    try:
        with open_regular(path) as file:
            head = file.read(16)
    except InputError as error:
        tell(str(error))
        return
    if head.startswith(MAGIC):
        source = _mcap(path, tell)
    elif head.startswith(b'SQLite format 3'):
        source = _sqlite(path, tell)
    else:
        tell('{}: neither an mcap nor a sqlite3 file'.format(name))
        return
    for message in source:
        if message.data[:4] == ZSTD_MAGIC:      # the bag was compressed message by message
            try:
                message = message._replace(data=unzstd(message.data, _MAX_UNPACKED))
            except Exception as error:      # each zstd binding has errors of its own
                tell('{}: a compressed message is damaged ({})'.format(name, _brief(error)))
                continue
        yield message


def topics(path: Path) -> Dict[str, Topic]:
    """Return the topics of a damaged file with how many messages of each can be read."""
    found: Dict[str, Topic] = {}
    for message in messages(path, lambda problem: None):
        known = found.get(message.topic) or Topic(message.topic, message.type, 0)
        found[message.topic] = known._replace(count=known.count + 1)
    return found


def unzstd(data: bytes, limit: int) -> bytes:
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

    def __init__(self) -> None:
        self._schemas: Dict[int, str] = {}
        self._channels: Dict[int, Tuple[str, str]] = {}

    def learn(self, opcode: int, record: bytes) -> None:
        """Take in a schema (3) or channel (4) record."""
        number, = struct.unpack_from('<H', record)
        if opcode == 3:
            self._schemas[number] = _string(record, 2)
        else:
            schema, = struct.unpack_from('<H', record, 2)
            self._channels[number] = (_string(record, 4), self._schemas.get(schema, ''))

    def message(self, record: bytes) -> Optional[Message]:
        """Read a message record (5); None where its channel is unknown."""
        channel, _, log_ns, _ = struct.unpack_from('<HIQQ', record)
        if channel not in self._channels:
            return None
        topic, type_ = self._channels[channel]
        return Message(topic, type_, log_ns, record[22:])


def _string(record: bytes, at: int) -> str:
    length, = struct.unpack_from('<I', record, at)
    return record[at + 4:at + 4 + length].decode('utf-8', 'replace')


def _mcap(path: Path, tell: Tell) -> Iterator[Message]:
    """Walk the records of an mcap file (mcap.dev/spec); a damaged chunk is skipped, a cut one half read."""
    channels, size = _Channels(), path.stat().st_size
    with path.open('rb') as file:
        file.seek(len(MAGIC))
        while True:
            at = file.tell()
            head = file.read(9)
            if len(head) < 9 or head[0] == 0x02:      # the footer
                if len(head) < 9:
                    tell('{}: ends early, after {} bytes'.format(path.name, size))
                return
            opcode, length = head[0], struct.unpack('<Q', head[1:])[0]
            cut = length > size - at - 9
            record = file.read(min(length, size - at - 9))
            if cut:
                tell('{}: ends early, inside a record at byte {}'.format(path.name, at))
            try:
                if opcode == 0x06:
                    record = _chunk(record, cut)
                    yield from _records(record, channels)
                elif not cut:
                    yield from _records(head + record, channels)
            except Exception as error:      # lz4 and zstd have errors of their own
                tell('{}: the chunk at byte {} is damaged ({}), its messages are lost'.format(
                    path.name, at, _brief(error)))
            if cut:
                return


def _records(data: bytes, channels: _Channels) -> Iterator[Message]:
    """Yield the messages of consecutive whole records."""
    at = 0
    while at + 9 <= len(data):
        opcode, length = data[at], struct.unpack_from('<Q', data, at + 1)[0]
        if at + 9 + length > len(data):
            return
        if opcode in (3, 4):
            channels.learn(opcode, data[at + 9:at + 9 + length])
        elif opcode == 5:
            message = channels.message(data[at + 9:at + 9 + length])
            if message is not None:
                yield message
        at += 9 + length


def _chunk(record: bytes, cut: bool) -> bytes:
    """Return a chunk's records; raises where they are damaged. Half an unpacked chunk goes unchecked."""
    unpacked, crc = struct.unpack_from('<QI', record, 16)
    length, = struct.unpack_from('<I', record, 28)
    packing = record[32:32 + length].decode('ascii')
    data = record[40 + length:]
    if cut and not packing:
        return data
    if packing == 'zstd':
        data = unzstd(data, min(unpacked, _MAX_UNPACKED))
    elif packing == 'lz4':
        from lz4 import frame
        data = frame.decompress(data)
    elif packing:
        raise ValueError("packed as '{}'".format(packing))
    if len(data) != unpacked:
        raise ValueError('{} bytes instead of {}'.format(len(data), unpacked))
    if crc and zlib.crc32(data) != crc:
        raise ValueError('checksum does not match')
    return data


def _sqlite(path: Path, tell: Tell) -> Iterator[Message]:
    """Read rows of a sqlite3 bag in their order, past damaged pages where there is something behind them."""
    connection = sqlite3.connect('{}?mode=ro&immutable=1'.format(path.resolve().as_uri()), uri=True)
    last, step = 0, 0
    try:
        # Lets sqlite open a file that is shorter than it says.
        connection.execute('PRAGMA writable_schema=ON')
        names = {row[0]: (row[1], row[2]) for row in connection.execute('SELECT id, name, type FROM topics')}
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
                    tell('{}: damaged behind row {} ({})'.format(path.name, last, _brief(error)))
                step = max(1, 2 * step)
    except (sqlite3.DatabaseError, sqlite3.OperationalError) as error:
        tell('{}: {}'.format(path.name, _brief(error)))
    finally:
        connection.close()
