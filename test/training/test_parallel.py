"""Several processes share a batch: the mean of their gradients, the leader's clock."""

import copy
from pathlib import Path
import signal
import threading

import cv2
from dying import die
import numpy as np
import pytest
import torch
from torch import nn

from enet_ros import weights
from enet_ros.tools import train
from enet_ros.training.parallel import Group, follow


def test_a_process_that_dies_ends_the_waiting() -> None:
    """The leader does not wait for a process that was killed."""
    group = Group(2, 1)
    (follower,) = follow(group, die, None)
    with pytest.raises(threading.BrokenBarrierError):
        group.agree(1.0)
    follower.join(60)
    assert follower.exitcode == -signal.SIGKILL


def test_gradients_are_averaged_and_the_leader_s_share_holds() -> None:
    """Both members end with the mean gradient, the mean loss and the leader's share."""
    group = Group(2, 100)
    members = [group, copy.copy(group)]
    members[1].rank = 1
    parameters = [[nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(5))] for _ in members]
    results = [None, None]

    def take_part(rank: int) -> None:
        for parameter in parameters[rank]:
            parameter.grad = torch.full_like(parameter, 1.0 + 2 * rank)
        result = members[rank].average(parameters[rank], 0.25 + rank, 3.0 - rank)
        results[rank] = result + (members[rank].agree(7.0 + rank),)

    threads = [threading.Thread(target=take_part, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [(0.25, 2.5, 7.0)] * 2
    assert all((parameter.grad == 2).all() for mine in parameters for parameter in mine)


@pytest.mark.timeout(400)       # four processes that import torch, on a machine that may be busy
def test_two_processes_train_and_resume(tmp_path: Path) -> None:
    """Two processes train one network, end together, and go on where they stopped."""
    (tmp_path / 'recipe.yaml').write_text(
        'input_size: [32, 48]\ncrop: [32, 32]\nbatch: 4\nvalidate_every: 9\nepochs: 2\n'
        'loss: {auxiliary: 0.4}\nema: 0.9\nprecision: float32\n')
    (tmp_path / 'classes.yaml').write_text(
        'name: two\nclasses:\n  - {name: a, colour: [1, 1, 1]}\n  - {name: b, colour: [2, 2, 2]}\n')
    for number in range(4):
        mask = np.kron(np.random.RandomState(number).randint(0, 2, (4, 6)), np.ones((8, 8), int))
        for folder, pixels in (('images', mask[..., None] * 200 + np.zeros(3)), ('masks', mask)):
            (tmp_path / 'data' / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / 'data' / folder / f'{number}.png'), pixels.astype(np.uint8))

    def call(folder: str, *more: str) -> int:
        return train.main([
            '--data', str(tmp_path / 'data'), '--classes', str(tmp_path / 'classes.yaml'), '--split', 'all',
            '--recipe', str(tmp_path / 'recipe.yaml'), '--output', str(tmp_path / folder), '--processes', '2',
            '--threads', '1', '--device', 'cpu'] + list(more))

    assert call('out', '--epochs', '1') == 0
    before = weights.load(tmp_path / 'out' / 'weights.npz')
    assert call('out') == 0
    after = weights.load(tmp_path / 'out' / 'weights.npz')
    assert [w.metadata['training']['epochs'] for w in (before, after)] == [1, 2]
    assert all(np.isfinite(array).all() for array in after.arrays.values())
    assert any((before.arrays[name] != after.arrays[name]).any() for name in after.arrays)
