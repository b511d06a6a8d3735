"""mcap files (mcap.dev/spec) read from their beginning, record by record, in bounded memory.

Nothing of the file's index is needed or kept.
"""

import importlib
from pathlib import Path
import struct
from typing import Any, BinaryIO, Collection, Dict, Iterator, Optional, Tuple, Union
import zlib

from ..errors import one_line
from ..files import open_regular
from .messages import MAX_MESSAGE_BYTES, Message, Tell
from .metadata import Topic

MAGIC = b'\x89MCAP0\r\n'
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _STATISTICS, _FOOTER = 0x03, 0x04, 0x05, 0x06, 0x0b, 0x02
_MAX_SUMMARY_BYTES = 16 << 20
_LONGEST_NAME = 4096
_RATIO, _GRACE = 1000, 256 << 20    # all chunks together unpack to no more than that times the file, and that
_OVERHEAD = 256     # bytes that any message counts for


class _Channels:
    """Schemas and channels met so far in an mcap file."""

    def __init__(self, wanted: Optional[Collection[str]]) -> None:
        self._wanted = wanted
        self._schemas: Dict[int, str] = {}
        self.channels: Dict[int, Tuple[str, str]] = {}

    def learn(self, opcode: int, record: memoryview) -> None:
        """Take in a schema (3) or channel (4) record."""
        number, = struct.unpack_from('<H', record)
        if opcode == _SCHEMA:
            self._schemas[number] = _string(record, 2)
        else:
            schema, = struct.unpack_from('<H', record, 2)
            self.channels[number] = (_string(record, 4), self._schemas.get(schema, ''))

    def message(self, record: memoryview) -> Optional[Message]:
        """Read a message record (5); None where its channel is unknown or its topic not wanted."""
        channel, _, log_ns, _ = struct.unpack_from('<HIQQ', record)
        topic, type_ = self.channels.get(channel, ('', ''))
        if not topic or self._wanted is not None and topic not in self._wanted:
            return None
        return Message(topic, type_, log_ns, bytes(record[22:]))


def _string(record: memoryview, at: int) -> str:
    length, = struct.unpack_from('<I', record, at)
    if length > _LONGEST_NAME:
        raise ValueError(f'a name of {length} bytes')
    return bytes(record[at + 4:at + 4 + length]).decode('utf-8', 'replace')


def messages(path: Path, tell: Tell, wanted: Optional[Collection[str]]) -> Iterator[Message]:
    """Yield the messages of a file; damaged chunks are reported and skipped, a cut one is read so far."""
    channels = _Channels(wanted)
    with open_regular(path) as file:
        size = _size(file)
        left = _GRACE + _RATIO * size
        file.seek(len(MAGIC))
        while True:
            at = file.tell()
            head = file.read(9)
            if len(head) < 9 or head[0] == _FOOTER:
                if len(head) < 9:
                    tell(f'{path.name}: ends early, after {size} bytes')
                return
            opcode, length = head[0], struct.unpack('<Q', head[1:])[0]
            cut = length > size - at - 9
            if cut:
                tell(f'{path.name}: ends early, inside a record at byte {at}')
            length = min(length, size - at - 9)
            try:
                if opcode not in (_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK):     # attachments may be of any length
                    pass
                elif length > MAX_MESSAGE_BYTES:
                    raise ValueError(f'{length >> 20} MiB are more than any image')
                elif opcode == _CHUNK:
                    records = _chunk(memoryview(file.read(length)), cut, min(left, MAX_MESSAGE_BYTES))
                    left -= len(records)
                    for message in _records(records, channels, cut):
                        left -= _OVERHEAD
                        if left < 0:
                            raise ValueError('far more messages than its size allows')
                        yield message
                elif not cut:
                    yield from _records(memoryview(head + file.read(length)), channels, cut)
            except Exception as error:      # lz4 and zstd have errors of their own
                tell(f'{path.name}: the chunk at byte {at} is damaged ({_brief(error)}), its messages are '
                     'lost')
            if cut:
                return
            file.seek(at + 9 + length)


