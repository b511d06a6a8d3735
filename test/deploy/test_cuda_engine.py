"""The engine for a GPU: on one where there is one, and its arithmetic on the CPU anywhere."""

import exact_networks
import numpy as np
import pytest
import torch

from enet_ros.deploy import cuda_engine, torch_engine
from enet_ros.deploy.tensorrt_build import unseen_frame
from enet_ros.networks import from_checkpoint


def test_the_arithmetic_is_exact_on_the_cpu(exact_checkpoint):
    """Bit for bit the published network's, where its arithmetic is exact."""
    network = from_checkpoint(exact_checkpoint)
    with cuda_engine.CudaEngine(network, (96, 128), 'fp32', 'cpu') as engine:
        for kind in exact_networks.IMAGES:
            frame = exact_networks.frame(kind)
            truth = exact_networks.truth(network, exact_networks.image(kind, 96, 128))[0].numpy()
            assert engine.labels(frame).dtype == np.uint8
            assert np.array_equal(engine.labels(frame), truth.argmax(0))
            assert np.array_equal(engine.logits(frame), truth)
    with pytest.raises(RuntimeError, match='closed'):
        engine.labels(frame)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no CUDA device')
def test_labels_and_logits_are_those_of_the_cpu(random_checkpoint):
    network = from_checkpoint(random_checkpoint)
    reference = torch_engine.TorchEngine(network, (96, 128))
    with cuda_engine.CudaEngine(network, (96, 128), 'fp16', 'cuda') as engine:
        for seed in (1, 2):
            frame = unseen_frame((96, 128), seed)
            assert np.mean(engine.labels(frame) == reference.labels(frame)) > 0.98
            assert np.median(np.abs(engine.logits(frame) - reference.logits(frame))) < 2e-2


def test_why_it_is_not_available():
    assert (cuda_engine.available() is None) == torch.cuda.is_available()
