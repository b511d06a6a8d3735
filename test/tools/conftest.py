"""Data that the tests of evaluate_bag and evaluate_dataset share."""

from pathlib import Path

import bag_samples as bags
import cv2
import numpy as np
import pytest
from scored_bags import PREDICTIONS, run

SHAPE = (64, 128)


@pytest.fixture(scope='session')
def bag(tmp_path_factory) -> Path:
    """Return a bag of 24 annotated frames with predictions."""
    return bags.write(tmp_path_factory.mktemp('bag') / 'drive', bags.pictures(24))


@pytest.fixture(scope='session')
def whole(bag: Path, tmp_path_factory) -> dict:
    """Return the result of one process over the bag."""
    return run(tmp_path_factory.mktemp('whole'), bag, *PREDICTIONS)


@pytest.fixture(scope='module')
def cityscapes(tmp_path_factory):
    """Return a small Cityscapes tree of random annotations, and a folder of random predictions."""
    root = tmp_path_factory.mktemp('cityscapes')
    rng = np.random.default_rng(0)
    for index in range(5):
        city = ('ulm', 'bonn')[index % 2]
        stem = f'{city}_{index:06d}_000019'
        coarse = rng.integers(0, 34, (8, 16)).astype(np.uint8)
        truth = cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_NEAREST)
        number = cv2.resize(rng.integers(0, 3, (8, 16)).astype(np.uint8), SHAPE[::-1],
                            interpolation=cv2.INTER_NEAREST)
        instances = np.where((truth >= 24) & (number > 0), truth * np.uint16(1000) + number, truth)
        prediction = np.where(rng.random(SHAPE) < 0.3, rng.integers(0, 34, SHAPE), truth)
        picture = rng.integers(0, 256, SHAPE + (3,)).astype(np.uint8)
        for folder, name, image in (
                ('leftImg8bit/val/' + city, 'leftImg8bit', picture),
                ('gtFine/val/' + city, 'gtFine_labelIds', truth),
                ('gtFine/val/' + city, 'gtFine_instanceIds', instances.astype(np.uint16)),
                ('predictions/' + city, 'pred', prediction.astype(np.uint8))):
            (root / folder).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / folder / f'{stem}_{name}.png'), image)
    return root
