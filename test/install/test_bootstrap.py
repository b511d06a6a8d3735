"""`make` on a fresh machine: which Python it takes, what it says where it cannot, what it keeps out."""

import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Dict, Tuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path) -> Path:
    shutil.copytree(str(ROOT / 'requirements'), str(tmp_path / 'clone' / 'requirements'))
    return tmp_path / 'clone'


def python(folder: Path, name: str, body: str) -> Path:
    """Write an interpreter: a shell script in front of the real one."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\n{body}\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


def install(clone: Path, **extra: str) -> Tuple[int, str]:
    done = subprocess.run(['sh', 'requirements/install.sh', 'runtime'], cwd=str(clone),
                          env=dict(os.environ, **extra), universal_newlines=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def test_too_old(clone, tmp_path):
    old = python(tmp_path / 'bin', 'python3', 'case "$*" in *version_info*) exit 1 ;; esac')
    code, said = install(clone, PYTHON=str(old))
    assert code == 2 and said.count('\n') == 1
    assert '3.10, 3.11, 3.12 or 3.13 is needed' in said and 'PYTHON=' in said


def test_no_venv_module(clone, tmp_path):
    bare = python(tmp_path / 'bin', 'python3', 'case "$*" in *ensurepip*) exit 1 ;; esac')
    code, said = install(clone, PYTHON=str(bare))
    version = 'python{}.{}'.format(*sys.version_info)
    assert code == 2 and f'apt install {version}-venv' in said


def test_next_best(clone, tmp_path):
    """An unsuitable python3 does not stand in the way of a suitable python3.12."""
    python(tmp_path / 'bin', 'python3', 'exit 127')
    python(tmp_path / 'bin', 'python3.13', 'exit 127')
    python(tmp_path / 'bin', 'python3.12', 'case "$*" in *--clear*) echo MADE; exit 9 ;; esac')
    code, said = install(clone, PATH=f'{tmp_path}/bin:/usr/bin:/bin', PYTHON='')
    assert (code, said.splitlines()[-1]) == (9, 'MADE')


def test_other_machine(clone, tmp_path):
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'uname').write_text('#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo aarch64\n')
    (tmp_path / 'bin' / 'uname').chmod(0o755)
    code, said = install(clone, PATH=f'{tmp_path}/bin:{os.environ["PATH"]}')
    assert code == 2 and 'colcon' in said


def make_environment(**extra: str) -> Dict[str, str]:
    """Return the environment that a recipe of the Makefile runs in."""
    done = subprocess.run(['make', '-f', 'Makefile', '--eval', 'show: ; @env', 'show'], cwd=str(ROOT),
                          check=True, env=dict(os.environ, **extra), stdout=subprocess.PIPE,
                          universal_newlines=True)
    return dict(line.split('=', 1) for line in done.stdout.splitlines() if '=' in line)


def test_sourced_ros_stays_out():
    sourced = {'AMENT_PREFIX_PATH': '/opt/ros/humble', 'ROS_DISTRO': 'humble', 'ROS_DOMAIN_ID': '3',
               'ROS_LOCALHOST_ONLY': '1', 'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp',
               'PYTHONPATH': '/opt/ros/python', 'LD_LIBRARY_PATH': '/opt/ros/lib', 'PYTHONHOME': '/usr',
               'COLCON_PREFIX_PATH': '/ws', 'CMAKE_PREFIX_PATH': '/opt/ros/humble',
               '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'}
    seen = make_environment(ENET_CAMVID='/data/camvid', HTTPS_PROXY='proxy', **sourced)
    assert not set(sourced) & set(seen)
    assert seen['ENET_CAMVID'] == '/data/camvid' and seen['HTTPS_PROXY'] == 'proxy'
