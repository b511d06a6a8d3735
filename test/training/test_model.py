"""The compiled objective: what it gives, and for which shapes it is compiled."""

from typing import Any, List

import pytest
import torch
from torch import nn

from enet_ros.training.model import Objective, Trained
from enet_ros.training.recipe import Loss


class Small(nn.Conv2d):
    """A network of one layer."""

    num_classes = 3

    def __init__(self) -> None:
        super().__init__(3, 3, 1)


def test_every_stage_is_compiled_for_its_own_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled for any shape, ENet's backward pass takes minutes to generate."""
    seen: List[Any] = []

    def backend(graph: Any, inputs: List[Any]) -> Any:
        seen.append([side for tensor in inputs for side in getattr(tensor, 'shape', (tensor,))])
        return graph.forward

    compiled = torch.compile
    monkeypatch.setattr(torch, 'compile', lambda call, **how: compiled(call, backend=backend, **how))
    trained, weight = Trained(Small()), torch.ones(3)
    for batch, height, width in ((2, 16, 24), (1, 24, 32)):
        images = torch.zeros(batch, height, width, 3, dtype=torch.uint8)
        labels = torch.ones(batch, height, width, dtype=torch.uint8)
        losses = [Objective(trained, Loss(jaccard=1.0), weight, torch.float32, False, on)(images, labels)
                  for on in (True, False)]
        assert torch.allclose(*losses)
    assert len(seen) == 2 and all(type(side) is int for sides in seen for side in sides)
