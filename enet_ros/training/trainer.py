"""The training loop: stages, epochs, checkpoints that resume bit for bit, log and weights."""

import copy
from pathlib import Path
import time
from typing import Any, Dict, Optional

import torch
from torch import Tensor, nn

from .. import networks, weights
from ..classes import ClassTable
from ..errors import InputError
from . import frames as data
from . import losses, model, optimisation, state
from .log import Log
from .parallel import Group
from .recipe import Recipe, Stage, stage_of
from .validation import full_frames, validate


class Trainer:
    """Trains one recipe on frames in memory and keeps everything it needs to go on in `folder`.

    `folder` gets checkpoint.pt (after every epoch), log.csv, curves.png and weights.npz (the newest
    validated weights). Same seed, thread count and machine: the same weights, also through a resume.
    With `hours` the schedule also ends after that much time (kept over resumes), whichever comes first.
    """

    def __init__(self, recipe: Recipe, frames: data.Frames, classes: ClassTable, folder: Path,
                 validation: Optional[data.Frames] = None, init: Optional[nn.Module] = None,
                 hours: Optional[float] = None, device: str = 'auto', group: Optional[Group] = None) -> None:
        self.recipe, self.frames, self.classes, self.folder = recipe, frames, classes, folder
        self.validation = validation
        self.hours, self.group = hours, group
        self.leads = group is None or group.rank == 0
        self.origin: Dict[str, Any] = {}     # where the frames came from, for the record
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.device = torch.device(device)
        self.dtype = model.precision(recipe.precision, self.device)
        torch.manual_seed(recipe.seed)
        self.network = init or networks.build(recipe.network, len(classes), recipe.variant)
        self.epoch = 0              # finished epochs, over all stages
        self.elapsed = 0.0          # seconds, over all runs
        self.scores: Dict[str, Any] = {}
        self.stage_number = -1
        self._started = time.monotonic()
        self._rare = [classes.index(name) for name in recipe.stages[-1].augmentation.rare_classes
                      if name in classes.names]
        self.log = Log(folder, classes)

    def run(self) -> Dict[str, Any]:
        """Train from where the folder's checkpoint stands to the end; return the final scores."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.enter(0)
        if not self.leads:      # other dropout than the leader's
            torch.manual_seed(self.recipe.seed + self.group.rank)
        if state.resume(self):
            self._started = time.monotonic()
            if self.leads:
                self.log.keep(self.epoch)
        with self.log.bar(self._steps_of(self.recipe.epochs), self._steps_of(self.epoch),
                          not self.leads) as bar:
            while self._agreed(self.progress()) < 1 and self.epoch < self.recipe.epochs:
                self._train_epoch(bar)
        return self._finish() if self.leads else {}

    def _agreed(self, value: float) -> float:
        """Return the leader's value, so that no process stops alone."""
        return value if self.group is None else self.group.agree(value)

    def progress(self, step: int = 0) -> float:
        """Return the share (0..1) of the whole training that is done, by epochs or by time."""
        stage = self.recipe.stages[max(self.stage_number, 0)]
        done = (self.epoch + step / self._steps(stage)) / self.recipe.epochs
        if self.hours:
            done = max(done, self.clock() / (3600 * self.hours))
        return done

    def _train_epoch(self, bar: Any) -> None:
        done = int(self._agreed(self.progress()) * self.recipe.epochs + 1e-6)
        number, first = stage_of(self.recipe, min(done, self.recipe.epochs - 1))
        if number != self.stage_number:
            self.enter(number)
        stage = self.recipe.stages[number]
        self.trained.train()
        started, total, steps = time.monotonic(), 0.0, self._steps(stage)
        parts = (0, 1) if self.group is None else (self.group.rank, self.group.size)
        for step, batch in enumerate(data.batches(self.frames, self.recipe, stage, self._rare, self.epoch,
                                                  *parts)):
            share = (self.progress(step) * self.recipe.epochs - first) / stage.epochs
            loss = self._step(stage, share, torch.from_numpy(batch.images), torch.from_numpy(batch.labels))
            total += loss
            bar.set_postfix(epoch=self.epoch + 1, loss=f'{total / (step + 1):.3f}', refresh=False)
            bar.update()
        self.epoch += 1
        row: Dict[str, Any] = {
            'epoch': self.epoch, 'stage': stage.part, 'loss': total / steps,
            'lr': self.optimisers[0].param_groups[0]['lr'], 'seconds': time.monotonic() - started}
        if self.leads and self.epoch % self.recipe.validate_every == 0 and self.validation is not None:
            self.scores = self._validate(row)
            state.export(self, self.folder / 'weights.npz')
        if self.leads:
            self.log.add(row)
        state.save(self)

    def _step(self, stage: Stage, share: float, images: Tensor, labels: Tensor) -> float:
        """Take one step of the optimiser; return the batch's loss."""
        loss = self.objective(images.to(self.device), labels.to(self.device))
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        value = loss.item()
        if self.group is not None:
            share, value = self.group.average(self.trained.parameters(), share, value)
        optimisation.set_rates(self.optimisers, optimisation.rate_factor(stage.optimiser, share))
        for optimiser in self.optimisers:
            self.scaler.step(optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.trained)
        if not value < 1e6:
            raise InputError(f'the loss became {value} in epoch {self.epoch + 1}: lower the learning rate')
        return value

    def enter(self, number: int) -> None:
        """Build what stage `number` trains, around the network that all stages share."""
        stage = self.recipe.stages[number]
        model.check_teacher(self.recipe, stage)
        self.stage_number = number
        network = self.network
        with torch.random.fork_rng(devices=[]):     # alike in every process and after a resume
            torch.manual_seed(self.recipe.seed + number)
            if stage.part == 'encoder':
                network = networks.EncoderClassifier(self.network.encoder, len(self.classes))
            self.trained = model.Trained(network, stage.loss.auxiliary > 0 and stage.part == 'all')
        self.trained.to(self.device)
        if self.recipe.channels_last:
            self.trained.to(memory_format=torch.channels_last)
        model.set_dropout(network, stage.dropout)
        weight = torch.from_numpy(losses.class_weights(
            stage.loss, self.frames.pixels, self.frames.present)).to(self.device)
        teacher = None
        if stage.loss.distillation and stage.part == 'all':
            teacher = self._teacher(stage.loss.teacher)
        self.objective = model.Objective(self.trained, stage.loss, weight, self.dtype,
                                         stage.part == 'encoder', teacher, self.recipe.compile)
        self.optimisers = optimisation.build(stage.optimiser, self.trained)
        self.average = optimisation.Average(self.trained, stage.ema) if stage.ema and self.leads else None
        if self.group is not None and stage.batch % self.group.size:
            raise InputError(f'batch {stage.batch} cannot be shared by {self.group.size} processes')
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    def _teacher(self, path: str) -> nn.Module:
        checkpoint = weights.load(path)
        if checkpoint.classes.names != self.classes.names:
            raise InputError(f'{path}: the teacher knows other classes ({checkpoint.classes.name}) than the '
                             'data')
        return networks.from_checkpoint(checkpoint).to(self.device).requires_grad_(False)

    def evaluated(self) -> nn.Module:
        """Return the network whose weights count: the average where there is one."""
        return (self.trained if self.average is None else self.average.network).network

    def _validate(self, row: Dict[str, Any]) -> Dict[str, Any]:
        network = self.evaluated()
        network.eval()
        scores = validate(network, self.validation.frames, self.classes, self.device)
        row['mean_iou'] = scores['mean_iou']
        row['class_iou'] = scores['class_iou']
        return dict(scores, frames=len(self.validation.frames), size=list(self.recipe.input_size),
                    split=self.origin.get('validation'))

    def _finish(self) -> Dict[str, Any]:
        network = self.evaluated()
        if self.validation is not None:
            self.scores = self._validate({})
        if self.recipe.recalibrate:
            before = copy.deepcopy(network.state_dict())
            optimisation.recalibrate(network, full_frames(self.frames.frames, self.device))
            recalibrated = self._validate({}) if self.validation is not None else {}
            if recalibrated.get('mean_iou', 1.0) < self.scores.get('mean_iou', 0.0):
                network.load_state_dict(before)     # it does not always help
            else:
                self.scores = recalibrated
        state.export(self, self.folder / 'weights.npz')
        return self.scores

    def clock(self) -> float:
        """Return the seconds spent so far, over all runs."""
        return self.elapsed + time.monotonic() - self._started

    def _steps(self, stage: Stage) -> int:
        return data.steps_per_epoch(len(self.frames.frames), stage.batch)

    def _steps_of(self, epochs: int) -> int:
        """Return the steps of the first so many epochs, stage after stage."""
        steps = 0
        for stage in self.recipe.stages:
            steps += min(epochs, stage.epochs) * self._steps(stage)
            epochs = max(0, epochs - stage.epochs)
        return steps
