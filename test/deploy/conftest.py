"""The double of TensorRT, in this process or for another one."""

import importlib
import os
from pathlib import Path
import sys

import pytest

_TESTS = Path(__file__).resolve().parent.parent
DOUBLE = _TESTS / 'tensorrt_double'
_OURS = tuple('enet_ros.deploy.tensorrt_' + name for name in ('layers', 'build', 'runner'))


def _forget():
    for name in list(sys.modules):
        if name.split('.')[0] == 'tensorrt' or name in _OURS:
            del sys.modules[name]


@pytest.fixture(params=['8.2.1.9', '10.3.0'])
def trt(request, monkeypatch):
    """Return the double, imported as `tensorrt` by whoever asks for it; no torch2trt."""
    monkeypatch.setenv('TENSORRT_DOUBLE_VERSION', request.param)
    monkeypatch.syspath_prepend(str(DOUBLE))
    _forget()
    yield importlib.import_module('tensorrt')
    _forget()


@pytest.fixture
def double_environment():
    """Return a function: the environment of a process that has the double and a torch2trt checkout."""
    def environment(source, version, **extra):
        paths = [_TESTS.parent, DOUBLE, DOUBLE / 'stand_ins', source]
        return dict(os.environ, PYTHONPATH=os.pathsep.join(str(path) for path in paths),
                    OMP_NUM_THREADS='1', TENSORRT_DOUBLE_VERSION=version, ENET_TENSORRT_DEVICE='cpu',
                    PYTHONWARNINGS='ignore', **extra)
    return environment
