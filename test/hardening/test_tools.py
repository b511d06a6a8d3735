"""Paths that are no files of the expected kind, given to every tool: one line, exit code 2, no waiting."""

import os
from pathlib import Path
from typing import Any, Dict, List

import pytest

from enet_ros.__main__ import load
from enet_ros.errors import InputError
from enet_ros.files import open_regular, read_bytes

TOOLS: Dict[str, List[str]] = {
    'evaluate_bag': ['{}'], 'evaluate_dataset': ['{}', '--weights', 'camvid'], 'record_bag': ['{}', '{out}'],
    'import_weights': ['{}', '{out}'], 'plot_prelu': ['--weights', '{}', '--output', '{out}'],
    'compare_latency': ['{}'], 'check_data': ['{}', '--output', '{out}'],
    'train': ['--data', '{}', '--output', '{out}']}


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
@pytest.mark.parametrize('tool', sorted(TOOLS))
def test_one_line_and_code_two(tool: str, hostile: List[str], tmp_path: Path, capsys: Any) -> None:
    """Whatever the path is, the tool says what is wrong with it and ends."""
    main = load(tool)
    for path in hostile:
        code = main([argument.format(path, out=tmp_path / 'out') for argument in TOOLS[tool]])
        lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        assert code == 2 and len(lines) == 1 and lines[0].startswith('error: '), (path[:100], code, lines)
    assert not (Path(hostile[0]).parent / 'executed').exists()


def test_only_regular_files_are_opened(hostile: List[str], tmp_path: Path) -> None:
    """Pipes, devices, folders and impossible names are refused at once; sizes before reading."""
    for path in hostile[:2] + ['/dev/zero', '/dev/null', str(tmp_path), 'a\0b', 'x' * 5000]:
        with pytest.raises(InputError):
            open_regular(path)
    (tmp_path / 'file').write_bytes(b'12345')
    assert read_bytes(tmp_path / 'file', 5, 'test') == b'12345'
    with pytest.raises(InputError, match='of any test'):
        read_bytes(tmp_path / 'file', 4, 'test')
