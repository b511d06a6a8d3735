"""Paths that are no files of the expected kind, given to every tool: one line, exit code 2, no waiting."""

import os
from pathlib import Path
from typing import Any, List

import pytest

from enet_ros.__main__ import load
from enet_ros.deploy.cache import EngineCache
from enet_ros.errors import InputError
from enet_ros.files import open_lock, open_regular, read_bytes
from enet_ros.training import state

_SYNTHETIC = 'predict synthetic --frames 1 --output {out} '
TOOLS = [
    'evaluate_bag {}', 'evaluate_dataset {} --weights camvid', 'record_bag {} {out}', 'compare_latency {}',
    'import_weights {} {out}', 'import_weights {out} {out} --classes {}', 'check_data {} --output {out}',
    'plot_prelu --weights {} --output {out}', 'train --data {} --output {out}',
    'export --weights {} --output {out}.onnx', 'build_engine --weights {} --dry-run',
    'predict {} --output {out}', _SYNTHETIC + '--weights {}', _SYNTHETIC + '--classes {}',
    _SYNTHETIC + '--ego-mask {}']


@pytest.fixture(scope='module')
def hostile(tmp_path_factory: pytest.TempPathFactory) -> List[str]:
    """Return paths that nobody should give."""
    root = tmp_path_factory.mktemp('hostile')
    os.mkfifo(str(root / 'pipe.npz'))
    os.symlink('loop', str(root / 'loop'))
    with (root / 'sparse.npz').open('wb') as file:
        file.truncate(1 << 40)
    (root / 'bag').mkdir()
    (root / 'bag' / 'metadata.yaml').write_text(
        '!!python/object/apply:os.system ["touch {}"]'.format(root / 'executed'))
    (root / 'random').write_bytes(bytes((index * 97 + 13) % 256 for index in range(3000)))
    (root / 'empty').mkdir()
    names = ('pipe.npz', 'loop', 'sparse.npz', 'bag', 'random', 'empty', 'missing', 'two\nlines')
    return [str(root / name) for name in names] + ['/dev/zero', 'x' * 5000, '']


@pytest.mark.timeout(60)
@pytest.mark.parametrize('command', TOOLS)
def test_one_line_and_code_two(command: str, hostile: List[str], tmp_path: Path, capsys: Any) -> None:
    """Whatever the path is, the tool says what is wrong with it and ends."""
    tool, *arguments = command.split()
    main = load(tool)
    for path in hostile:
        code = main([argument.format(path, out=tmp_path / 'out') for argument in arguments])
        lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        assert code == 2 and len(lines) == 1 and lines[0].startswith('error: '), (path[:100], code, lines)
    assert not (Path(hostile[0]).parent / 'executed').exists()


@pytest.mark.timeout(60)
def test_locks_are_neither_waited_for_nor_followed(tmp_path: Path) -> None:
    """Whoever may write into the folder can put a pipe or a link where the lock belongs."""
    os.mkfifo(str(tmp_path / 'pipe'))
    os.symlink('elsewhere', str(tmp_path / 'link'))
    for name in ('pipe', 'link'):
        with pytest.raises(OSError):
            open_lock(tmp_path / name)
    assert not (tmp_path / 'elsewhere').exists()
    cache = EngineCache(tmp_path)
    os.symlink('elsewhere', str(cache.path({'a': 1}).with_suffix('.lock')))
    with pytest.raises(InputError, match='engine cache'), cache.lock({'a': 1}):
        pass
    os.mkfifo(str(tmp_path / 'lock'))
    with pytest.raises(OSError), state.locked(tmp_path):
        pass


def test_only_regular_files_are_opened(hostile: List[str], tmp_path: Path) -> None:
    """Pipes, devices, folders and impossible names are refused at once; sizes before reading."""
    for path in hostile[:2] + ['/dev/zero', '/dev/null', str(tmp_path), 'a\0b', 'x' * 5000]:
        with pytest.raises(InputError):
            open_regular(path)
    (tmp_path / 'file').write_bytes(b'12345')
    assert read_bytes(tmp_path / 'file', 5, 'test') == b'12345'
    with pytest.raises(InputError, match='of any test'):
        read_bytes(tmp_path / 'file', 4, 'test')
