"""`export`, held against the node's own labels under the runtime of each format."""

import json

import numpy as np
import pytest

from enet_ros import Segmenter, weights
from enet_ros.datasets import SyntheticStreet
from enet_ros.tools.export import main

SIZE = (184, 320)
LEAST = {'fp32': 0.9999, 'fp16': 0.998}


@pytest.fixture(scope='module')
def frames():
    street = SyntheticStreet(SIZE, seed=3, frames=200)
    return [street[index * 10].image for index in range(20)]


@pytest.fixture(scope='module')
def truth(frames):
    with Segmenter.open('synthetic', 'torch', SIZE) as segment:
        return [segment(frame) for frame in frames]


def runtime(path):
    """Return what runs a file: (1, H, W, 3) uint8 -> its output, and its metadata."""
    if path.suffix == '.onnx':
        ort = pytest.importorskip('onnxruntime')
        session = ort.InferenceSession(str(path), providers=['CPUExecutionProvider'])
        told = session.get_modelmeta().custom_metadata_map
        return lambda image: session.run(None, {'image': image})[0], told
    openvino = pytest.importorskip('openvino')
    model = openvino.Core().read_model(str(path))
    told = {key: value.astype(str) if hasattr(value, 'astype') else str(value)
            for key, value in model.get_rt_info()['enet_ros'].items()}
    compiled = openvino.Core().compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    return lambda image: compiled([image])[0], told


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
@pytest.mark.parametrize('kind, name', [('onnx', 'a.onnx'), ('openvino', 'a.xml')])
def test_labels_are_the_nodes(kind, name, precision, frames, truth, tmp_path, capsys):
    assert main(['--weights', 'synthetic', '--format', kind, '--precision', precision, '--size',
                 '{}x{}'.format(*SIZE), '--output', str(tmp_path / name)]) == 0
    run, told = runtime(tmp_path / name)
    labels = [run(frame[None]) for frame in frames]
    assert labels[0].shape == (1,) + SIZE and labels[0].dtype == np.uint8
    agree = np.mean([one[0] == right for one, right in zip(labels, truth)])
    assert agree >= LEAST[precision]
    assert len(np.unique(np.stack(labels))) > 5
    classes = weights.load('synthetic').classes
    assert json.loads(told['classes']) == list(classes.names)
    assert json.loads(told['input_size']) == list(SIZE) and json.loads(told['licence'])
    assert json.loads(told['colours']) == [list(rgb) for rgb in classes.rgb]
    size = sum(path.stat().st_size for path in tmp_path.glob('a.*'))
    assert (size < 1.3e6) == (precision == 'fp16')


@pytest.mark.parametrize('kind, name', [('onnx', 'a.onnx'), ('openvino', 'a.xml')])
def test_logits(kind, name, frames, truth, tmp_path):
    assert main(['--weights', 'synthetic', '--format', kind, '--head', 'logits', '--size',
                 '{}x{}'.format(*SIZE), '--output', str(tmp_path / name)]) == 0
    logits = runtime(tmp_path / name)[0](frames[0][None])
    assert logits.dtype == np.float32 and logits.shape[2:] == SIZE
    assert np.mean(logits[0].argmax(0) == truth[0]) >= LEAST['fp32']


def test_onnx_is_valid(tmp_path):
    onnx = pytest.importorskip('onnx')
    for head in ('labels', 'logits'):
        for precision in ('fp32', 'fp16'):
            assert main(['--weights', 'synthetic', '--head', head, '--precision', precision,
                         '--output', str(tmp_path / 'a.onnx')]) == 0
            onnx.checker.check_model(onnx.load(str(tmp_path / 'a.onnx')), full_check=True)


@pytest.mark.parametrize('arguments, told', [
    (['--weights', 'camvd'], "did you mean 'enet_camvid.npz'"),
    (['--weights', 'no.npz'], 'no.npz'),
    (['--format', 'openvino', '--output', 'a.onnx'], r'.xml'),
    (['--format', 'plan'], 'no plan can be built here')])
def test_bad_input_is_one_line(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1 and told in said and not list(tmp_path.rglob('*.*'))
