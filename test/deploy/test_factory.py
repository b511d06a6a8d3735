"""Which engine is chosen, what is said about the others, and what is refused."""

import importlib
import subprocess
import sys

import pytest

from enet_ros.deploy import factory
from enet_ros.deploy.confidence import Calibration
from enet_ros.deploy.engine import EngineError
from enet_ros.errors import InputError

SIZE = (32, 48)


def test_auto_takes_openvino_on_a_cpu_and_tells_what_it_passed_over(random_weights):
    pytest.importorskip('openvino')
    code = ('import sys; from enet_ros import weights; from enet_ros.deploy.factory import open_engine; '
            'engine = open_engine(weights.load(sys.argv[1]), input_size=(32, 48), threads=1); '
            "print(engine.name, 'torch' in sys.modules, engine.reason, sep='|')")
    done = subprocess.run([sys.executable, '-c', code, str(random_weights)],
                          stdout=subprocess.PIPE, check=True)
    name, torch_imported, reason = done.stdout.decode().strip().split('|')
    if importlib.util.find_spec('tensorrt') or name != 'openvino':
        pytest.skip('a machine with more than a CPU')
    assert torch_imported == 'False'
    assert reason.startswith(
        'openvino: first that works; tensorrt: the tensorrt module is not installed; cuda: ')


def test_without_openvino_auto_falls_back_to_torch(random_checkpoint, monkeypatch):
    monkeypatch.setattr(factory, '_AUTO', ('openvino_engine', 'torch_engine'))
    monkeypatch.setitem(sys.modules, 'openvino', None)      # importing it fails
    engine = factory.open_engine(random_checkpoint, input_size=SIZE)
    assert engine.name == 'torch'
    assert 'torch: first that works; openvino: ' in engine.reason


def test_an_engine_without_confidence_is_closed_before_the_next_is_opened(random_checkpoint, monkeypatch):
    pytest.importorskip('openvino')
    from enet_ros.deploy import openvino_engine as engines
    closed = []

    def refuse(self, calibration):
        raise EngineError('no memory for it')

    monkeypatch.setattr(factory, '_AUTO', ('openvino_engine', 'torch_engine'))
    monkeypatch.setattr(engines.OpenVinoEngine, 'calibrate', refuse)
    monkeypatch.setattr(engines.OpenVinoEngine, 'close', lambda self: closed.append(self))
    engine = factory.open_engine(random_checkpoint, input_size=SIZE, calibration=Calibration())
    assert engine.name == 'torch' and 'openvino: no memory for it' in engine.reason and len(closed) == 1


def test_an_engine_asked_for_by_name(random_checkpoint):
    engine = factory.open_engine(random_checkpoint, 'torch', input_size=SIZE)
    assert engine.reason.startswith('torch: asked for')


def test_no_engine_at_all_is_one_line_with_every_reason(random_checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(EngineError, match="no engine for 'openvino' .openvino: .*pip install") as caught:
        factory.open_engine(random_checkpoint, 'openvino', input_size=SIZE)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('options, message', [
    ({'engine': 'onnx'}, "engine is 'onnx'"), ({'precision': 'int8'}, "precision is 'int8'"),
    ({'threads': 0}, 'threads is 0'), ({'input_size': (33, 48)}, 'input size 33x48.*32x48'),
    ({'input_size': (0, 48)}, 'input size 0x48')])
def test_wrong_options_are_named(random_checkpoint, options, message):
    with pytest.raises(InputError, match=message):
        factory.open_engine(random_checkpoint, **options)
