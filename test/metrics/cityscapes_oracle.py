"""Random and adversarial Cityscapes label maps, and what the official evaluator says of them."""

import copy
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cv2
import numpy as np

Maps = Tuple[np.ndarray, np.ndarray, np.ndarray]   # prediction, truth: labelIds uint8; instances: int32


def random_maps(rng: np.random.Generator, shape: Tuple[int, int], labels: int = 34, noise: float = 0.3,
                blob: int = 8) -> Maps:
    """Blobs of labelIds with instances, groups (plain ids) and a noisy prediction of all 34 labelIds."""
    height, width = shape
    coarse = rng.integers(34 - labels, 34, (height // blob + 1, width // blob + 1))
    numbers = rng.integers(0, 4, coarse.shape)
    truth = np.kron(coarse, np.ones((blob, blob), int))[:height, :width]
    number = np.kron(numbers, np.ones((blob, blob), int))[:height, :width]
    # Number 3 stands for a group of objects; labels below 24 have no instances.
    instances = np.where((truth >= 24) & (number < 3), truth * 1000 + number, truth)
    prediction = np.where(rng.random(shape) < noise, rng.integers(0, 34, shape), truth)
    return prediction.astype(np.uint8), truth.astype(np.uint8), instances.astype(np.int32)


def official(folder: Path, frames: List[Maps]) -> Dict[str, Any]:
    """Score frames with the real `cityscapesscripts`, from files, as its users do."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluator
    predictions, truths = [], []
    for index, (prediction, truth, instances) in enumerate(frames):
        names = [folder / 'a_{:06d}_000000_{}.png'.format(index, kind)
                 for kind in ('prediction', 'gtFine_labelIds', 'gtFine_instanceIds')]
        for name, image in zip(names, (prediction, truth, instances.astype(np.uint16))):
            assert cv2.imwrite(str(name), image)
        predictions.append(str(names[0]))
        truths.append(str(names[1]))
    args = copy.copy(evaluator.args)
    args.JSONOutput, args.quiet = False, True
    return evaluator.evaluateImgLists(predictions, truths, args)
