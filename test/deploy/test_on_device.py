"""On a machine with TensorRT, torch2trt and a GPU: the real thing. Skipped everywhere else."""

import numpy as np
import pytest

from enet_ros import weights
from enet_ros.deploy import tensorrt_engine
from enet_ros.deploy.factory import open_engine
from enet_ros.deploy.tensorrt_build import unseen_frame

REASON = tensorrt_engine.available()
pytestmark = [pytest.mark.requires_tensorrt, pytest.mark.timeout(3600),
              pytest.mark.skipif(REASON is not None, reason=f'no TensorRT here: {REASON}')]


@pytest.mark.parametrize('precision, least', [('fp16', 0.95), ('fp32', 0.999)])
def test_labels_are_pytorchs(tmp_path, precision, least):
    checkpoint = weights.load('camvid')
    with open_engine(checkpoint, 'tensorrt', precision=precision, cache=tmp_path) as engine:
        labels = [engine.labels(unseen_frame(engine.input_size, seed)).copy() for seed in range(4, 8)]
    with open_engine(checkpoint, 'torch', precision='fp32') as engine:
        truth = [engine.labels(unseen_frame(engine.input_size, seed)).copy() for seed in range(4, 8)]
    assert np.mean(np.array(labels) == np.array(truth)) > least


def test_the_second_start_builds_nothing(tmp_path, capfd):
    checkpoint = weights.load('camvid')
    open_engine(checkpoint, 'tensorrt', cache=tmp_path).close()
    assert 'building' in capfd.readouterr().err
    open_engine(checkpoint, 'tensorrt', cache=tmp_path).close()
    assert 'building' not in capfd.readouterr().err
