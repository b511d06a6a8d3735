"""Several processes share a batch: mean gradients, one Jaccard over all, one decision to stop."""

from pathlib import Path
import signal

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F
from work import die, die_before_joining, learn

from enet_ros import weights
from enet_ros.errors import InputError
from enet_ros.tools import train
from enet_ros.training import losses
from enet_ros.training.parallel import lead, lost


@pytest.mark.timeout(400)       # processes that import torch, on a machine that may be busy
def test_a_process_that_dies_ends_the_waiting() -> None:
    """The leader does not wait for a process that was killed, before or after it joined."""
    with pytest.raises(InputError, match='ended before it began'):
        lead(2, die_before_joining, None)
    group = lead(2, die, signal.SIGKILL)
    try:
        with pytest.raises(RuntimeError) as caught:
            group.agree(1.0)
        assert lost(caught.value) and not lost(RuntimeError('shapes do not fit'))
    finally:
        group.leave()


@pytest.mark.timeout(400)
def test_two_halves_give_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    """Soft Jaccard over both halves, mean gradients and statistics, the leader's number, a wish to stop."""
    group = lead(2, learn, str(tmp_path))
    try:
        mine = learn(lambda: group, str(tmp_path))
    finally:
        group.leave()
    its = torch.load(str(tmp_path / '1.pt'), weights_only=True)
    assert mine['agreed'] == its['agreed'] == 0 and mine['numbers'] == its['numbers'] == [0.5, 1.0]
    assert torch.equal(mine['gradient'], its['gradient']) and torch.equal(mine['mean'], its['mean'])
    assert mine['random'].shape[0] == 2 and torch.equal(mine['random'], its['random'])
    weight = torch.zeros(3, 2, requires_grad=True)
    images = torch.cat([mine['images'], its['images']])
    labels = torch.cat([mine['labels'], its['labels']])
    logits = torch.einsum('cd,ndhw->nchw', weight, images)
    loss = losses.soft_jaccard(losses.jaccard_sums(logits, labels))
    loss = loss + (F.cross_entropy(logits[:1], labels[:1]) + F.cross_entropy(logits[1:], labels[1:])) / 2
    loss.backward()
    assert torch.allclose(weight.grad, mine['gradient'], atol=1e-6)
    assert torch.allclose(mine['mean'], torch.tensor([0.5]))


@pytest.mark.timeout(400)       # four processes that import torch, on a machine that may be busy
def test_two_processes_train_and_resume(tmp_path: Path) -> None:
    """Two processes train one network, stop together when told, and go on where they stopped."""
    (tmp_path / 'recipe.yaml').write_text(
        'input_size: [32, 48]\ncrop: [32, 32]\nbatch: 4\nvalidate_every: 9\nepochs: 2\n'
        'loss: {auxiliary: 0.4, jaccard: 1}\nema: 0.9\nprecision: float32\n')
    (tmp_path / 'classes.yaml').write_text(
        'name: two\nclasses:\n  - {name: a, colour: [1, 1, 1]}\n  - {name: b, colour: [2, 2, 2]}\n')
    for number in range(8):
        mask = np.kron(np.random.RandomState(number).randint(0, 2, (4, 6)), np.ones((8, 8), int))
        for folder, pixels in (('images', mask[..., None] * 200 + np.zeros(3)), ('masks', mask)):
            (tmp_path / 'data' / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / 'data' / folder / f'{number}.png'), pixels.astype(np.uint8))

    def call(*more: str) -> int:
        return train.main([
            '--data', str(tmp_path / 'data'), '--classes', str(tmp_path / 'classes.yaml'), '--split', 'all',
            '--recipe', str(tmp_path / 'recipe.yaml'), '--output', str(tmp_path / 'out'), '--processes', '2',
            '--threads', '1', '--device', 'cpu'] + list(more))

    assert call('--minutes', '0.0001') == train.EXIT_PAUSED
    assert not (tmp_path / 'out' / 'weights.npz').exists()
    assert call() == 0
    after = weights.load(tmp_path / 'out' / 'weights.npz')
    assert after.metadata['training']['epochs'] == 2 and after.metadata['training']['processes'] == 2
    assert all(np.isfinite(array).all() for array in after.arrays.values())
