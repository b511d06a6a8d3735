"""The real torch2trt, v0.4.0 and newest, driven with the double: TORCH2TRT_SRC names checkouts of it."""

import hashlib
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from enet_ros import weights
from enet_ros.deploy.graph import rewrite
from enet_ros.deploy.tensorrt_build import unseen_frame
from enet_ros.networks import from_checkpoint

SOURCES = [Path(path) for path in os.environ.get('TORCH2TRT_SRC', '').split(os.pathsep) if path]
HERE = Path(__file__).resolve().parent

# Several processes that import torch each: minutes on a busy machine, and skipped on most.
pytestmark = pytest.mark.timeout(900)


def version_for(source):
    """Return the TensorRT that this torch2trt is for."""
    return '10.3.0' if (source / 'torch2trt' / 'flattener.py').exists() else '8.2.1.9'


@pytest.fixture(scope='module', params=SOURCES or [None], ids=[source.name for source in SOURCES] or ['none'])
def source(request):
    if request.param is None:
        pytest.skip('TORCH2TRT_SRC names no checkout of torch2trt')
    return request.param


def driven(source, *command):
    """Run a driver in a process of its own; return what it printed last."""
    double = HERE.parent / 'tensorrt_double'
    paths = [HERE.parents[1], HERE.parent, HERE, double, double / 'stand_ins']
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(str(path) for path in paths + [source]),
                       TENSORRT_DOUBLE_VERSION=version_for(source), PYTHONWARNINGS='ignore')
    result = subprocess.run([sys.executable, str(HERE / command[0])] + list(command[1:]), env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope='module')
def found(source):
    """Run the driver once for each checkout."""
    return driven(source, 'torch2trt_driver.py')


def test_nvidias_builder_takes_what_the_double_takes(source):
    """Every variant, head and form of PReLU, layer by layer: kinds, shapes and types."""
    pytest.importorskip('tensorrt_rtx_bindings', reason='tensorrt-rtx is not installed')
    if version_for(source) != '10.3.0':
        pytest.skip('this torch2trt is older than the builder')
    (real, errors), (double, _) = [driven(source, 'builder_driver.py', kind) for kind in ('real', 'double')]
    assert not errors and len(real) == 17 and real == double
    assert all(len(layers) > 20 for layers in real.values())


def test_replay_on_images_never_traced(found):
    assert len(found['agreement']) == 35
    wrong = {name: error for name, error in found['agreement'].items()
             if error > (0 if 'logits' in name or 'labels' in name else 1e-9)}
    assert not wrong


def test_no_map_became_a_constant(found):
    assert found['constants'] <= 128       # the slopes of 128 channels


def test_graphs_that_would_be_frozen_are_refused(found):
    assert 'cannot convert' in found['mutants']['torch_unpool']
    assert re.search(r'no converter for .*pixel_shuffle', found['mutants']['shuffled'])
    assert 'an input of' in found['mutants']['shuffled']


def test_stock_transposed_convolution_is_wrong(found):
    """Ours is needed: without it this very comparison fails."""
    error = found['stock_transposed_convolution']
    assert isinstance(error, str) or error > 1e-3


def test_torch_is_left_as_it_was(found):
    assert found['indexing'] == [[1, 2], []]


def run_engine(environment, arguments):
    program = """
import json, sys
import numpy as np
from enet_ros import weights
from enet_ros.deploy.factory import open_engine
path, cache, engine, frames = sys.argv[1:]
opened = open_engine(weights.load(path), engine, cache=cache)
frame = np.load(frames)
print(json.dumps([opened.name, opened.precision, opened.reason]))
np.save(frames, opened.labels(frame))
opened.close()
"""
    return subprocess.run([sys.executable, '-c', program] + [str(argument) for argument in arguments],
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)


@pytest.fixture
def frame(tmp_path):
    """Return a frame and the file that holds it, into which the labels go."""
    image = unseen_frame((96, 128), seed=9)
    np.save(str(tmp_path / 'frame.npy'), image)
    return image, tmp_path / 'frame.npy'


