"""The double of TensorRT, in this process or for another one."""

import importlib
import os
from pathlib import Path
import sys

import pytest

from enet_ros import deploy

_TESTS = Path(__file__).resolve().parent.parent
DOUBLE = _TESTS / 'tensorrt_double'


def _forget_ours():
    """Forget our modules that hold `tensorrt`, from their package too: `from` looks there first."""
    for name, module in list(vars(deploy).items()):
        if name.startswith('tensorrt_') and hasattr(module, 'trt'):
            delattr(deploy, name)
            sys.modules.pop(f'{deploy.__name__}.{name}', None)


def _forget():
    _forget_ours()
    for name in [name for name in sys.modules if name.split('.')[0] == 'tensorrt']:
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
def ours(trt, monkeypatch):
    """Return a function: our module of that name over the double or the real one."""
    def over(module, name):
        _forget_ours()
        monkeypatch.setitem(sys.modules, 'tensorrt', module)
        return importlib.import_module(f'{deploy.__name__}.{name}')
    yield over
    _forget_ours()


@pytest.fixture
def double_environment():
    """Return a function: the environment of a process that has the double and a torch2trt checkout."""
    def environment(source, version, **extra):
        paths = [_TESTS.parent, DOUBLE, DOUBLE / 'stand_ins', source]
        return dict(os.environ, PYTHONPATH=os.pathsep.join(str(path) for path in paths),
                    OMP_NUM_THREADS='1', TENSORRT_DOUBLE_VERSION=version, ENET_TENSORRT_DEVICE='cpu',
                    PYTHONWARNINGS='ignore', **extra)
    return environment
