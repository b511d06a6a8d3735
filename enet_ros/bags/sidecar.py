"""The sidecar of a bag: which frame of which data set each stamp is.

A CSV file with the columns filename, stamp (seconds, exact to the nanosecond), sequence. `record_bag` puts
one named frames.csv into the bag's folder; users can write one for their own bags.
"""

import csv
from decimal import Decimal
import io
from pathlib import Path
from typing import Dict, Iterable, NamedTuple, Optional, Tuple, Union

from ..errors import InputError
from ..files import read_bytes, write_bytes

NAME = 'frames.csv'
COLUMNS = ('filename', 'stamp', 'sequence')
_MAX_BYTES, _MAX_ROWS = 64 << 20, 500000
_LONGEST_STAMP = 40     # characters


class Entry(NamedTuple):
    """A frame's file name (folder and suffix are optional) and the drive it belongs to."""

    name: str
    sequence: str


def read(path: Union[str, Path]) -> Dict[int, Entry]:
    """Return stamp in ns -> Entry; InputError names the wrong line."""
    path = Path(path)
    found: Dict[int, Entry] = {}
    try:
        text = read_bytes(path, _MAX_BYTES, 'sidecar').decode('utf-8-sig')
        rows = csv.DictReader(io.StringIO(text, newline=''))
        missing = [name for name in COLUMNS[:2] if name not in (rows.fieldnames or ())]
        if missing:
            raise InputError(f'{path}: its first line lacks the column {missing[0]} '
                             '(filename,stamp,sequence)')
        for row in rows:
            stamp_ns = _nanoseconds(row['stamp'])
            if stamp_ns is None or not row['filename'] or len(found) >= _MAX_ROWS:
                raise InputError(f'{path}, line {rows.line_num}: no file name and stamp in seconds, '
                                 f'or more than {_MAX_ROWS} frames')
            found[stamp_ns] = Entry(row['filename'], row.get('sequence') or '')
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f'{path}: not a CSV file: {error}') from None
    return found


def write(path: Path, entries: Iterable[Tuple[int, str, str]]) -> None:
    """Write (stamp in ns, name, sequence) rows; InputError where that fails."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(COLUMNS)
    rows.writerows((name, seconds(stamp_ns), sequence) for stamp_ns, name, sequence in entries)
    write_bytes(path, text.getvalue().encode('utf-8'), 'the sidecar was')


def seconds(stamp_ns: int) -> str:
    """Return a stamp as text in seconds, all nine decimals."""
    return '{}.{:09d}'.format(*divmod(stamp_ns, 10**9))


def _nanoseconds(text: Optional[str]) -> Optional[int]:
    try:
        stamp = Decimal((text or '')[:_LONGEST_STAMP]) * 10**9
        return int(stamp.to_integral_value()) if abs(stamp) < 2**63 else None
    except (ArithmeticError, ValueError):
        return None
