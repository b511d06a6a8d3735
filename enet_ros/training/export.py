"""The weights that a training gives, with the record of how they were made."""

from pathlib import Path
from typing import Any, Mapping, Optional

import torch
from torch import nn

from .. import __version__, networks, weights
from ..classes import ClassTable
from .recipe import Recipe


def export(path: Path, network: nn.Module, recipe: Recipe, classes: ClassTable, training: Mapping[str, Any],
           scores: Mapping[str, Any], licence: str = '', temperature: Optional[float] = None) -> None:
    """Write a whole network's weights; of an encoder alone nothing.

    `training` is the record beside the recipe and the versions; `licence` that of data and earlier weights
    together; `temperature` what logits are divided by for a calibrated confidence, where it was fitted.
    """
    if isinstance(network, networks.EncoderClassifier):
        return
    record = {
        'format': weights.FORMAT, 'network': recipe.network, 'variant': recipe.variant,
        'classes': classes.to_dict(), 'input_size': list(recipe.input_size),
        'normalisation': weights.NORMALISATION, 'scores': dict(scores), 'version': __version__,
        'training': dict(training, recipe=recipe.to_dict(), threads=torch.get_num_threads(),
                         torch=torch.__version__)}
    if licence:
        record['licence'] = licence
    if temperature is not None:
        record['temperature'] = round(temperature, 4)
    weights.save(path, networks.to_checkpoint(network, record))
