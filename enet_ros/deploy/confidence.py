"""How probable the label given is: the softmax of calibrated logits, as a byte. 255 is certain."""

from typing import NamedTuple, Optional, Tuple

import numpy as np


class Calibration(NamedTuple):
    """What turns logits into probabilities that hold (Guo et al., 2017, section 4.2).

    Logits are divided by `temperature`. `groups` has each class's group where groups of classes are given
    out: a group's probability is the sum of its classes'. None: each class stands for itself.
    """

    temperature: float = 1.0
    groups: Optional[Tuple[int, ...]] = None


def labels_and_confidence(logits: np.ndarray, calibration: Calibration) -> Tuple[np.ndarray, np.ndarray]:
    """(C, H, W) logits -> the best class, first on ties, and its probability times 255: (H, W) uint8."""
    labels = logits.argmax(0).astype(np.uint8)
    powers = np.exp((logits - logits.max(0)) / np.float32(calibration.temperature))
    own = powers.max(0)     # 1: the best class's own
    if calibration.groups is not None:
        groups = np.array(calibration.groups)
        own = (powers * (groups[:, None, None] == groups[labels])).sum(0)
    return labels, np.rint(255 * own / powers.sum(0)).astype(np.uint8)
