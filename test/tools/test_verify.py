"""Frozen answers: every engine here gives them, and a wrong one is found out."""

import json

import numpy as np
import pytest

from enet_ros import weights
from enet_ros.deploy.engine import Engine
from enet_ros.errors import InputError
from enet_ros.tools import verify


@pytest.mark.parametrize('engine', ['opencv', 'openvino', 'torch'])
def test_every_engine_agrees(engine, tmp_path, capsys):
    pytest.importorskip({'opencv': 'cv2'}.get(engine, engine))
    assert verify.main(['--engine', engine, '--json', str(tmp_path / 'v.json')]) == 0
    facts = json.loads((tmp_path / 'v.json').read_text())
    assert facts['engine'] == engine and facts['frames'] == 20 and facts['passed'] is True
    assert facts['agreement'] > 0.999 and facts['median_ms'] > 0 and facts['memory_megabytes'] > 10
    assert facts['logits_error'] is None or facts['logits_error'] < 1e-4
    assert facts['versions']['numpy'] == np.__version__ and facts['processor']
    assert 'of the labels as in float64' in capsys.readouterr().out


class Golden(Engine):
    """Answers from the golden vectors, but for one class that it never says."""

    name, precision, input_size = 'golden', 'fp32', (184, 240)

    def __init__(self, golden, lost):
        self.golden, self.lost, self.index = golden, lost, 0

    def labels(self, frame):
        labels = self.golden['labels'][self.index].copy()
        labels[labels == self.lost] = 99
        self.index += 1
        return labels


def test_a_wrong_engine_is_told(monkeypatch, capsys):
    golden = verify.load(weights.load('camvid'))
    common = int(np.bincount(golden['labels'].ravel()).argmax())
    for lost, code in ((255, 0), (common, 1)):
        monkeypatch.setattr(verify, 'open_engine', lambda *options, lost=lost: Golden(golden, lost))
        assert verify.main([]) == code
    assert 'NOT RIGHT' in capsys.readouterr().out


def test_the_vectors_belong_to_the_shipped_weights(random_checkpoint):
    golden = verify.load(weights.load('camvid'))
    assert golden['labels'].shape == (20, 184, 240) and len(np.unique(golden['labels'])) > 5
    with pytest.raises(InputError, match='belongs to other weights'):
        verify.load(random_checkpoint)
