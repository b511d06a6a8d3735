"""The training loop: stages, epochs, checkpoints that resume bit for bit, log and weights."""

import copy
import os
from pathlib import Path
import time
from typing import Any, Dict, List, Optional

import torch
from torch import Tensor, nn

from .. import networks, weights
from ..classes import ClassTable
from ..errors import InputError
from . import frames as data
from . import losses, model, optimisation
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
        self._stage_number = -1
        self._started = time.monotonic()
        self._rare = [classes.index(name) for name in recipe.stages[-1].augmentation.rare_classes]
        self.log = Log(folder, classes)

    def run(self) -> Dict[str, Any]:
        """Train from where the folder's checkpoint stands to the end; return the final scores."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._enter(0)
        if not self.leads:      # other dropout than the leader's
            torch.manual_seed(self.recipe.seed + self.group.rank)
        self._resume()
        with self.log.bar(self.recipe.epochs * self._steps(self.recipe.stages[0]), self._done_steps(),
                          not self.leads) as bar:
            while self._agreed(self.progress()) < 1 and self.epoch < self.recipe.epochs:
                self._train_epoch(bar)
        return self._finish() if self.leads else {}

    def _agreed(self, value: float) -> float:
        """Return the leader's value, so that no process stops alone."""
        return value if self.group is None else self.group.agree(value)

    def progress(self, step: int = 0) -> float:
        """Return the share (0..1) of the whole training that is done, by epochs or by time."""
        stage = self.recipe.stages[max(self._stage_number, 0)]
        done = (self.epoch + step / self._steps(stage)) / self.recipe.epochs
        if self.hours:
            done = max(done, self._clock() / (3600 * self.hours))
        return done

    def _train_epoch(self, bar: Any) -> None:
        done = int(self._agreed(self.progress()) * self.recipe.epochs + 1e-6)
        number, first = stage_of(self.recipe, min(done, self.recipe.epochs - 1))
        if number != self._stage_number:
            self._enter(number)
        stage = self.recipe.stages[number]
        self.trained.train()
        started, total, steps = time.monotonic(), 0.0, self._steps(stage)
        parts = (0, 1) if self.group is None else (self.group.rank, self.group.size)
        for step, batch in enumerate(data.batches(self.frames, self.recipe, stage, self._rare, self.epoch,
                                                  *parts)):
            share = (self.progress(step) * self.recipe.epochs - first) / stage.epochs
            loss = self._step(stage, share, torch.from_numpy(batch.images), torch.from_numpy(batch.labels))
            total += loss
            bar.set_postfix(epoch=self.epoch + 1, loss='{:.3f}'.format(total / (step + 1)), refresh=False)
            bar.update()
        self.epoch += 1
        row: Dict[str, Any] = {
            'epoch': self.epoch, 'stage': stage.part, 'loss': total / steps,
            'lr': self.optimisers[0].param_groups[0]['lr'], 'seconds': time.monotonic() - started}
        if self.leads and self.epoch % self.recipe.validate_every == 0 and self.validation is not None:
            self.scores = self._validate(row)
            self.export(self.folder / 'weights.npz')
        if self.leads:
            self.log.add(row)
        self._save()

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
            raise InputError('the loss became {} in epoch {}: lower the learning rate'.format(
                value, self.epoch + 1))
        return value

    def _enter(self, number: int) -> None:
        """Build what stage `number` trains, around the network that all stages share."""
        stage = self.recipe.stages[number]
        model.check_teacher(self.recipe, stage)
        self._stage_number = number
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
            raise InputError('batch {} cannot be shared by {} processes'.format(stage.batch, self.group.size))
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    def _teacher(self, path: str) -> nn.Module:
        checkpoint = weights.load(path)
        if checkpoint.classes.names != self.classes.names:
            raise InputError('{}: the teacher knows other classes ({}) than the data'.format(
                path, checkpoint.classes.name))
        return networks.from_checkpoint(checkpoint).to(self.device).requires_grad_(False)

    def _evaluated(self) -> nn.Module:
        """Return the network whose weights count: the average where there is one."""
        return (self.trained if self.average is None else self.average.network).network

    def _validate(self, row: Dict[str, Any]) -> Dict[str, Any]:
        network = self._evaluated()
        network.eval()
        scores = validate(network, self.validation.frames, self.classes, self.device)
        row['mean_iou'] = scores['mean_iou']
        row['class_iou'] = scores['class_iou']
        return dict(scores, frames=len(self.validation.frames), size=list(self.recipe.input_size),
                    split=self.origin.get('validation'))

    def _finish(self) -> Dict[str, Any]:
        network = self._evaluated()
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
        self.export(self.folder / 'weights.npz')
        return self.scores

    def export(self, path: Path) -> None:
        """Write the weights that count, with the record of how they were made; whole networks only."""
        network = self._evaluated()
        if isinstance(network, networks.EncoderClassifier):
            return
        record = {
            'recipe': self.recipe.to_dict(), 'epochs': self.epoch, 'hours': round(self._clock() / 3600, 2),
            'frames': len(self.frames.frames), 'threads': torch.get_num_threads(),
            'device': self.device.type, 'torch': torch.__version__, **self.origin}
        weights.save(path, networks.to_checkpoint(network, {
            'format': weights.FORMAT, 'network': self.recipe.network, 'variant': self.recipe.variant,
            'classes': self.classes.to_dict(), 'input_size': list(self.recipe.input_size),
            'normalisation': weights.NORMALISATION, 'training': record, 'scores': self.scores}))

    def _save(self) -> None:
        """Write the checkpoint atomically."""
        random = torch.get_rng_state()[None] if self.group is None else self.group.random_states()
        if not self.leads:
            return
        state = {
            'recipe': self.recipe.to_dict(), 'stage': self._stage_number, 'epoch': self.epoch,
            'elapsed': self._clock(), 'trained': self.trained.state_dict(), 'scores': self.scores,
            'network': self.network.state_dict(), 'random': random,
            'optimisers': [optimiser.state_dict() for optimiser in self.optimisers],
            'average': None if self.average is None else self.average.state_dict(),
            'scaler': self.scaler.state_dict()}
        path = self.folder / 'checkpoint.pt'
        partial = path.with_suffix('.partial')
        torch.save(state, str(partial))
        os.replace(str(partial), str(path))

    def _resume(self) -> None:
        """Continue from the folder's checkpoint, where there is one."""
        path = self.folder / 'checkpoint.pt'
        if not path.is_file():
            return
        try:
            state = torch.load(str(path), map_location=self.device, weights_only=True)
            self._enter(state['stage'])
            self.network.load_state_dict(state['network'])
            self.trained.load_state_dict(state['trained'])
            for optimiser, saved in zip(self.optimisers, state['optimisers']):
                optimiser.load_state_dict(saved)
            if self.average is not None and state['average'] is not None:
                self.average.load_state_dict(state['average'])
            self.scaler.load_state_dict(state['scaler'])
        except (RuntimeError, KeyError, ValueError, IndexError, EOFError) as error:
            raise InputError('{}: does not continue this recipe ({}); name another folder'.format(
                path, str(error).split('\n')[0])) from None
        self.epoch, self.elapsed, self.scores = state['epoch'], state['elapsed'], state['scores']
        self._started = time.monotonic()
        random = state['random'].cpu()
        if random.ndim == 2 and not self.leads:
            random = random[min(self.group.rank, len(random) - 1)]
        torch.set_rng_state(random.reshape(-1)[:random.shape[-1]])
        if self.leads:
            self.log.keep(self.epoch)

    def _clock(self) -> float:
        """Return the seconds spent so far, over all runs."""
        return self.elapsed + time.monotonic() - self._started

    def _steps(self, stage: Stage) -> int:
        return data.steps_per_epoch(len(self.frames.frames), stage.batch)

    def _done_steps(self) -> int:
        return self.epoch * self._steps(self.recipe.stages[0])


def history(folder: Path) -> List[Dict[str, str]]:
    """Return the rows of a training folder's log.csv."""
    from .log import read
    return read(folder / 'log.csv')
