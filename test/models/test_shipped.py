"""The weights that ship: small, complete, and described by the card beside them."""

from pathlib import Path

import numpy as np
import pytest

from enet_ros import resources, weights
from enet_ros.classes import ClassTable

NAMES = ('camvid', 'synthetic')


@pytest.mark.parametrize('name', NAMES)
def test_weights_are_what_the_card_says(name: str) -> None:
    """Under 1 MB, fp16 kernels, ENet's parameters, and the card's hash and score are this file's."""
    path = resources.find('models', f'enet_{name}.npz')
    assert path.stat().st_size < 1000000
    checkpoint = weights.load(name)
    assert checkpoint.classes.names == ClassTable.load('camvid').names
    assert (checkpoint.network, checkpoint.variant, checkpoint.input_size) == ('enet', 'authors', (360, 480))
    learnt = [array for key, array in checkpoint.arrays.items() if 'running_' not in key]
    assert sum(array.size for array in learnt) == 363791
    assert all(array.dtype == np.float16 for array in learnt if array.ndim > 1)
    card = Path(resources.find('models', 'README.md')).read_text()
    scores = checkpoint.metadata['scores']
    assert checkpoint.sha256[:16] in card and '{:.3f}'.format(scores['mean_iou']) in card
    assert checkpoint.temperature > 1 and f'{checkpoint.temperature:.4f}' in card
    assert ('non-commercial' in checkpoint.licence) == (name == 'camvid') and checkpoint.licence
    for class_name, iou in scores['class_iou'].items():
        assert f'| {class_name} | {iou:.3f} |' in card


def test_the_demonstration_s_weights_read_streets_they_never_saw() -> None:
    """On a held-out street, at the size they were trained for, the mean IoU is above 0.5."""
    torch = pytest.importorskip('torch')
    from enet_ros import networks
    from enet_ros.datasets import SyntheticStreet
    from enet_ros.metrics.confusion import ConfusionMatrix
    checkpoint = weights.load('synthetic')
    network = networks.from_checkpoint(checkpoint)
    matrix = ConfusionMatrix(len(checkpoint.classes))
    street = SyntheticStreet(checkpoint.input_size, seed=3, frames=241)
    for index in (0, 80, 160, 240):
        sample = street[index]
        with torch.no_grad():
            logits = network(torch.from_numpy(sample.image)[None].permute(0, 3, 1, 2).float() / 255)
        matrix.update(logits.argmax(1)[0].to(torch.uint8).numpy(), sample.label)
    assert matrix.scores(checkpoint.classes)['mean_iou'] > 0.5
