"""One CSV row per frame: exact nanoseconds, and readable up to the last frame after a crash."""

import csv
import fcntl
import io
import os
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Union

from ..errors import InputError
from ..files import open_regular
from ..timing import STAGES, FrameTiming
from . import stamp_checks

COLUMNS = ['camera', 'sequence', 'stamp_ns', 'outcome', 'clock', 'delay_ms', 'image_ros_ns',
           'received_ros_ns', 'published_ros_ns', 'delivered_ros_ns'] + [stage + '_ns' for stage in STAGES]
_HEADER = (','.join(COLUMNS) + '\n').encode('ascii')
_LONGEST_LINE = 4096
SUFFIXES = ('.csv', '.json', '.png', '.hlog', '.hgrm')      # a recording and what is made of it


class FrameRow(NamedTuple):
    """A frame's timing together with when its label reached the recorder.

    `clock` is stamp_checks.OK or the trouble with the stamp. `delivered_ros_ns` is None where no label
    came; `image_ros_ns` is when the image itself reached the recorder, where it listens to images.
    """

    timing: FrameTiming
    clock: str = stamp_checks.OK
    delivered_ros_ns: Optional[int] = None
    image_ros_ns: Optional[int] = None

    @property
    def delay_ns(self) -> Optional[int]:
        """From the stamp to the label in a subscriber's hands; None without label or without trust."""
        if self.delivered_ros_ns is None or self.clock != stamp_checks.OK:
            return None
        return self.delivered_ros_ns - self.timing.stamp_ns

    def to_line(self) -> bytes:
        """Return the CSV line, newline included."""
        timing, delay = self.timing, self.delay_ns
        values: List[Any] = [
            timing.camera, timing.sequence, timing.stamp_ns, timing.outcome, self.clock,
            '' if delay is None else f'{delay / 1e6:.6f}', self.image_ros_ns,
            timing.received_ros_ns, timing.published_ros_ns, self.delivered_ros_ns]
        values += [timing.marks.get(stage) for stage in STAGES]
        text = io.StringIO()
        csv.writer(text, lineterminator='\n').writerow(values)
        return text.getvalue().encode('utf-8', 'replace')


def parse_line(line: str) -> FrameRow:
    """Read a CSV line back; ValueError where it is none."""
    fields = next(csv.reader([line], strict=True), [])
    if len(fields) != len(COLUMNS):
        raise ValueError(f'{len(fields)} fields, not {len(COLUMNS)}')
    row = dict(zip(COLUMNS, fields))
    numbers: Dict[str, int] = {}
    for key, value in row.items():
        if value and (key.endswith('_ns') or key == 'sequence'):
            numbers[key] = int(value)
            if not -2**63 <= numbers[key] < 2**63:
                raise ValueError('a number of over 64 bits')
    marks = {stage: numbers[stage + '_ns'] for stage in STAGES if stage + '_ns' in numbers}
    try:
        timing = FrameTiming(row['camera'], numbers['sequence'], numbers['stamp_ns'], row['outcome'], marks,
                             numbers['received_ros_ns'], numbers.get('published_ros_ns'))
    except KeyError as error:
        raise ValueError(f'field {error} is empty') from None
    if row['clock'] != stamp_checks.OK and row['clock'] not in stamp_checks.ADVICE:
        raise ValueError('no such clock verdict: {!r}'.format(row['clock']))
    return FrameRow(timing, row['clock'], numbers.get('delivered_ros_ns'), numbers.get('image_ros_ns'))


class RowWriter:
    """Appends rows so that each is in the operating system's hands before the next is made.

    A killed process loses nothing that was written; a full disk loses rows, which are counted in
    `lost`, with the last error in `error` (None while rows go through). The folder is locked: of two
    writers in one the second is refused.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        """Open a new file; an older one of that name is kept under a numbered name. InputError."""
        self.path = Path(path)
        self.written = 0
        self.lost = 0
        self.error: Optional[str] = None
        self._torn = self._gone = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.path.parent)
            keep_older(self.path)
            self._file = os.open(str(self.path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f'{self.path}: cannot be written: {error.strerror}') from None
        self._put(_HEADER)

    def write(self, rows: Iterable[FrameRow]) -> None:
        """Append rows; never raises."""
        for row in rows:
            if self._put(row.to_line()):
                self.written += 1
            else:
                self.lost += 1

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file >= 0:
            self.check()
            os.close(self._file)
            os.close(self._lock)
            self._file = -1

    def check(self) -> None:
        """Look whether the file is still where it was made, and say so in `error` where it is not."""
        try:
            self._gone = not os.path.samestat(os.fstat(self._file), os.stat(str(self.path)))
        except OSError:
            self._gone = True
        if self._gone:
            self.error = 'deleted or moved while it was written'

    @property
    def loss(self) -> Optional[str]:
        """What the recording lacks, None where it has every row; looked at by `check` and `close`."""
        if self._gone:
            return f'{self.path}: deleted or moved while it was written, with its {self.written} rows'
        if self.lost:
            return f'{self.path}: {self.lost} of {self.lost + self.written} rows are missing'
        return None

    def _put(self, line: bytes) -> bool:
        # A line that a full disk cut short is ended first, so that only that one is unreadable.
        data = b'\n' + line if self._torn else line
        try:
            done = os.write(self._file, data)
        except OSError as error:
            self.error = error.strerror
            return False
        if done < len(data):
            self._torn = done > 0
            self.error = 'no space left'
            return False
        self._torn = False
        if not self._gone:
            self.error = None
        return True


def _locked(folder: Path) -> int:
    """Lock a folder for this process; return the handle that holds it."""
    handle = os.open(str(folder), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(f'{folder}: another process records there; give this one a folder of its '
                         'own') from None
    except OSError:     # some network file systems lock no folders
        pass
    return handle


def keep_older(path: Path) -> None:
    """Rename an existing recording and what was made of it: latency.csv to latency.1.csv and so on."""
    if not path.is_file():
        return
    number = 1
    while path.with_name(f'{path.stem}.{number}{path.suffix}').exists():
        number += 1
    for suffix in SUFFIXES:
        older = path.with_suffix(suffix)
        if older.is_file():
            older.rename(path.with_name(f'{path.stem}.{number}{suffix}'))


class RowReader:
    """Iterates the rows of a file; lines that a crash or a full disk tore are counted in `torn`."""

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        self.torn = 0

    def __iter__(self) -> Iterator[FrameRow]:
        """Yield the rows; InputError where the file is missing or is not a latency recording."""
        self.torn = 0
        try:
            with open_regular(self.path) as file:
                if file.readline(_LONGEST_LINE) != _HEADER:
                    raise InputError("{}: no latency recording: its first line must be '{},...'".format(
                        self.path, ','.join(COLUMNS[:3])))
                while True:
                    line = file.readline(_LONGEST_LINE)
                    if not line:
                        return
                    try:
                        if not line.endswith(b'\n'):
                            raise ValueError('torn')
                        yield parse_line(line.decode('utf-8').rstrip('\n'))
                    except (ValueError, csv.Error):
                        self.torn += 1
        except OSError as error:
            raise InputError(f'{self.path}: {error.strerror}') from None
