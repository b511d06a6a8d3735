"""Small bags for tests, written by the real writer."""

from pathlib import Path
from typing import List, Sequence

import numpy as np

from enet_ros.bags.writing import BagWriter, describe
from enet_ros.classes import ClassTable
from enet_ros.datasets.sample import Sample

IMAGE, TRUTH, LABELS = '/camera/image', '/camera/ground_truth', '/enet/labels'
START_NS, PERIOD_NS = 1_600_000_000_123_456_789, 33_333_333


def stamp(index: int) -> int:
    """Return the stamp of a frame, ns."""
    return START_NS + index * PERIOD_NS


def pictures(count: int, size=(24, 32), seed: int = 0) -> List[Sample]:
    """Return samples of noise, each different."""
    rng = np.random.RandomState(seed)
    return [Sample(f'frame_{i:03d}', rng.randint(0, 256, size + (3,)).astype(np.uint8),
                   rng.choice(np.array([0, 1, 2, 3, 8, 255], np.uint8), size)) for i in range(count)]


def predict(sample: Sample) -> np.ndarray:
    """Return labels that are right in most places."""
    labels = sample.label.copy()
    labels[:, ::3] = 3
    return labels


def write(path: Path, samples: Sequence[Sample], storage: str = 'mcap', labels: bool = True,
          truth_of: Sequence[int] = None, start: int = 0) -> Path:
    """Write images, truth (of some frames only) and predictions; return the bag's folder."""
    classes = ClassTable.load('camvid')
    with BagWriter(path, storage, describe('noise', classes)) as bag:
        for index, sample in enumerate(samples):
            bag.image(IMAGE, start + stamp(index), 'camera', sample.image)
            if truth_of is None or index in truth_of:
                bag.labels(TRUTH, start + stamp(index), 'camera', sample.label)
            if labels:
                bag.labels(LABELS, start + stamp(index), 'camera', predict(sample))
    return path


def storage_file(bag: Path) -> Path:
    """Return the one .mcap or .db3 file of a bag."""
    file, = [path for path in bag.iterdir() if path.suffix in ('.mcap', '.db3')]
    return file
