"""Scores of a network during training: one confusion matrix over full frames."""

from typing import Any, Dict, Iterator, List

import numpy as np
import torch
from torch import Tensor, nn

from ..classes import ClassTable
from ..metrics.confusion import ConfusionMatrix
from .augmentation import Frame
from .model import to_input


def full_frames(frames: List[Frame], device: torch.device, batch: int = 4) -> Iterator[Tensor]:
    """Yield full frames as network input (N, 3, H, W)."""
    for start in range(0, len(frames), batch):
        stacked = np.stack([frame.image for frame in frames[start:start + batch]])
        yield to_input(torch.from_numpy(stacked).to(device))


@torch.no_grad()
def validate(network: nn.Module, frames: List[Frame], classes: ClassTable,
             device: torch.device) -> Dict[str, Any]:
    """Score full frames at input size (labels nearest at that size); keys as in the tools' JSON."""
    matrix = ConfusionMatrix(len(classes))
    place = 0
    for images in full_frames(frames, device):
        for labels in network(images).argmax(1).to(torch.uint8).cpu().numpy():
            truth = frames[place].label
            if labels.shape != truth.shape:     # the encoder stage answers at 1/8
                truth = truth[4::8, 4::8]
            matrix.update(labels, truth)
            place += 1
    return matrix.scores(classes)
