"""What is pinned installs on the day that a newer release of something pinned comes out."""

import hashlib
import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Dict, List
import zipfile

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Index:
    """A package index in a folder (PEP 503), and pins with the hashes of what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hashes: Dict[str, str] = {}

    def publish(self, name: str, version: str, *metadata: str) -> None:
        """Add a wheel of one empty module."""
        folder = self.folder / 'simple' / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f'{name}-{version}-py3-none-any.whl'
        info = f'{name}-{version}.dist-info'
        lines = ['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}'] + list(metadata)
        with zipfile.ZipFile(str(path), 'w') as wheel:
            wheel.writestr(f'{name}.py', '')
            wheel.writestr(f'{info}/METADATA', '\n'.join(lines) + '\n')
            wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n'
                                            'Tag: py3-none-any\n')
            wheel.writestr(f'{info}/RECORD', ''.join(f'{entry},,\n' for entry in (
                f'{name}.py', f'{info}/METADATA', f'{info}/WHEEL', f'{info}/RECORD')))
        self.hashes[f'{name}=={version}'] = hashlib.sha256(path.read_bytes()).hexdigest()
        links = sorted(entry.name for entry in folder.glob('*.whl'))
        (folder / 'index.html').write_text(''.join(f'<a href="{link}">{link}</a>\n' for link in links))

    def pins(self, *requirements: str) -> str:
        return ''.join(f'{each} \\\n    --hash=sha256:{self.hashes[each]}\n' for each in requirements)


@pytest.fixture(scope='module')
def environment(tmp_path_factory) -> Path:
    """Return a virtual environment with pip, to be copied: its Python finds itself wherever it stands."""
    folder = tmp_path_factory.mktemp('environment') / '.venv'
    subprocess.run([sys.executable, '-m', 'venv', str(folder)], check=True)
    return folder


@pytest.fixture
def clone(environment, tmp_path) -> Path:
    """Return a clone whose tests need two packages, one of which wants the other with an extra."""
    folder = tmp_path / 'clone'
    shutil.copytree(str(ROOT / 'requirements'), str(folder / 'requirements'))
    index = Index(tmp_path)
    index.publish('measure', '1.0', 'Provides-Extra: toml')
    index.publish('plugin', '1.0', 'Requires-Dist: measure[toml]>=0.5')
    (folder / 'requirements' / 'test.txt').write_text(index.pins('measure==1.0', 'plugin==1.0'))
    index.publish('measure', '1.1', 'Provides-Extra: toml')   # after the pins were made
    shutil.copytree(str(environment), str(folder / '.venv'), symlinks=True)
    return folder


def run(clone: Path, *command: str) -> 'subprocess.CompletedProcess[str]':
    settings = {name: value for name, value in os.environ.items() if not name.startswith('PIP_')}
    settings.update(PIP_INDEX_URL=(clone.parent / 'simple').as_uri(), PIP_CONFIG_FILE=os.devnull)
    return subprocess.run(command, cwd=str(clone), env=settings, universal_newlines=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def installed(clone: Path) -> List[str]:
    listed = run(clone, '.venv/bin/python', '-m', 'pip', 'freeze').stdout
    return [line for line in listed.splitlines() if line.startswith(('measure', 'plugin'))]


def test_newer_release_does_not_break_the_install(clone):
    done = run(clone, 'sh', 'requirements/install.sh', 'test')
    assert done.returncode == 0, done.stdout
    assert installed(clone) == ['measure==1.0', 'plugin==1.0']


def test_letting_pip_resolve_what_is_pinned_fails(clone):
    """What install.sh did before; should a later pip mend this, --no-deps can go."""
    done = run(clone, '.venv/bin/python', '-m', 'pip', 'install', '--require-hashes',
               '-r', 'requirements/test.txt')
    assert done.returncode and 'must have their versions pinned' in done.stdout, done.stdout
    assert not installed(clone)


def test_incomplete_pins_are_noticed(clone):
    """--no-deps takes pins that lack something; the check after it does not."""
    pins = clone / 'requirements' / 'test.txt'
    pins.write_text(pins.read_text().split('\n', 2)[2])
    done = run(clone, 'sh', 'requirements/install.sh', 'test')
    assert installed(clone) == ['plugin==1.0']
    assert done.returncode == 2 and 'plugin 1.0 requires measure' in done.stdout
