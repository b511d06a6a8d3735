"""ruff, mypy, the import contracts, shellcheck and hadolint, over everything."""

from pathlib import Path
import subprocess
import sys
from typing import List

import pytest
import sources


def lint(command: List[str], paths: List[Path]) -> None:
    assert paths, 'nothing to check: the list of files is wrong'
    tool = Path(sys.executable).parent / command[0]
    if not tool.exists():
        pytest.skip(f'{command[0]} is not installed')
    done = subprocess.run([str(tool)] + command[1:] + [str(path) for path in paths], cwd=str(sources.ROOT),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, '\n' + done.stdout


def test_python():
    lint(['ruff', 'check', '--quiet', '--no-cache', '--output-format', 'concise'], sources.python_files())


def test_import_contracts():
    lint(['lint-imports', '--no-cache', '--config'], [sources.ROOT / '.importlinter'])


def test_types():
    lint(['mypy', '--no-incremental'], [sources.ROOT / 'enet_ros'])


def test_shell():
    lint(['shellcheck'], sources.shell_files())


def test_docker():
    found = [path for path in sources.files() if path.name.startswith('Dockerfile')]
    if not found:
        pytest.skip('no Dockerfile')
    lint(['hadolint', '--failure-threshold', 'warning'], found)
