"""What the container's build and start run, in a scratch prefix; no Docker and no network."""

import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / 'docker'


def run(script, *arguments, **environment):
    return subprocess.run([str(DOCKER / script)] + [str(argument) for argument in arguments],
                          env=dict(os.environ, **environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)


def executable(path, *lines):
    path.write_text('\n'.join(('#!/bin/sh',) + lines) + '\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def torch2trt(tmp_path):
    """Return a git repository of torch2trt's shape, tagged v0.4.0, with its patch for Python 3.6."""
    source = tmp_path / 'source'
    patch = source / 'examples/contrib/pre_py3.7/fix-getitem.patch'
    for folder in (patch.parent, source / 'torch2trt/converters', source / 'torch2trt/tests'):
        folder.mkdir(parents=True)
    (source / 'torch2trt/torch2trt.py').write_text('FIXED = False\n')
    (source / 'torch2trt/converters/__init__.py').write_text('')
    (source / 'LICENSE.md').write_text('MIT\n')
    (source / 'setup.py').write_text('raise SystemExit("wants TensorRT")\n')
    patch.write_text('--- a/torch2trt/torch2trt.py\n+++ b/torch2trt/torch2trt.py\n@@ -1 +1 @@\n'
                     '-FIXED = False\n+FIXED = True\n')
    git = ['git', '-C', str(source), '-c', 'user.name=nobody', '-c', 'user.email=nobody@example.org']
    for command in (['init', '--quiet'], ['add', '.'], ['commit', '--quiet', '-m', 'first'],
                    ['tag', 'v0.4.0']):
        subprocess.run(git + command, check=True)
    (source / 'torch2trt/torch2trt.py').write_text('newer\n')
    subprocess.run(git + ['commit', '--quiet', '-am', 'second'], check=True)
    return source


def commit(source, number):
    """Return a commit of the clone: 1 is the tagged one, 0 the newest."""
    return subprocess.run(['git', '-C', str(source), 'rev-parse', f'HEAD~{number}'], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()


@pytest.mark.parametrize('old', [True, False])
def test_torch2trt_of_the_commit_asked_for(torch2trt, tmp_path, old):
    python = executable(tmp_path / 'python', f'exit {0 if old else 1}')     # "older than 3.7?"
    prefix, wanted = tmp_path / 'prefix', commit(torch2trt, 1)
    for _ in range(2):      # a second time replaces the first
        result = run('install_torch2trt.sh', torch2trt, wanted, prefix, PYTHON=str(python))
        assert result.returncode == 0, result.stderr
    assert (prefix / 'torch2trt/torch2trt.py').read_text() == f'FIXED = {old}\n'
    assert sorted(entry.name for entry in prefix.iterdir()) == ['torch2trt']
    assert not (prefix / 'torch2trt/tests').exists() and (prefix / 'torch2trt/LICENSE.md').exists()
    assert (prefix / 'torch2trt/REVISION').read_text() == wanted + '\n'


@pytest.mark.parametrize('ref', ['v0.4.0', 'HEAD', 'master'])
def test_torch2trt_by_what_can_move_is_refused(torch2trt, tmp_path, ref):
    result = run('install_torch2trt.sh', torch2trt, ref, tmp_path / 'prefix', PYTHON=sys.executable)
    assert result.returncode == 2 and 'commit' in result.stderr and not (tmp_path / 'prefix').exists()


def test_torch2trt_of_an_unknown_commit_fails(torch2trt, tmp_path):
    result = run('install_torch2trt.sh', torch2trt, '0' * 40, tmp_path / 'prefix', PYTHON=sys.executable)
    assert result.returncode != 0 and not (tmp_path / 'prefix').exists()
    assert run('install_torch2trt.sh').returncode == 2


def bare_python(tmp_path, version, has=(), guarded=False):
    """Return a base image's Python: this one, with an age, and of the modules asked for none but `has`."""
    base = tmp_path / 'base'
    for name in has:        # found, and impossible to import, like torch before the GPU's libraries are there
        (base / name).mkdir(parents=True)
        (base / name / '__init__.py').write_text('raise OSError("libcudnn.so.8: no such file")')
    if guarded:
        (tmp_path / 'EXTERNALLY-MANAGED').write_text('')
    start = tmp_path / 'start.py'
    start.write_text(f'import sys, sysconfig\nsys.version_info = {version}\n'
                     f'sys.path.insert(0, {str(base)!r})\n'
                     f'sysconfig.get_path = lambda name: {str(tmp_path)!r}\n'
                     f'if {version < (3, 7)}: sys.modules["dataclasses"] = None     # not in that one yet\n'
                     'exec(sys.argv[1])\n')
    return executable(tmp_path / 'python3', f'exec {sys.executable} -I -S {start} "$2"')


@pytest.mark.parametrize('version, has, wanted, unwanted', [
    ((3, 6, 9), ('torch', 'numpy', 'cv2', 'yaml'), ['dataclasses==0.8'], ['numpy', 'torch', 'packaging']),
    ((3, 12, 3), ('numpy', 'yaml'),
     ['opencv-python-headless==', 'packaging==', '--require-hashes',
      '--no-deps --index-url https://torch torch==2.8'],
     ['dataclasses', 'numpy']),
    ((3, 10, 4), ('numpy', 'yaml', 'cv2', 'packaging', 'torch'), [], ['pip']),
])
def test_only_what_the_base_lacks(tmp_path, version, has, wanted, unwanted):
    python = bare_python(tmp_path, version, has, guarded=version > (3, 7))
    result = run('install_python.sh', PYTHON=str(python), DRY_RUN='1', TORCH_SPEC='torch==2.8',
                 TORCH_INDEX='https://torch')
    assert result.returncode == 0, result.stderr
    assert all(word in result.stdout for word in wanted), result.stdout
    assert not any(word in result.stdout for word in unwanted), result.stdout
    assert ('--break-system-packages' in result.stdout) == (version > (3, 7) and bool(wanted))


@pytest.mark.parametrize('version, has, said', [
    ((3, 10, 0), ('numpy', 'cv2', 'yaml', 'packaging'), 'TORCH_SPEC'),
    ((3, 6, 9), ('torch', 'dataclasses'), 'numpy')])
def test_a_base_that_lacks_what_is_not_pinned_is_refused(tmp_path, version, has, said):
    python = bare_python(tmp_path, version, has)
    result = run('install_python.sh', PYTHON=str(python), DRY_RUN='1', TORCH_SPEC='')
    assert result.returncode == 1 and said in result.stderr


def test_every_pip_call_uses_the_index_given(tmp_path):
    """Also where the base's environment names another, which is gone."""
    bare = bare_python(tmp_path, (3, 12, 3), ())
    log = tmp_path / 'log'
    python = executable(tmp_path / 'recording', 'case "$2" in',
                        f'pip) echo "$PIP_INDEX_URL $*" >> {log}; exit 0 ;;', 'esac', f'exec {bare} "$@"')
    result = run('install_python.sh', PYTHON=str(python), TORCH_SPEC='torch==2.8', PIP_INDEX='https://mine',
                 PIP_INDEX_URL='https://gone')
    assert result.returncode == 0, result.stderr
    calls = log.read_text().splitlines()
    assert len(calls) == 2 and all(call.startswith('https://mine -m pip install') for call in calls), calls


def test_what_is_pinned_has_hashes():
    for name, count in (('requirements.txt', 4), ('requirements-py36.txt', 1)):
        text = (DOCKER / name).read_text().replace('\\\n', '')
        entries = [line for line in text.splitlines() if line and not line.startswith('#')]
        assert len(entries) == count
        for entry in entries:
            assert re.match(r'[\w-]+==[\d.]+ +(--hash=sha256:[0-9a-f]{64} *)+$', entry)


def test_expired_package_lists_go_first(tmp_path):
    lists = tmp_path / 'etc/apt/sources.list.d'
    lists.mkdir(parents=True)
    (lists / 'ros2.list').write_text('deb http://packages.ros.org/ros2/ubuntu bionic main\n')
    (lists / 'kitware.list').write_text('deb https://apt.kitware.com/ubuntu/ bionic main\n')
    (lists / 'nvidia.list').write_text('deb https://repo.download.nvidia.com/jetson/common r32.7 main\n')
    apt = executable(tmp_path / 'apt', 'echo "$@" $(ls {}) >> {}'.format(lists, tmp_path / 'log'))
    assert run('install_debian.sh', '', tmp_path, APT_GET=str(apt)).returncode == 0
    assert not (tmp_path / 'log').exists() and len(list(lists.iterdir())) == 3
    result = run('install_debian.sh', 'python3-pip git', tmp_path, APT_GET=str(apt))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'log').read_text().splitlines() == [
        'update nvidia.list', 'install --yes --no-install-recommends python3-pip git nvidia.list']


def test_the_data_folder_is_everyones(tmp_path):
    result = run('prepare_data.sh', tmp_path / 'data', os.getuid())
    assert result.returncode == 0, result.stderr
    for folder in ('.', 'engines', 'log'):
        assert (tmp_path / 'data' / folder).stat().st_mode & 0o7777 == 0o1777


def test_every_command_gets_ros_and_the_workspace(tmp_path):
    (tmp_path / 'ros.bash').write_text('export FROM_ROS="yes $UNSET"\n')
    (tmp_path / 'install').mkdir()
    (tmp_path / 'install/setup.bash').write_text('export FROM_WORKSPACE="$FROM_ROS"\n')
    environment = {'ROS_SETUP': str(tmp_path / 'ros.bash'), 'WORKSPACE': str(tmp_path)}
    result = run('entrypoint.sh', 'sh', '-c', 'echo "$FROM_WORKSPACE$1"; exit 7', 'sh', ' two words',
                 **environment)
    assert (result.returncode, result.stdout) == (7, 'yes  two words\n')
    bare = run('entrypoint.sh', 'echo', 'bare', ROS_SETUP='/nowhere', WORKSPACE='/nowhere')
    assert (bare.returncode, bare.stdout) == (0, 'bare\n')


def test_without_a_command_it_launches(tmp_path):
    ros2 = executable(tmp_path / 'ros2', 'echo "$@"')
    path = '{}:{}'.format(ros2.parent, os.environ['PATH'])
    result = run('entrypoint.sh', PATH=path, ROS_SETUP='', WORKSPACE='/x')
    assert result.stdout == 'launch enet_ros segment.launch.py\n'


@pytest.mark.parametrize('age, code', [(0, 0), (14, 0), (16, 1), (3600, 1), (-3600, 1), (None, 1)])
def test_healthy_is_a_heartbeat_of_now(tmp_path, age, code):
    heartbeat = tmp_path / 'heartbeat'
    if age is not None:
        heartbeat.write_text('')
        then = time.time() - age
        os.utime(str(heartbeat), (then, then))
    assert run('healthcheck.sh', ENET_HEARTBEAT=str(heartbeat)).returncode == code


def test_the_workspace_is_built_with_colcon(tmp_path):
    colcon = Path(sys.executable).parent / 'colcon'
    if not colcon.exists():
        pytest.skip('colcon is not installed')
    package = tmp_path / 'src/enet_ros'
    package.mkdir(parents=True)
    lines = (ROOT / '.dockerignore').read_text().splitlines()
    for name in [line[1:] for line in lines if line.startswith('!')]:     # what the image gets, no more
        if (ROOT / name).is_dir():
            shutil.copytree(str(ROOT / name), str(package / name),
                            ignore=shutil.ignore_patterns('__pycache__'))
        elif (ROOT / name).exists():
            shutil.copy(str(ROOT / name), str(package / name))
    path = '{}:{}'.format(colcon.parent, os.environ['PATH'])
    result = run('build_workspace.sh', tmp_path, PATH=path, ROS_SETUP='')
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / 'install/setup.bash').exists()
    for name in ('launch/segment.launch.py', 'config/classes/camvid.yaml'):
        assert (tmp_path / 'install/share/enet_ros' / name).exists()
    assert run('build_workspace.sh', tmp_path / 'src').returncode == 2


def test_the_dockerfile_is_whole():
    text = (ROOT / 'Dockerfile.l4t').read_text()
    for line in ('ARG BASE_IMAGE=dustynv/ros:humble-pytorch-l4t-r32.7.1', 'VOLUME /data', 'STOPSIGNAL SIGINT',
                 'ARG ROS_SETUP=/opt/ros/humble/install/setup.bash', 'ARG TORCH_SPEC=', 'ARG TORCH_INDEX=',
                 'ARG PIP_INDEX='):
        assert line in text.splitlines()
    assert re.search('^ARG TORCH2TRT_REF=[0-9a-f]{40}$', text, re.MULTILINE)
    for script in re.findall(r'(\w+\.sh)', text):
        assert os.access(str(DOCKER / script), os.X_OK), script
    assert 'build_engine' not in text
    for name in re.findall(r'^COPY (\w+) ', text, re.MULTILINE):
        assert '!' + name in (ROOT / '.dockerignore').read_text().splitlines()


def test_boot_files_agree_with_the_launch_file_and_each_other():
    compose = yaml.safe_load((DOCKER / 'compose.yaml').read_text())['services']['segmentation']
    assert compose['ipc'] == compose['network_mode'] == 'host' and compose['runtime'] == 'nvidia'
    unit = (DOCKER / 'enet_ros.service').read_text()
    launch = (ROOT / 'launch/segment.launch.py').read_text()
    for text in (' '.join(compose['command']), unit):
        arguments = re.findall(r'(\w+):=', text)
        assert arguments and all(f"'{name}'" in launch for name in arguments)
    assert '--privileged' not in unit and 'privileged' not in compose
    assert compose['read_only'] and compose['cap_drop'] == ['ALL'] and compose['stop_signal'] == 'SIGINT'
    for option in ('--read-only', '--tmpfs /tmp', '--cap-drop ALL', '--security-opt no-new-privileges',
                   'docker stop --time ' + compose['stop_grace_period'].rstrip('s'), 'KillSignal=SIGINT'):
        assert option in unit, option
