"""PReLU slopes against depth: Figure 3 of the paper, from any weights."""

from pathlib import Path
from typing import List, NamedTuple

import numpy as np

from ..errors import InputError
from ..weights import Checkpoint


class Slope(NamedTuple):
    """The slopes of one PReLU layer; depth counts such layers from the input."""

    depth: int
    layer: str
    mean: float
    smallest: float
    largest: float
    decoder: bool


def slopes(checkpoint: Checkpoint) -> List[Slope]:
    """Return every PReLU layer's slopes in the order in which the image meets them.

    InputError where the network has none.
    """
    from torch import nn

    from .. import networks
    network = networks.from_checkpoint(checkpoint)
    # Modules are registered in forward order, but a block's own activation comes after its branch.
    found = [(name, module.weight.detach().numpy()) for name, module in network.named_modules()
             if isinstance(module, nn.PReLU)]
    if not found:
        raise InputError(f'{checkpoint.origin}: {checkpoint.network} has no PReLU')
    return [Slope(depth, name, float(weight.mean()), float(weight.min()), float(weight.max()),
                  name.startswith('decoder')) for depth, (name, weight) in enumerate(found)]


def draw(layers: List[Slope], path: Path, title: str) -> None:
    """Draw mean and range of the slopes against depth into an image file."""
    from matplotlib.figure import Figure
    depth = np.array([layer.depth for layer in layers])
    mean = np.array([layer.mean for layer in layers])
    figure = Figure(figsize=(8, 4.5), layout='constrained')
    axes = figure.subplots()
    axes.fill_between(depth, [layer.smallest for layer in layers], [layer.largest for layer in layers],
                      color='tab:blue', alpha=0.25, label='smallest to largest')
    axes.plot(depth, mean, color='tab:blue', marker='.', label='mean')
    first = next((layer.depth for layer in layers if layer.decoder), None)
    if first is not None:
        axes.axvline(first - 0.5, color='grey', ls='--', lw=1)
        axes.annotate('decoder', (first, 1), xycoords=('data', 'axes fraction'), va='top')
    axes.axhline(0, color='black', lw=0.8)
    axes.set_xlabel('PReLU layer, counted from the input')
    axes.set_ylabel('slope')
    axes.set_title(title, fontsize=10)
    axes.legend()
    axes.grid(True, alpha=0.3)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(str(path), dpi=120)
    except (OSError, ValueError) as error:
        raise InputError(f'{path}: the plot cannot be written: {error}') from None
