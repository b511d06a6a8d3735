"""Rows survive the file exactly, and the file survives what happens to it."""

import os
from pathlib import Path
import resource
import shutil
import signal
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from latency_samples import EPOCH, row, steady
import pytest

from enet_ros.errors import InputError
from enet_ros.latency import stamp_checks
from enet_ros.latency.rows import FrameRow, RowReader, RowWriter, parse_line
from enet_ros.timing import DROP_REASONS, SEGMENTED, STAGES, FrameTiming

_NS = st.integers(-2**63, 2**63 - 1)
_ROWS = st.builds(
    FrameRow,
    st.builds(FrameTiming, st.text(st.characters(blacklist_categories=('Cs', 'Cc')), max_size=20),
              st.integers(0, 2**40), _NS, st.sampled_from((SEGMENTED,) + DROP_REASONS),
              st.dictionaries(st.sampled_from(STAGES), _NS), _NS, st.none() | _NS),
    st.sampled_from([stamp_checks.OK] + sorted(stamp_checks.ADVICE)), st.none() | _NS, st.none() | _NS)


@given(_ROWS)
def test_exact(made: FrameRow) -> None:
    """To the nanosecond, whatever the camera is called."""
    assert parse_line(made.to_line().decode('utf-8').rstrip('\n')) == made


@given(st.text(max_size=200))
def test_any_line_is_a_row_or_refused(line: str) -> None:
    """No line can do worse than a ValueError (csv.Error is none of the parser's business)."""
    import csv
    try:
        assert isinstance(parse_line(line), FrameRow)
    except (ValueError, csv.Error):
        pass


def test_torn_last_line(tmp_path: Path) -> None:
    """Cut anywhere in the last line, the file gives every whole row."""
    writer = RowWriter(tmp_path / 'latency.csv')
    writer.write(steady(5))
    writer.close()
    data = writer.path.read_bytes()
    last = len(data.rstrip(b'\n')) - data.rstrip(b'\n').rfind(b'\n') - 1
    for cut in range(1, last + 1, 7):
        writer.path.write_bytes(data[:-cut])
        reader = RowReader(writer.path)
        assert list(reader) == steady(4) and reader.torn == 1


def test_killed_recorder_leaves_its_rows(tmp_path: Path) -> None:
    """After kill -9 all rows that were written are there."""
    path = tmp_path / 'latency.csv'
    code = ('import os, signal\nfrom latency_samples import steady\n'
            'from enet_ros.latency.rows import RowWriter\n'
            f'w = RowWriter({str(path)!r})\nw.write(steady(300))\n'
            'os.kill(os.getpid(), signal.SIGKILL)')
    here = Path(__file__).resolve().parent
    done = subprocess.run([sys.executable, '-c', code], env=dict(
        os.environ, PYTHONPATH=os.pathsep.join([str(here), str(here.parent.parent)])))
    assert done.returncode == -signal.SIGKILL
    assert list(RowReader(path)) == steady(300)


def test_disk_full_is_told_and_survived(tmp_path: Path) -> None:
    """Rows that find no space are counted; when there is space again the rest is readable."""
    writer = RowWriter(tmp_path / 'latency.csv')
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer.write(steady(10))
    resource.setrlimit(resource.RLIMIT_FSIZE, (writer.path.stat().st_size + 250, old[1]))
    try:
        writer.write(steady(10))
        assert writer.lost == 9 and writer.error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    writer.write(steady(3))
    writer.close()
    reader = RowReader(writer.path)
    assert list(reader) == steady(10) + steady(1) + steady(3) and reader.torn == 1
    assert writer.error is None and writer.written == 14


def test_no_recording_is_overwritten(tmp_path: Path) -> None:
    """A second recording of the same name leaves the first under a number."""
    for count in (3, 2, 1):
        writer = RowWriter(tmp_path / 'run' / 'latency.csv')
        writer.write(steady(count))
        writer.close()
        writer.path.with_suffix('.json').write_text(str(count))
    names = ('latency.1.csv', 'latency.2.csv', 'latency.csv')
    assert [len(list(RowReader(tmp_path / 'run' / name))) for name in names] == [3, 2, 1]
    assert (tmp_path / 'run' / 'latency.2.json').read_text() == '2'


@pytest.mark.parametrize('content', [b'', b'stamp,latency\n1,2\n', b'\x89PNG' + bytes(100), b'x' * 10000])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """One line, which names the file."""
    (tmp_path / 'other.csv').write_bytes(content)
    with pytest.raises(InputError, match='other.csv'):
        list(RowReader(tmp_path / 'other.csv'))


def test_unwritable_places_are_refused(tmp_path: Path) -> None:
    """A folder that is a file is told at the start, not after an hour of recording."""
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='cannot be written'):
        RowWriter(tmp_path / 'file' / 'latency.csv')


def test_delay_needs_a_label_and_a_good_clock() -> None:
    """What cannot be believed is no number."""
    assert row(0, 0, 25).delay_ns == 25 * 10**6 and row(0, 0, 25).delivered_ros_ns == EPOCH + 25 * 10**6
    assert row(0, 0, None).delay_ns is None and row(0, 0, 25, stamp_checks.STALE).delay_ns is None


def test_two_recorders_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second would have renamed the first one's file, and both would have mixed their rows."""
    first = RowWriter(tmp_path / 'latency.csv')
    with pytest.raises(InputError, match='another process'):
        RowWriter(tmp_path / 'latency.csv')
    first.close()
    RowWriter(tmp_path / 'latency.csv').close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['latency.1.csv', 'latency.csv']


@pytest.mark.parametrize('how', ['file', 'folder', 'replaced'])
def test_a_recording_that_is_gone_is_told(how: str, tmp_path: Path) -> None:
    """Rows go on into a file that nobody will find: an error, not a recording that stands."""
    writer = RowWriter(tmp_path / 'run' / 'latency.csv')
    writer.write(steady(1))
    writer.check()
    assert writer.error is None and writer.loss is None
    if how == 'folder':
        shutil.rmtree(str(tmp_path / 'run'))
    else:
        (tmp_path / 'run' / 'latency.csv').unlink()
        if how == 'replaced':
            (tmp_path / 'run' / 'latency.csv').write_text('')
    writer.check()
    writer.write(steady(1))
    assert 'deleted' in writer.error
    writer.close()
    assert 'deleted' in writer.loss and '2 rows' in writer.loss
