"""Training frames: how they are drawn, and held out."""


import numpy as np
import pytest
from small import SMALL, make_frames

from enet_ros.errors import InputError
from enet_ros.training import frames as data
from enet_ros.training import recipe as recipes


def test_epochs_are_drawn_evenly_or_balanced() -> None:
    """Every frame once; with balance 1 both sequences equally often; threads do not change a batch."""
    frames = make_frames(5)
    rng = np.random.default_rng(0)
    assert sorted(data.order(frames, 0.0, rng)) == list(range(5))
    drawn = np.concatenate([data.order(frames, 1.0, rng) for _ in range(200)])
    share = np.mean([frames.sequences[n] == 'a' for n in drawn])
    assert abs(share - 0.5) < 0.03
    recipe = recipes.parse(SMALL)
    batches = [list(data.batches(frames, recipes.override(recipe, workers=workers), recipe.stages[0], [2], 3))
               for workers in (1, 3)]
    assert len(batches[0]) == 3
    for one, three in zip(*batches):
        assert (one.images == three.images).all() and (one.labels == three.labels).all()


def test_sequences_are_held_out_whole() -> None:
    """The parts share no sequence and count their own pixels; an unknown name is told."""
    training, held = make_frames(5).split(['b'])
    assert set(training.sequences) == {'a'} and set(held.sequences) == {'b'}
    assert (training.pixels + held.pixels == make_frames(5).pixels).all() and held.pixels.any()
    with pytest.raises(InputError, match="'c' is not in the training data; there are: a, b"):
        make_frames(5).split(['c'])
