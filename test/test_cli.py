"""Exit codes, JSON and the list of executables."""

import json
import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

from enet_ros import __main__ as entry
from enet_ros import cli
from enet_ros.errors import InputError
from enet_ros.json_files import write_json


@pytest.mark.parametrize('raised, code, told', [
    (None, 0, ''), (InputError('file.x: two\nlines'), 2, 'error: file.x: two lines\n'),
    (KeyboardInterrupt(), 130, 'interrupted\n')])
def test_guard(raised, code, told, capsys):
    @cli.guard
    def main(argv=None):
        if raised is not None:
            raise raised
    assert main([]) == code
    assert capsys.readouterr().err == told


def test_a_defect_is_one_line_that_says_where_and_hides_nothing(capsys, monkeypatch):
    @cli.guard
    def main(argv=None):
        raise ZeroDivisionError('by\nnothing')
    assert main([]) == cli.EXIT_DEFECT
    told = capsys.readouterr().err
    assert told.count('\n') == 1 and 'ZeroDivisionError in test_cli.py, line' in told and 'report' in told
    monkeypatch.setenv(cli.TRACEBACK, '1')
    with pytest.raises(ZeroDivisionError):
        main([])


def test_json_is_strict_and_plain(tmp_path):
    write_json(tmp_path / 'deep' / 'r.json', {
        'nan': float('nan'), 'array': np.array([1, 2]), 'scalar': np.float32(0.5),
        'path': Path('a'), 3: (1, np.inf)})
    assert json.loads((tmp_path / 'deep' / 'r.json').read_text()) == {
        'nan': None, 'array': [1, 2], 'scalar': 0.5, 'path': 'a', '3': [1, None]}
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='not written'):
        write_json(tmp_path / 'file' / 'r.json', {})


def test_unknown_executable_and_help(capsys):
    assert entry.main(['nonsense']) == 2
    assert "there is no 'nonsense'" in capsys.readouterr().err
    assert entry.main(['--help']) == 0
    assert 'segmentation_node' in capsys.readouterr().out


@pytest.mark.parametrize('name', sorted(entry.EXECUTABLES))
def test_every_listed_executable_is_there(name):
    assert callable(entry.load(name))


@pytest.mark.parametrize('arguments', [['--help'], ['predict', '--help'], ['--version']])
def test_a_reader_that_goes_away_is_no_error(arguments):
    """The pipe is closed before anything is written, as by `| head -0`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, '-m', 'enet_ros'] + arguments, stdout=writing,
                          stderr=subprocess.PIPE, cwd=str(Path(entry.__file__).parents[1]))
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b'')
