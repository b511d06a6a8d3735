"""The training loop: stages, epochs, checkpoints that resume bit for bit, log and weights."""

import copy
import json
from pathlib import Path
import time
from typing import Any, Dict, Mapping, Optional

import numpy as np
import torch
from torch import nn

from .. import networks
from ..classes import ClassTable
from ..errors import InputError
from . import calibration, model, optimisation, state, teacher
from . import frames as data
from .clock import Clock
from .export import export
from .log import Log
from .parallel import Group
from .recipe import Recipe, Stage, first_epochs
from .stage import StageTrainer
from .stopping import Stop
from .validation import full_frames, validate

_COUNTS = ('epoch', 'step', 'loss', 'scores', 'best')
_JUDGES = 100       # training frames that judge new statistics where there are no others


class Trainer:
    """Trains one recipe on frames in memory and keeps everything it needs to go on in `folder`.

    `folder` gets checkpoint.pt (after every epoch and when stopped), log.csv, curves.png, weights.npz (the
    newest validated weights) and best.npz (those that scored most on the way). Same seed, thread count and
    machine: the same weights, also through a resume. With `hours` the schedule ends after that much time,
    over all runs, if not before. `origin` says where the frames came from.
    """

    def __init__(self, recipe: Recipe, frames: data.Frames, classes: ClassTable, folder: Path,
                 validation: Optional[data.Frames] = None, init: Optional[nn.Module] = None,
                 hours: Optional[float] = None, device: str = 'auto',
                 origin: Optional[Mapping[str, Any]] = None, licence: str = '') -> None:
        self.recipe, self.frames, self.classes, self.folder = recipe, frames, classes, folder
        self.validation, self.clock = validation, Clock(hours)
        self.origin, self.licence = dict(origin or {}), licence
        self.device = model.device(device)
        for stage in recipe.stages:
            teacher.check(stage.loss, classes)
        torch.manual_seed(recipe.seed)
        self.network = init or networks.build(recipe.network, len(classes), recipe.variant)
        self.group: Optional[Group] = None
        self.epoch, self.step, self.loss = 0, 0, 0.0    # epochs done; steps into the next, their loss
        self.scores: Dict[str, Any] = {}
        self.best, self.finished = 0.0, False
        self.temperature: Optional[float] = None
        self._saved: Dict[str, Any] = {'settings': self.settings()}
        self.soft: Optional[np.ndarray] = None
        self.log = Log(folder, classes)
        self._rare = [classes.index(name) for name in recipe.stages[-1].augmentation.rare_classes
                      if name in classes.names]

    @property
    def leads(self) -> bool:
        """Whether this process validates, logs and saves."""
        return self.group is None or self.group.rank == 0

    def run(self, group: Optional[Group] = None, minutes: Optional[float] = None) -> Dict[str, Any]:
        """Train from the folder's checkpoint to the end; return the final scores.

        Ctrl-C, or `minutes` of this run, stop it after a step with a checkpoint: `finished` is then
        False, and a run in the same folder goes on to the same result.
        """
        self.group = group
        if not self.leads:
            self._train(Stop(self.log.say))
            return {}
        with state.locked(self.folder), Stop(self.log.say, minutes) as stop:
            if self._train(stop):
                self._finish()
            self.log.plot()
        return self.scores

    def _train(self, stop: Stop) -> bool:
        """Train all epochs that are left; return whether it came to its end."""
        self._begin()
        with self.log.bar(self._steps_until(self.recipe.epochs), self._steps_until(self.epoch) + self.step,
                          not self.leads) as bar:
            while self.step or (self._agreed(self.progress()) < 1 and self.epoch < self.recipe.epochs):
                if not self._train_epoch(bar, stop):
                    return False
        return True

    def _begin(self) -> None:
        saved = state.load(self.folder, self.settings(), self.device)
        if saved:
            with state.fitting(self.folder):
                self.load_state_dict(saved)
            if self.leads:
                self.log.keep(self.epoch)
        else:
            self.enter(0)
            torch.manual_seed(self.recipe.seed + (self.group.rank if self.group else 0))    # other dropout

    def _agreed(self, value: float) -> float:
        return value if self.group is None else self.group.agree(value)     # so that none stops alone

    def progress(self) -> float:
        """Return the share (0..1) of the whole training that is done, by epochs or by time."""
        done = self.epoch + self.step / self._steps(self.stage.options)
        return max(done / self.recipe.epochs, self.clock.share())

    def _train_epoch(self, bar: Any, stop: Stop) -> bool:
        """Train the rest of an epoch and save a checkpoint; return whether the training goes on."""
        if not self.step:
            done = int(self._agreed(self.progress()) * self.recipe.epochs + 1e-6)
            number = sum(first <= done for first in first_epochs(self.recipe)) - 1
            if number != self.stage.number:
                self.enter(number)
        options, stopped = self.stage.options, False
        first = first_epochs(self.recipe)[self.stage.number]
        self.stage.trained.train()
        started, steps = time.monotonic(), self._steps(options)
        part = (self.group.rank, self.group.size) if self.group else (0, 1)
        for batch in data.batches(self.frames, self.recipe, options, self._rare, self.epoch, *part,
                                  first=self.step, soft=self.soft):
            share = (self.progress() * self.recipe.epochs - first) / options.epochs
            stopped = self._step(batch, share, bool(stop))
            self.log.advance(bar, self.epoch + 1, self.loss / self.step)
            if stopped:
                break
        if self.step == steps:
            self.epoch, self.step = self.epoch + 1, 0
            if self.leads:
                self._close_epoch(self.loss / steps, time.monotonic() - started)
            self.loss = 0.0
        self._saved = self.state_dict()
        if self.leads:
            state.save(self.folder, self._saved)
        return not stopped

    def _step(self, batch: data.Batch, share: float, stop: bool) -> bool:
        """Take a step; return whether a process wants to stop."""
        compiles = self.recipe.compile and self.stage.steps == 0
        started = time.monotonic()
        if compiles and self.leads:
            self.log.say('compiling the network for this stage: two minutes or more without a step')
        outcome = self.stage.step(batch, share, stop)
        if not outcome.loss < 1e6:
            raise InputError(f'loss became {outcome.loss} in epoch {self.epoch + 1}: lower the learning rate')
        if compiles:
            self.clock.compiling += time.monotonic() - started
        self.step, self.loss = self.step + 1, self.loss + outcome.loss
        return outcome.stop

    def _close_epoch(self, loss: float, seconds: float) -> None:
        row: Dict[str, Any] = {'epoch': self.epoch, 'stage': self.stage.options.part, 'loss': loss,
                               'lr': self.stage.rate, 'seconds': seconds}
        if self.epoch % self.recipe.validate_every == 0 and self.validation is not None:
            self.scores = self._validate(self.validation, row)
            self._export('weights.npz')
            if self.scores['mean_iou'] > self.best:
                self.best = self.scores['mean_iou']
                self._export('best.npz')
        self.log.add(row)

    def enter(self, number: int, saved: Optional[Mapping[str, Any]] = None) -> None:
        """Begin stage `number`, or take it up where `saved` left it."""
        before = self.network if number == 0 or saved else self.stage.evaluated()
        self.stage: StageTrainer = StageTrainer(
            self.recipe, number, self.network, self.frames, self.device, self.group)
        if saved:
            self.stage.load_state_dict(saved)
        self.soft = None
        options = self.stage.options
        if options.loss.distillation and options.part == 'all':
            path = self.folder / f'teacher{number + 1}.npy'
            if self.leads and not saved and not teacher.is_array(options.loss.teacher[0]):
                teacher.prepare(path, options.loss, self.frames.frames, self.classes,
                                copy.deepcopy(before).to(self.device), self.device)
            self._agreed(0.0)       # the others wait for the file
            self.soft = teacher.load(path, options.loss, self.frames.frames, self.classes)

    def _validate(self, frames: data.Frames, row: Dict[str, Any]) -> Dict[str, Any]:
        network = self.stage.evaluated()
        network.eval()
        scores = validate(network, frames.frames, self.classes, self.device)
        row['mean_iou'], row['class_iou'] = scores['mean_iou'], scores['class_iou']
        return dict(scores, frames=len(frames.frames), size=list(self.recipe.input_size),
                    split=self.origin.get('validation'))

    def _finish(self) -> None:
        row: Dict[str, Any] = {'epoch': self.epoch, 'stage': 'final'}
        judges = self.validation or self.frames.thinned(_JUDGES)
        if self.recipe.recalibrate:
            optimisation.recalibrate_if_better(
                self.stage.evaluated(), lambda: full_frames(self.frames.frames, self.device),
                lambda: float(self._validate(judges, {})['mean_iou']))
        if self.validation is not None:
            self.scores = self._validate(self.validation, row)
            self.temperature = calibration.fit_temperature(self.stage.evaluated(), self.validation.frames,
                                                           self.device)
            self.log.add(row)
        self._export('weights.npz')
        self.finished = True
        state.save(self.folder, dict(self._saved, finished=True))

    def _export(self, name: str) -> None:
        training = {'epochs': self.epoch, 'hours': round(self.clock.seconds() / 3600, 2),
                    'frames': len(self.frames.frames), 'device': self.device.type,
                    'processes': self.group.size if self.group else 1, **self.origin}
        export(self.folder / name, self.stage.evaluated(), self.recipe, self.classes, training, self.scores,
               self.licence, self.temperature)

    def settings(self) -> Dict[str, Any]:
        """Return what must be the same for a checkpoint to be continued, as plain types."""
        return json.loads(json.dumps({      # tuples become lists, as in the file
            'recipe': self.recipe.to_dict(), 'hours': self.clock.hours, 'origin': self.origin,
            'frames': len(self.frames.frames), 'classes': self.classes.names}))

    def state_dict(self) -> Dict[str, Any]:
        """Return what `load_state_dict` takes; every process of a group must call it."""
        random = torch.get_rng_state()[None] if self.group is None else self.group.random_states()
        return {
            'settings': self.settings(), 'finished': False, 'random': random,
            'cuda_random': torch.cuda.get_rng_state_all() if self.device.type == 'cuda' else [],
            'network': self.network.state_dict(), 'stage': self.stage.number,
            'stage_state': self.stage.state_dict(), 'clock': self.clock.state_dict(),
            **{name: getattr(self, name) for name in _COUNTS}}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue from a saved state."""
        self.network.load_state_dict(saved['network'])
        for name in _COUNTS:
            setattr(self, name, saved[name])
        self.clock.load_state_dict(saved['clock'])
        self.enter(saved['stage'], saved['stage_state'])
        random = saved['random'].cpu()
        # A copy: torch 2.13 reads beyond a state that is a view into another tensor.
        torch.set_rng_state(random[min(self.group.rank if self.group else 0, len(random) - 1)].clone())
        if self.device.type == 'cuda':
            torch.cuda.set_rng_state_all([random.cpu() for random in saved['cuda_random']])
        self._saved = dict(saved)

    def _steps(self, stage: Stage) -> int:
        return data.steps_per_epoch(len(self.frames.frames), stage.batch)

    def _steps_until(self, epoch: int) -> int:
        return sum(self._steps(stage) * min(max(epoch - first, 0), stage.epochs)
                   for stage, first in zip(self.recipe.stages, first_epochs(self.recipe)))
