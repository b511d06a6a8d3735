"""A training small enough for tests: three classes, five frames, three epochs."""

from pathlib import Path

import numpy as np

from enet_ros.classes import ClassTable
from enet_ros.training import frames as data
from enet_ros.training import recipe as recipes
from enet_ros.training.augmentation import Frame
from enet_ros.training.trainer import Trainer

CLASSES = ClassTable.from_dict({'name': 'three', 'classes': [
    {'name': name, 'colour': [n, n, n]} for n, name in enumerate(('Sky', 'Road', 'Robot'))]})
SMALL = {'name': 'small', 'batch': 2, 'crop': [32, 32], 'input_size': [32, 48], 'workers': 2,
         'validate_every': 2, 'ema': 0.9, 'recalibrate': True, 'precision': 'float32',
         'optimiser': {'kind': 'muon', 'lr': 0.02, 'schedule': 'trapezoid'},
         'loss': {'jaccard': 0.5, 'auxiliary': 0.4},
         'augmentation': {'scale': [0.8, 1.5], 'flip': 0.5, 'brightness': 0.2, 'rare': 0.5, 'paste': 0.5,
                          'rare_classes': ['Robot', 'Unicorn']},
         'stages': [{'part': 'encoder', 'epochs': 1}, {'epochs': 2}]}


def make_frames(count: int = 5, seed: int = 0) -> data.Frames:
    """Return frames whose colour tells the class, with some void."""
    rng = np.random.RandomState(seed)
    frames = []
    for _ in range(count):
        label = np.kron(rng.randint(0, 3, (4, 6)), np.ones((8, 8), int)).astype(np.uint8)
        image = (np.array([[30, 60, 200], [90, 90, 90], [220, 40, 30]], np.uint8)[label]
                 + rng.randint(0, 20, (32, 48, 3))).astype(np.uint8)
        label[:2] = 255
        frames.append(Frame(image, label, np.argwhere(label == 2)[:, ::-1].astype(np.int16)))
    return data._collect(frames, ['a', 'b'] * (count // 2) + ['a'], 3)


def make_trainer(folder: Path, recipe: recipes.Recipe = recipes.parse(SMALL), **options) -> Trainer:
    return Trainer(recipe, make_frames(), CLASSES, folder, make_frames(3, 9), device='cpu', **options)


class Killed(Exception):
    pass