def topics(path: Path) -> Optional[Dict[str, Topic]]:
    """Return the topics and their numbers of messages from the file's summary; None where it has none."""
    try:
        with open_regular(path) as file:
            size = _size(file)
            file.seek(max(size - 37, 0))
            footer = file.read(37)
            start, = struct.unpack_from('<Q', footer, 9)
            if footer[0] != _FOOTER or footer[-8:] != MAGIC or not 0 < start < size - 37:
                return None
            file.seek(start)
            summary = memoryview(file.read(min(size - 37 - start, _MAX_SUMMARY_BYTES)))
        channels, counts = _Channels(None), None
        for opcode, record in _split(summary, cut=True):
            if opcode in (_SCHEMA, _CHANNEL):
                channels.learn(opcode, record)
            elif opcode == _STATISTICS:
                length, = struct.unpack_from('<I', record, 42)
                counts = dict(struct.iter_unpack('<HQ', record[46:46 + length]))
    except (ValueError, struct.error):
        return None
    if counts is None:
        return None
    found: Dict[str, Topic] = {}
    for number, (name, type_) in channels.channels.items():
        known = found.get(name) or Topic(name, type_, 0)
        found[name] = known._replace(count=known.count + counts.get(number, 0))
    return found


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _brief(error: BaseException) -> str:
    return one_line(str(error), 120) or type(error).__name__


def _split(data: memoryview, cut: bool = False) -> Iterator[Tuple[int, memoryview]]:
    """Yield (opcode, content) of consecutive records, whole ones unless they are `cut`."""
    at = 0
    while at < len(data):
        if cut and (at + 9 > len(data) or at + 9 + struct.unpack_from('<Q', data, at + 1)[0] > len(data)):
            return
        opcode, length = data[at], struct.unpack_from('<Q', data, at + 1)[0]
        if not opcode or at + 9 + length > len(data):
            raise ValueError('a record of no kind, or longer than its chunk')
        yield opcode, data[at + 9:at + 9 + length]
        at += 9 + length


def _records(data: memoryview, channels: _Channels, cut: bool) -> Iterator[Message]:
    """Yield the messages of consecutive records."""
    for opcode, record in _split(data, cut):
        if opcode in (_SCHEMA, _CHANNEL):
            channels.learn(opcode, record)
        elif opcode == _MESSAGE:
            message = channels.message(record)
            if message is not None:
                yield message
        else:
            raise ValueError('a record that is no message')


def _chunk(record: memoryview, cut: bool, most: int) -> memoryview:
    """Return a chunk's records; raises where they are damaged. Half an unpacked chunk goes unchecked."""
    unpacked, crc = struct.unpack_from('<QI', record, 16)
    length, = struct.unpack_from('<I', record, 28)
    packing = bytes(record[32:32 + min(length, 16)]).decode('ascii')
    data: Union[bytes, memoryview] = record[40 + length:]
    if cut and not packing:
        return memoryview(data)
    if packing:
        data = unpack(data, min(unpacked, most), packing)
    if len(data) != unpacked:
        raise ValueError(f'{len(data)} bytes instead of {unpacked}')
    if crc and zlib.crc32(data) != crc:
        raise ValueError('checksum does not match')
    return memoryview(data)


def unpack(data: Union[bytes, memoryview], limit: int, packing: str = 'zstd') -> bytes:
    """Unpack 'zstd' or 'lz4' data of at most `limit` bytes; ValueError, or what those libraries raise."""
    if packing == 'zstd':
        unpacker = zstd_decompressor()
    elif packing == 'lz4':
        from lz4 import frame
        unpacker = frame.LZ4FrameDecompressor()
    else:
        raise ValueError(f"packed as '{packing}'")
    unpacked: bytes = unpacker.decompress(data, max_length=limit)
    if not unpacker.eof:
        raise ValueError('it ends early or is larger than it says')
    return unpacked


def zstd_decompressor() -> Any:
    """Return a new decompressor; ValueError names the package that is missing."""
    for name in ('compression.zstd', 'backports.zstd'):     # Python 3.14 and later; before
        try:
            return importlib.import_module(name).ZstdDecompressor()
        except ImportError:
            pass
    raise ValueError('unpacking zstandard needs the package backports.zstd')
