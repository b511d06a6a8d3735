"""The image that Dockerfile.l4t builds, run with podman as the documents say; see `make container-test`."""

import contextlib
import functools
import json
import os
from pathlib import Path
import pty
import subprocess
import time

import pytest
import yaml

IMAGE = os.environ.get('ENET_IMAGE')
if not IMAGE:
    pytest.skip('make container-test builds the image and runs this', allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
PODMAN = os.environ['ENET_PODMAN'].split()
LIMITS = ('--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=2048:2048')    # which not every root may raise
SERVICE = yaml.safe_load((ROOT / 'docker/compose.yaml').read_text())['services']['segmentation']
LISTENER = (Path(__file__).parent / 'listener.py').read_text()
GRACE = int(SERVICE['stop_grace_period'].rstrip('s'))
SEGMENTATION = ('python3', '-m', 'enet_ros', 'segmentation_node', '--ros-args',
                '-r', 'image:=/camera/image_raw',
                '-p', 'engine:=torch', '-p', 'threads:=1', '-p', 'input_height:=96', '-p', 'input_width:=160')
LAUNCH = ('ros2', 'launch', 'enet_ros', 'segment.launch.py', 'image:=/camera/image_raw')
PLAYBACK = ('python3', '-m', 'enet_ros', 'playback_node', '--ros-args', '-r', 'image:=/camera/image_raw',
            '-p', 'source:=synthetic', '-p', 'loop:=true')


def podman(*arguments, check=True, **options):
    result = subprocess.run(PODMAN + list(arguments), **dict(dict(
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=300), **options))
    assert not check or result.returncode == 0, result.stderr
    return result


def as_composed(name, volume, *options):
    """Return the options that docker/compose.yaml stands for, less the GPU's."""
    mounts = [word for library in Path(os.environ['ENET_HOST_LIBRARIES']).glob('*.so')
              for word in ('--volume', f'{library}:{modules()}/torch/lib/{library.name}:ro')]
    return ['--name', name, '--user', '1000', '--network', SERVICE['network_mode'], '--ipc', SERVICE['ipc'],
            *(['--read-only'] if SERVICE['read_only'] else []),
            *[word for path in SERVICE['tmpfs'] for word in ('--tmpfs', path)],
            *[word for right in SERVICE['cap_drop'] for word in ('--cap-drop', right)],
            *['--security-opt=' + option.replace(':true', '') for option in SERVICE['security_opt']],
            '--volume', volume + ':/data', *LIMITS, *mounts, *options, IMAGE]


@functools.lru_cache()
def modules():
    """Return the folder of torch, found as install_python.sh finds it."""
    code = 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])'
    return bare('python3', '-c', code).stdout.strip().rsplit('/', 1)[0]


def bare(*command, **options):
    return podman('run', '--rm', '--network', 'none', *LIMITS, IMAGE, *command, **options)


@pytest.fixture
def volume():
    name = podman('volume', 'create').stdout.strip()
    yield name
    podman('volume', 'rm', '--force', name)


@contextlib.contextmanager
def running(name, volume, command, *options):
    """Run a container in the background, and remove it in the end, printing its log where a test fails."""
    podman('run', '--detach', *as_composed(name, volume, *options), *command)
    try:
        yield
    except BaseException:
        print(log(name))
        raise
    finally:
        podman('rm', '--force', '--time', '0', name, check=False)


def run(volume, *command, user='1000', **options):
    return podman('run', '--rm', '--interactive', *as_composed('once', volume, '--user', user), *command,
                  **options)


def healthy(name):
    return podman('healthcheck', 'run', name, check=False).returncode == 0


