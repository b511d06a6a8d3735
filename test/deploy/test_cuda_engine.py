"""The engine for a GPU: on one where there is one, and its arithmetic on the CPU anywhere."""

import numpy as np
import pytest
import torch

from enet_ros.deploy import cuda_engine, torch_engine
from enet_ros.deploy.tensorrt_build import unseen_frame
from enet_ros.networks import from_checkpoint

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason='there is no CUDA device'))]


@pytest.mark.parametrize('device', DEVICES)
def test_labels_and_logits_are_those_of_the_cpu(random_checkpoint, device):
    network = from_checkpoint(random_checkpoint)
    precision = 'fp32' if device == 'cpu' else 'fp16'
    reference = torch_engine.TorchEngine(network, (96, 128))
    with cuda_engine.CudaEngine(network, (96, 128), precision, device) as engine:
        for seed in (1, 2):
            frame = unseen_frame((96, 128), seed)
            labels = engine.labels(frame)
            assert labels.dtype == np.uint8
            assert np.mean(labels == reference.labels(frame)) > (0.999 if device == 'cpu' else 0.98)
            assert np.allclose(engine.logits(frame), reference.logits(frame),
                               atol=1e-4 if device == 'cpu' else 5e-2)
    with pytest.raises(RuntimeError, match='closed'):
        engine.labels(frame)


def test_why_it_is_not_available():
    assert (cuda_engine.available() is None) == torch.cuda.is_available()
