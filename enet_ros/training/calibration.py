"""The temperature that makes a network's confidence true (Guo et al., 2017, section 4.2)."""

from typing import List

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..classes import IGNORE
from .augmentation import Frame
from .validation import full_frames


@torch.no_grad()
def fit_temperature(network: nn.Module, frames: List[Frame], device: torch.device, stride: int = 4) -> float:
    """Return what logits are divided by so that their softmax is calibrated on frames not trained on.

    It minimises the cross entropy over every `stride`-th labelled pixel each way; 1.0 where there is
    none. The labels do not change.
    """
    logits, labels = [], []
    for place, answer in enumerate(a for batch in full_frames(frames, device) for a in network(batch)):
        label = torch.from_numpy(np.ascontiguousarray(frames[place].label[::stride, ::stride])).to(device)
        valid = label != IGNORE
        logits.append(answer.float()[:, ::stride, ::stride][:, valid].t())
        labels.append(label[valid].to(torch.int64))
    known, truth = torch.cat(logits), torch.cat(labels)
    return minimise(known, truth) if len(truth) else 1.0


def minimise(logits: Tensor, truth: Tensor) -> float:
    """Search for the temperature between 1/10 and 10; the cross entropy has one minimum over its inverse."""
    low, high = -np.log(10), np.log(10)
    for _ in range(40):
        third = (high - low) / 3
        first, second = (float(F.cross_entropy(logits / float(np.exp(at)), truth))
                         for at in (low + third, high - third))
        low, high = (low, high - third) if first < second else (low + third, high)
    return float(np.exp((low + high) / 2))