def wait_for(condition, what, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f'no {what} within {seconds} s'
        time.sleep(0.2)


def log(name):
    return podman('logs', name, stderr=subprocess.STDOUT).stdout


def exit_code(name):
    return int(podman('inspect', '--format', '{{.State.ExitCode}}', name).stdout)


def processes(name):
    return podman('top', name, 'args').stdout.splitlines()[1:]


def test_what_the_image_says_of_itself():
    image, = json.loads(podman('image', 'inspect', IMAGE).stdout)
    config = image['Config']
    assert config['User'] == '1000' and config['StopSignal'] == 'SIGINT'
    assert config['Entrypoint'] == ['/workspace/src/enet_ros/docker/entrypoint.sh']
    assert config['Cmd'] == ['ros2', 'launch', 'enet_ros', 'segment.launch.py']
    assert '/data' in config['Volumes']
    environment = dict(line.split('=', 1) for line in config['Env'])
    assert environment['NVIDIA_VISIBLE_DEVICES'] and environment['NVIDIA_DRIVER_CAPABILITIES']


def test_nothing_of_this_machine_is_inside(volume):
    inside = run(volume, 'sh', '-c', 'ls -A /workspace/src/enet_ros').stdout.split()
    allowed = [line[1:] for line in (ROOT / '.dockerignore').read_text().splitlines() if line.startswith('!')]
    assert set(inside) <= set(allowed)
    assert not run(volume, 'find', '/data', '-type', 'f').stdout


def test_playback_to_labels_health_and_stop(volume):
    """The whole chain, three containers of one user sharing the host's network and shared memory."""
    with running('segmentation', volume, SEGMENTATION):
        assert not healthy('segmentation')          # it still loads
        with running('camera', volume, PLAYBACK):
            heard = json.loads(run(volume, 'python3', '-', input=LISTENER).stdout.splitlines()[-1])
            assert heard['labels'] == 10 and heard['encoding'] == 'mono8', heard
            assert heard['classes'] > 1 and heard['stamps_of_images'], heard
            before = processes('segmentation')
            wait_for(lambda: healthy('segmentation'), 'health')
            assert processes('segmentation') == before      # nothing was left behind by asking

            podman('kill', '--signal', 'STOP', 'camera')
            began = time.monotonic()
            podman('stop', '--time', str(GRACE), 'segmentation')
            assert time.monotonic() - began < GRACE
        assert exit_code('segmentation') == 0, log('segmentation')
        assert 'Traceback' not in log('segmentation')
        assert 'on torch fp32' in log('segmentation'), log('segmentation')


def test_a_node_that_hangs_is_not_healthy(volume):
    with running('segmentation', volume, SEGMENTATION):
        wait_for(lambda: healthy('segmentation'), 'health')
        podman('kill', '--signal', 'STOP', 'segmentation')
        wait_for(lambda: not healthy('segmentation'), 'answer that it is not healthy', 30)


def test_ctrl_c_at_a_terminal(volume):
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        PODMAN + ['run', '--rm', '-it', *as_composed('terminal', volume), *SEGMENTATION],
        stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True, start_new_session=True)
    os.close(terminal)
    try:
        wait_for(lambda: podman('healthcheck', 'run', 'terminal', check=False).returncode == 0, 'health')
        os.write(control, b'\x03')
        said = b''
        with contextlib.suppress(OSError):      # the terminal is closed at the end
            while True:
                said += os.read(control, 4096)
        assert process.wait(GRACE) == 0, said.decode()
        assert b'Traceback' not in said
    finally:
        os.close(control)
        podman('rm', '--force', '--time', '0', '--ignore', 'terminal', check=False)
        process.wait()


STORE = """
import os, sys
from enet_ros.deploy.cache import EngineCache
cache = EngineCache()
if sys.argv[1:]:
    cache.store({'network': 'enet'}, b'plan', {})
plan = cache.load({'network': 'enet'})
print(oct(os.stat(str(cache.folder)).st_mode & 0o7777) if cache.folder.exists() else None, cache.folder, plan)
"""


def test_engines_are_private_to_a_user(volume):
    """The volume is everyone's, since the container may run under any user's id; plans are not."""
    first = run(volume, 'python3', '-', 'store', input=STORE).stdout.split()
    assert first == ['0o700', '/data/engines/user-1000', "b'plan'"]
    assert run(volume, 'python3', '-', input=STORE, user='1001').stdout.split()[-1] == 'None'
    planted = ('mkdir /data/engines/user-1000 && chmod 777 /data/engines/user-1000 && '
               'cp -r /tmp/x /data/engines/user-1000 2>/dev/null')
    assert run(volume, 'sh', '-c', planted, user='1001', check=False).returncode != 0


def test_nothing_can_be_written_but_data_and_scratch(volume):
    assert run(volume, 'sh', '-c', 'touch /workspace/x', check=False).returncode != 0
    status = run(volume, 'cat', '/proc/self/status').stdout
    facts = dict(line.split(':\t', 1) for line in status.splitlines() if ':\t' in line)
    assert facts['NoNewPrivs'] == '1' and int(facts['CapBnd'], 16) == int(facts['CapEff'], 16) == 0


def test_launch_as_the_first_process(volume):
    """`ros2 launch` ignores SIGTERM there: STOPSIGNAL must reach it."""
    if bare('sh', '-c', 'command -v ros2', check=False).returncode:
        pytest.skip('this base image has no `ros2`')
    with running('launched', volume, LAUNCH):
        wait_for(lambda: healthy('launched'), 'health')
        began = time.monotonic()
        podman('stop', '--time', str(GRACE), 'launched')
        assert time.monotonic() - began < GRACE, log('launched')
        assert exit_code('launched') != 137 and 'Traceback' not in log('launched')
