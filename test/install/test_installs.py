"""The three ways to have the package: built by colcon, installed by pip, run from the source tree."""

import os
from pathlib import Path
import shutil
import stat
import subprocess
import sys
import sysconfig
from typing import Dict, List, Optional

import pytest

from enet_ros.__main__ import EXECUTABLES

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ('config', 'enet_ros', 'launch', 'models', 'requirements', 'resource', 'scripts',
            'LICENSE', 'README.md', 'package.xml', 'setup.cfg', 'setup.py')
NEEDED = ('config/classes/camvid.yaml', 'config/fastdds.xml', 'launch/segment.launch.py',
          'models/enet_synthetic.npz')
SHOW = """
from enet_ros import resources
import enet_ros
print(enet_ros.__file__)
for name in {names!r}:
    print(resources.find(*name.split('/', 1)))
"""


def environment(**extra: str) -> Dict[str, str]:
    """Return this environment without what would let the source tree or a sourced ROS shine through."""
    kept = {name: value for name, value in os.environ.items()
            if name not in ('PYTHONPATH', 'LD_LIBRARY_PATH', 'AMENT_PREFIX_PATH', 'COLCON_PREFIX_PATH')}
    return dict(kept, PYTHONDONTWRITEBYTECODE='1', **extra)


def run(command: List[str], cwd: Path, env: Optional[Dict[str, str]] = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=str(cwd), env=env or environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, f'{command}\n{done.stdout}'
    return done.stdout


def executables(folder: Path) -> List[str]:
    """Return the names that `ros2 run` would offer: the executable files of a folder."""
    return sorted(path.name for path in folder.iterdir() if path.is_file() and os.access(str(path), os.X_OK))


def files_below(folder: Path) -> List[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*')
                  if path.is_file() and '__pycache__' not in path.parts and not path.name.startswith('.'))


def assert_complete(prefix: Path, source: Path) -> None:
    """Everything that is in the source tree's config, launch and models is in the prefix."""
    for kind in ('config', 'launch', 'models'):
        assert files_below(prefix / 'share' / 'enet_ros' / kind) == files_below(source / kind)
    assert (prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / 'enet_ros').is_file()
    assert (prefix / 'share' / 'enet_ros' / 'package.xml').is_file()


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Path:
    """Return a copy of the package as colcon and pip find it in a clone."""
    target = tmp_path_factory.mktemp('workspace') / 'src' / 'enet_ros'
    target.mkdir(parents=True)
    for name in PACKAGED:
        if (ROOT / name).is_dir():
            shutil.copytree(str(ROOT / name), str(target / name), symlinks=True,
                            ignore=shutil.ignore_patterns('__pycache__', '.*'))
        elif (ROOT / name).exists():
            shutil.copy2(str(ROOT / name), str(target / name))
    return target


def test_every_executable_has_its_file():
    assert executables(ROOT / 'scripts') == sorted(EXECUTABLES)


@pytest.mark.timeout(300)
@pytest.mark.parametrize('options', [[], ['--symlink-install']], ids=['copied', 'symlinked'])
def test_colcon(source, options, tmp_path):
    colcon = Path(sys.executable).parent / 'colcon'
    if not colcon.exists():
        pytest.skip('colcon is not installed')
    workspace = source.parent.parent
    assert 'ros.ament_python' in run([colcon, '--log-base', tmp_path / 'log', 'list'], workspace)
    run([colcon, '--log-base', tmp_path / 'log', 'build', '--build-base', tmp_path / 'build',
         '--install-base', tmp_path / 'install'] + options, workspace)
    prefix = tmp_path / 'install' / 'enet_ros'
    assert_complete(prefix, source)
    # `enet_ros` itself comes along: pip's console script goes where setup.cfg sends it.
    assert executables(prefix / 'lib' / 'enet_ros') == sorted(list(EXECUTABLES) + ['enet_ros'])
    assert not (prefix / 'bin').exists()

    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    script = f'. {tmp_path}/install/local_setup.sh && exec "$@"'
    shell = ['sh', '-c', script, 'sh']
    env = environment(PATH=path)
    lines = run(shell + ['python3', '-c', SHOW.format(names=NEEDED)], tmp_path, env).splitlines()
    place = source if options else prefix / 'share' / 'enet_ros'
    assert lines[1:] == [str(place / name) for name in NEEDED]
    assert str(ROOT) not in lines[0]
    for name in ('evaluate_dataset', 'enet_ros'):
        said = run(shell + [prefix / 'lib' / 'enet_ros' / name, '--help'], tmp_path, env)
        assert said.startswith('usage: enet_ros ')


@pytest.mark.timeout(300)
def test_pip(source, tmp_path):
    run([sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'venv'], tmp_path)
    python = tmp_path / 'venv' / 'bin' / 'python'
    where = 'import sysconfig; print(sysconfig.get_path("purelib"))'
    site = Path(run([python, '-c', where], tmp_path).strip())
    # The libraries are the ones of this environment: what is tested is the package, not the network.
    (site / 'libraries.pth').write_text(f'{sysconfig.get_path("purelib")}\n')
    before = set(executables(tmp_path / 'venv' / 'bin'))
    run([sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', '--no-deps', '--no-index',
         '--no-build-isolation', source], tmp_path)
    assert_complete(tmp_path / 'venv', source)
    assert set(executables(tmp_path / 'venv' / 'bin')) - before == {'enet_ros'}
    assert executables(tmp_path / 'venv' / 'lib' / 'enet_ros') == sorted(EXECUTABLES)

    lines = run([python, '-c', SHOW.format(names=NEEDED)], tmp_path).splitlines()
    assert Path(lines[0]).parent.parent == site
    assert lines[1:] == [str(tmp_path / 'venv' / 'share' / 'enet_ros' / name) for name in NEEDED]
    assert (site / 'enet_ros' / 'py.typed').is_file()
    said = run([tmp_path / 'venv' / 'bin' / 'enet_ros', 'evaluate_dataset', '--help'], tmp_path)
    assert said.startswith('usage: enet_ros evaluate_dataset')
    assert files_below(site / 'enet_ros') == files_below(source / 'enet_ros')


def test_source_tree(tmp_path):
    env = environment(PYTHONPATH=str(ROOT))
    lines = run([sys.executable, '-c', SHOW.format(names=NEEDED)], tmp_path, env)
    assert lines.splitlines()[1:] == [str(ROOT / name) for name in NEEDED]
    assert (ROOT / 'scripts' / 'segmentation_node').stat().st_mode & stat.S_IXUSR
