"""One stage of a training: its network, loss, optimisers and averaged weights, and the step."""

from typing import Any, Dict, Mapping, NamedTuple, Optional

import torch
from torch import nn

from .. import networks
from ..errors import InputError
from . import losses, model, optimisation
from .frames import Batch, Frames
from .parallel import Group
from .recipe import Recipe


class Outcome(NamedTuple):
    """What a step gives: the batch's loss, and whether a process wants to stop."""

    loss: float
    stop: bool


class StageTrainer:
    """Trains what stage `number` of a recipe names, around the `network` that all stages share."""

    def __init__(self, recipe: Recipe, number: int, network: Any, frames: Frames, device: torch.device,
                 group: Optional[Group] = None) -> None:
        self.number, self.options, self.group, self.device = number, recipe.stages[number], group, device
        self.steps = 0              # taken by this process
        options, classes = self.options, len(frames.pixels)
        if group is not None and options.batch % group.size:
            raise InputError(f'batch {options.batch} cannot be shared by {group.size} processes')
        with torch.random.fork_rng(devices=[]):     # alike in every process and after a resume
            torch.manual_seed(recipe.seed + number)
            if options.part == 'encoder':
                network = networks.EncoderClassifier(network.encoder, classes)
            self.trained = model.Trained(network, options.loss.auxiliary > 0 and options.part == 'all')
        self.trained.to(device)
        if recipe.channels_last:
            self.trained.to(memory_format=torch.channels_last)
        model.set_dropout(network, options.dropout)
        weight = losses.class_weights(options.loss, frames.pixels, frames.present)
        dtype = model.precision(recipe.precision, device)
        self._objective = model.Objective(
            self.trained, options.loss, torch.from_numpy(weight).to(device), dtype, options.part == 'encoder',
            recipe.compile, group.total if group else None)
        self._optimisers = optimisation.build(options.optimiser, self.trained)
        self._average = optimisation.average(self.trained, options.ema) if options.ema else None
        self._scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    def step(self, batch: Batch, share: float, stop: bool = False) -> Outcome:
        """Take one step at `share` (0..1) of the stage; `stop` in any process reaches all."""
        images, labels = (torch.from_numpy(part).to(self.device) for part in batch[:2])
        soft = None if batch.soft is None else torch.from_numpy(batch.soft).to(self.device)
        loss = self._objective(images, labels, soft)
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        outcome = Outcome(loss.item(), stop)
        if self.group is not None:
            value, share, stopped = self.group.average(self.trained, (outcome.loss, share, float(stop)))
            outcome = Outcome(value, stopped > 0)
        optimisation.set_rates(self._optimisers, optimisation.rate_factor(self.options.optimiser, share))
        for optimiser in self._optimisers:
            self._scaler.step(optimiser)
        self._scaler.update()
        if self._average is not None:
            self._average.update_parameters(self.trained)
        self.steps += 1
        return outcome

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return float(self._optimisers[0].param_groups[0]['lr'])

    def evaluated(self) -> nn.Module:
        """Return the network whose weights count: the average where there is one."""
        trained: Any = self.trained if self._average is None else self._average.module
        return trained.network

    def state_dict(self) -> Dict[str, Any]:
        """Return what `load_state_dict` takes."""
        return {'trained': self.trained.state_dict(), 'scaler': self._scaler.state_dict(),
                'optimisers': [optimiser.state_dict() for optimiser in self._optimisers],
                'average': self._average and self._average.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        self.trained.load_state_dict(state['trained'])
        self._scaler.load_state_dict(state['scaler'])
        for optimiser, saved in zip(self._optimisers, state['optimisers']):
            optimiser.load_state_dict(saved)
        if self._average is not None:
            self._average.load_state_dict(state['average'])
