"""The files of the repository, as the linters see them."""

import ast
from pathlib import Path
import subprocess
from typing import Iterator, List, Tuple

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = ('.venv', 'build', 'install', 'log', 'out')


def files() -> List[Path]:
    """Return every file that is, or would be, committed; without git every file outside build outputs."""
    if (ROOT / '.git').exists():
        listing = subprocess.run(
            ['git', '-c', 'safe.directory=*', 'ls-files', '--cached', '--others', '--exclude-standard', '-z'],
            cwd=str(ROOT), stdout=subprocess.PIPE, check=True).stdout.decode()
        found = [ROOT / name for name in listing.split('\0') if name]
    else:
        found = [path for path in ROOT.rglob('*') if not set(path.relative_to(ROOT).parts) & set(SKIPPED)
                 and '__pycache__' not in path.parts]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def text(path: Path) -> str:
    """Return a file's text, '' where it is binary."""
    data = path.read_bytes()
    return '' if b'\0' in data else data.decode('utf-8', 'replace')


def python_files() -> List[Path]:
    """Return every Python file: by its suffix or by its first line."""
    return [path for path in files() if path.suffix == '.py'
            or (not path.suffix and text(path).startswith('#!/usr/bin/env python3'))]


def shell_files() -> List[Path]:
    """Return every shell script: by its suffix or by its first line."""
    return [path for path in files() if path.suffix in ('.sh', '.bash')
            or (not path.suffix and text(path).startswith(('#!/bin/sh', '#!/bin/bash')))]


def imported(path: Path) -> Iterator[Tuple[str, int]]:
    """Yield the top-level name and the line of every absolute import in a Python file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split('.')[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split('.')[0], node.lineno
