"""sqlite3 files of rosbag2 read row by row in the order of recording, past damaged pages.

Only two ordinary tables are read: a view of that name can go on for ever, and a computed column can make
gigabytes of nothing.
"""

from pathlib import Path
import re
import sqlite3
import time
from typing import Any, Collection, Dict, Iterator, List, Optional, Tuple

from ..errors import one_line
from .messages import MAX_MESSAGE_BYTES, Message, Tell
from .metadata import Topic

MAGIC = b'SQLite format 3\0'
_COLUMNS = {'messages': {'id', 'topic_id', 'timestamp', 'data'}, 'topics': {'id', 'name', 'type'}}
_MAX_TOPICS = 65536
_STALLED_SECONDS = 15.0     # without a row
_STEPS = 1 << 20            # rows tried behind a damaged page


class _File:
    """An open file with the two tables of a bag; sqlite3.DatabaseError where it has none."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f'{path.resolve().as_uri()}?mode=ro&immutable=1', uri=True)
        self._asked = time.monotonic()
        self._connection.set_progress_handler(
            lambda: time.monotonic() - self._asked > _STALLED_SECONDS, 1 << 14)
        try:
            # Lets sqlite open a file that is shorter than its header claims.
            self._connection.execute('PRAGMA writable_schema=ON')
            for table in _COLUMNS:
                self._check(table)
            self.topics: Dict[Any, Topic] = {}
            for number, name, type_ in self._rows(
                    'SELECT id, substr(name, 1, 4096), substr(type, 1, 4096) FROM topics NOT INDEXED '
                    f'LIMIT {_MAX_TOPICS}'):
                if isinstance(name, str) and isinstance(type_, str):
                    self.topics[number] = Topic(name, type_, 0)
        except BaseException:
            self.close()
            raise

    def _check(self, table: str) -> None:
        """Raise where a table is a view, virtual, computed, or not ordered by its ids."""
        made = [str(row[0]) for row in self._rows(
            'SELECT substr(sql, 1, 100) FROM sqlite_master WHERE lower(name) = ? LIMIT 2', table)]
        columns = list(self._rows(f'PRAGMA table_info({table})'))   # computed columns are not among them
        keys = [(name.lower(), str(kind).lower()) for _, name, kind, _, _, key in columns if key]
        if len(made) != 1 or not re.match(r'\s*CREATE\s+TABLE\b', made[0], re.I) \
                or not _COLUMNS[table] <= {column[1].lower() for column in columns} \
                or keys != [('id', 'integer')]:
            raise sqlite3.DatabaseError(f'its `{table}` is no table as rosbag2 makes it')

    def _rows(self, query: str, *values: Any) -> Iterator[Tuple[Any, ...]]:
        self._asked = time.monotonic()
        for row in self._connection.execute(query, values):
            yield row
            self._asked = time.monotonic()

    def rows(self, last: int, wanted: Collection[int]) -> Iterator[Tuple[Any, ...]]:
        """Yield (id, topic, time, data) of the messages behind id `last`, in rising order.

        `data` is None where its topic is not `wanted`, and where it is larger than any image.
        """
        chosen = ','.join(str(int(number)) for number in wanted) or 'NULL'
        loaded = f"topic_id IN ({chosen}) AND typeof(data) = 'blob' AND length(data) <= {MAX_MESSAGE_BYTES}"
        for row in self._rows(f'SELECT id, topic_id, timestamp, CASE WHEN {loaded} THEN data END '
                              'FROM messages NOT INDEXED WHERE id > ? ORDER BY id', last):
            if row[0] <= last:      # garbage: behind it the same rows would come again and again
                raise sqlite3.DatabaseError('ids that do not rise')
            last = row[0]
            yield row

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def check(path: Path) -> None:
    """Raise sqlite3.Error where a file is no bag, or holds what would hurt its reader."""
    _File(path).close()


def messages(path: Path, tell: Tell, wanted: Optional[Collection[str]]) -> Iterator[Message]:
    """Yield the messages of a file; damage is reported and skipped."""
    try:
        file = _File(path)
    except sqlite3.Error as error:
        tell(f'{path.name}: {one_line(str(error), 120)}')
        return
    names = {number: topic for number, topic in file.topics.items()
             if isinstance(number, int) and (wanted is None or topic.name in wanted)}
    left = path.stat().st_size      # pages that are named again and again hold more than there is
    try:
        for _, number, log_ns, data in _salvaged(file, path, tell, list(names)):
            if number not in names:
                continue
            if not isinstance(data, bytes) or not isinstance(log_ns, int):
                tell(f'{path.name}: a message of another kind or size than rosbag2 writes is left out')
                continue
            left -= len(data)
            if left < 0:
                tell(f'{path.name}: its messages are larger than the file')
                return
            yield Message(names[number].name, names[number].type, log_ns, data)
    finally:
        file.close()


def _salvaged(file: _File, path: Path, tell: Tell, wanted: List[int]) -> Iterator[Tuple[Any, ...]]:
    """Yield all rows that can be read, in wider and wider steps behind a damaged page."""
    last = step = 0
    while step < _STEPS:
        try:
            for row in file.rows(last + step, wanted):
                last, step = row[0], 0
                yield row
            return
        except (sqlite3.Error, OverflowError) as error:
            if step == 0:
                tell(f'{path.name}: damaged behind row {last} ({one_line(str(error), 120)})')
            step = max(1, 2 * step)


def topics(path: Path, tell: Tell) -> Dict[str, Topic]:
    """Return the topics and how many messages of each there are; problems are reported."""
    try:
        file = _File(path)
    except sqlite3.Error as error:
        tell(f'{path.name}: {one_line(str(error), 120)}')
        return {}
    found: Dict[str, Topic] = {topic.name: topic for topic in file.topics.values()}
    try:
        for _, number, _, _ in _salvaged(file, path, tell, []):
            topic = file.topics.get(number) if isinstance(number, int) else None
            if topic is not None:
                found[topic.name] = found[topic.name]._replace(count=found[topic.name].count + 1)
    finally:
        file.close()
    return found
