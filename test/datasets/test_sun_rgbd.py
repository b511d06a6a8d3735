"""SUN RGB-D: both layouts, and which label belongs to which image."""

from pathlib import Path

import numpy as np
import pytest
import trees

from enet_ros.datasets import open_dataset
from enet_ros.errors import InputError


def test_folders(tmp_path: Path) -> None:
    """Value 0 is ignored, value v is class v - 1."""
    dataset = open_dataset(trees.sun_rgbd(tmp_path, 'folders'), 'train')
    assert len(dataset) == 2 and len(dataset.classes) == 37
    assert dataset[0].label[0].tolist() == [255] + list(range(37))
    assert len(open_dataset(tmp_path)) == 4 and len(set(open_dataset(tmp_path).names())) == 4


@pytest.mark.parametrize('absolute', [False, True])
def test_tarballs_number_test_before_train(absolute: bool, tmp_path: Path) -> None:
    """Training labels go on at 5051, whether the training images count from 1 or from there."""
    trees.sun_rgbd(tmp_path, 'tarballs')
    if absolute:
        for number in (2, 1):
            source = tmp_path / 'SUNRGBD-train_images' / f'img-{number:06d}.jpg'
            source.rename(source.with_name(f'img-{5050 + number:06d}.jpg'))
    for split, marked in (('train', 0), ('test', 1)):
        dataset = open_dataset(tmp_path, split)
        assert len(dataset) == 2
        assert all((sample.label[0] == marked).all() for sample in dataset)
        assert dataset[0].label[1].tolist() == [255] + list(range(37))


def test_wrong_trees(tmp_path: Path) -> None:
    """A missing label, a value above 37 and an unknown split are named."""
    trees.sun_rgbd(tmp_path, 'folders')
    path = tmp_path / 'label37/test/img37labels-000002.png'
    trees.write(path, np.full((6, 38), 38, np.uint8))
    with pytest.raises(InputError, match='img37labels-000002.png: value 38'):
        open_dataset(tmp_path, 'test')[1]
    path.unlink()
    with pytest.raises(InputError, match='img37labels-000002.png is missing'):
        open_dataset(tmp_path, 'test')
    with pytest.raises(InputError, match="split 'val' does not exist"):
        open_dataset(tmp_path, 'val')
