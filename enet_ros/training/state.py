"""A training's state on disk: the checkpoint it resumes from, and the weights it gives."""

import os
from pathlib import Path
import pickle
from typing import TYPE_CHECKING, Any, Dict
import zipfile

import torch

from .. import __version__, networks, weights
from ..errors import InputError

if TYPE_CHECKING:
    from .trainer import Trainer


def export(trainer: 'Trainer', path: Path) -> None:
    """Write the weights that count, with the record of how they were made; whole networks only."""
    network = trainer.evaluated()
    if isinstance(network, networks.EncoderClassifier):
        return
    recipe = trainer.recipe
    record = {
        'recipe': recipe.to_dict(), 'epochs': trainer.epoch, 'hours': round(trainer.clock() / 3600, 2),
        'frames': len(trainer.frames.frames), 'threads': torch.get_num_threads(),
        'processes': trainer.group.size if trainer.group else 1, 'device': trainer.device.type,
        'torch': torch.__version__, **trainer.origin}
    weights.save(path, networks.to_checkpoint(network, {
        'format': weights.FORMAT, 'network': recipe.network, 'variant': recipe.variant,
        'classes': trainer.classes.to_dict(), 'input_size': list(recipe.input_size),
        'normalisation': weights.NORMALISATION, 'training': record, 'scores': trainer.scores,
        'version': __version__}))


def save(trainer: 'Trainer') -> None:
    """Write the checkpoint atomically; every process of a group must call it."""
    group = trainer.group
    random = torch.get_rng_state()[None] if group is None else group.random_states()
    if not trainer.leads:
        return
    state = {
        'recipe': trainer.recipe.to_dict(), 'stage': trainer.stage_number, 'epoch': trainer.epoch,
        'elapsed': trainer.clock(), 'trained': trainer.trained.state_dict(), 'scores': trainer.scores,
        'network': trainer.network.state_dict(), 'random': random,
        'optimisers': [optimiser.state_dict() for optimiser in trainer.optimisers],
        'average': None if trainer.average is None else trainer.average.state_dict(),
        'scaler': trainer.scaler.state_dict()}
    path = trainer.folder / 'checkpoint.pt'
    partial = path.with_suffix('.partial')
    torch.save(state, str(partial))
    os.replace(str(partial), str(path))


def resume(trainer: 'Trainer') -> bool:
    """Continue from the folder's checkpoint, where there is one; InputError where it does not fit."""
    path = trainer.folder / 'checkpoint.pt'
    if not path.is_file():
        return False
    try:
        # Tensors and plain values only: a checkpoint is a file like any other and may be hostile.
        state = torch.load(str(path), map_location=trainer.device, weights_only=True)
        trainer.enter(state['stage'])
        _fill(trainer, state)
    except (RuntimeError, KeyError, ValueError, IndexError, EOFError, TypeError, OSError,
            pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise InputError('{}: does not continue this recipe ({}); name another folder'.format(
            path, str(error).strip().split('\n')[0])) from None
    return True


def _fill(trainer: 'Trainer', state: Dict[str, Any]) -> None:
    trainer.network.load_state_dict(state['network'])
    trainer.trained.load_state_dict(state['trained'])
    for optimiser, saved in zip(trainer.optimisers, state['optimisers']):
        optimiser.load_state_dict(saved)
    if trainer.average is not None and state['average'] is not None:
        trainer.average.load_state_dict(state['average'])
    trainer.scaler.load_state_dict(state['scaler'])
    trainer.epoch, trainer.elapsed, trainer.scores = state['epoch'], state['elapsed'], state['scores']
    rank = 0 if trainer.group is None else trainer.group.rank
    random = state['random'].cpu()
    # A copy: torch 2.13 reads beyond a state that is a view into another tensor.
    torch.set_rng_state(random[min(rank, len(random) - 1)].clone())