def test_built_in_a_child_cached_and_run(source, double_environment, random_weights, tmp_path, frame):
    environment = double_environment(source, version_for(source))
    arguments = [random_weights, tmp_path / 'engines', 'auto', frame[1]]
    first = run_engine(environment, arguments)
    assert first.returncode == 0, first.stderr
    assert 'building the engine' in first.stderr
    assert json.loads(first.stdout)[:2] == ['tensorrt', 'fp16']
    labels = np.load(str(frame[1]))
    assert labels.shape == (96, 128) and labels.dtype == np.uint8
    import torch
    graph = rewrite(from_checkpoint(weights.load(random_weights)), 'labels')
    truth = graph(torch.from_numpy(frame[0]).permute(2, 0, 1)[None].float() / 255)[0].numpy()
    assert np.mean(labels == truth) > 0.98
    plans = sorted((tmp_path / 'engines').glob('*.plan'))
    record = json.loads(plans[0].with_suffix('.json').read_text())
    assert len(plans) == 1 and record['layers'] > 100 and record['key']['size'] == '96x128'

    np.save(str(frame[1]), frame[0])
    second = run_engine(environment, arguments)
    assert second.returncode == 0 and 'building' not in second.stderr
    assert np.array_equal(np.load(str(frame[1])), labels)

    plans[0].write_bytes(plans[0].read_bytes()[:-100])      # cut short by a power failure
    np.save(str(frame[1]), frame[0])
    third = run_engine(environment, arguments)
    assert third.returncode == 0 and 'building the engine' in third.stderr

    foreign = b'a plan of another driver'                   # whole, but TensorRT refuses it
    plans[0].write_bytes(foreign)
    record['plan_sha256'] = hashlib.sha256(foreign).hexdigest()
    plans[0].with_suffix('.json').write_text(json.dumps(record))
    np.save(str(frame[1]), frame[0])
    fourth = run_engine(environment, arguments)
    assert fourth.returncode == 0 and 'building it again' in fourth.stderr
    assert plans[0].read_bytes() != foreign


def test_auto_falls_back_where_the_build_fails(source, double_environment, random_weights, tmp_path, frame):
    environment = double_environment(source, version_for(source), TENSORRT_DOUBLE_FAIL='out of workspace')
    arguments = [random_weights, tmp_path / 'engines', 'auto', frame[1]]
    result = run_engine(environment, arguments)
    assert result.returncode == 0, result.stderr
    name, _, reason = json.loads(result.stdout)
    assert name in ('torch', 'openvino') and 'TensorRT built nothing: out of workspace' in reason
    assert not list((tmp_path / 'engines').glob('*.plan'))
    arguments[2] = 'tensorrt'
    np.save(str(frame[1]), frame[0])
    result = run_engine(environment, arguments)
    assert result.returncode != 0 and 'out of workspace' in result.stderr.splitlines()[-1]


def test_the_child_ends_with_its_parent(source, double_environment, random_weights, tmp_path, frame):
    """A node that is killed leaves no build behind."""
    environment = double_environment(source, version_for(source), TENSORRT_DOUBLE_WAIT=str(tmp_path / 'pid'))
    program = 'import sys; from enet_ros import weights; from enet_ros.deploy.factory import open_engine; ' \
              'open_engine(weights.load(sys.argv[1]), "tensorrt", cache=sys.argv[2])'
    parent = subprocess.Popen([sys.executable, '-c', program, str(random_weights), str(tmp_path / 'engines')],
                              env=environment, stderr=subprocess.DEVNULL)
    try:
        child = int(awaited(lambda: (tmp_path / 'pid').exists() and (tmp_path / 'pid').read_text()))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert awaited(lambda: not alive(child))


def awaited(condition, seconds=60):
    """Return the condition's value once it is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
    return condition()


def alive(pid):
    """Tell whether a process runs (and is no zombie)."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False
