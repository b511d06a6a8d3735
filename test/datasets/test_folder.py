"""A user's own images and masks."""

from pathlib import Path

import numpy as np
import pytest
import trees

from enet_ros.classes import ClassTable
from enet_ros.datasets import open_dataset
from enet_ros.errors import InputError

CLASSES = """name: lane
classes:
  - {name: background, id: 0, colour: [10, 10, 10]}
  - {name: lane, id: 200, colour: [255, 255, 0]}
ignore: {name: void, id: 9}
"""


def _own(root: Path, mask: np.ndarray) -> Path:
    trees.write(root / 'images' / 'one.jpg', trees.photo(8, 8))
    trees.write(root / 'masks' / 'one.png', mask)
    trees.text(root / 'classes.yaml', CLASSES)
    return root


def test_numbers_colours_and_palettes_mean_the_same(tmp_path: Path) -> None:
    """A mask may hold class numbers, grey or as a palette's indices, or the table's colours."""
    numbers = np.zeros((8, 8), np.uint8)
    numbers[2:4], numbers[5] = 200, 9
    colours = np.full((8, 8, 3), 10, np.uint8)
    colours[2:4], colours[5] = (255, 255, 0), (0, 0, 0)
    expected = np.zeros((8, 8), np.uint8)
    expected[2:4], expected[5] = 1, 255
    own = _own(tmp_path, numbers)
    assert (open_dataset(own)[0].label == expected).all()
    trees.write(own / 'masks' / 'one.png', colours)
    assert (open_dataset(own)[0].label == expected).all()
    trees.palette_png(own / 'masks' / 'one.png', numbers)
    assert (open_dataset(own)[0].label == expected).all()
    trees.write(own / 'masks' / 'one.png', numbers[..., None].repeat(3, 2))
    assert (open_dataset(own)[0].label == expected).all()


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_palettes_of_few_bits(bits: int, tmp_path: Path) -> None:
    """An annotation tool's 1-, 2- or 4-bit palette gives its indices, not stretched ones."""
    indices = (np.arange(8)[None].repeat(4, 0) % (1 << bits)).astype(np.uint8)
    trees.write(tmp_path / 'images' / 'a.png', trees.photo(4, 8))
    trees.palette_png(tmp_path / 'labels' / 'a.png', indices, bits)
    assert (open_dataset(tmp_path, classes=ClassTable.load('camvid'))[0].label == indices).all()


def test_splits_by_folder_and_by_list(tmp_path: Path) -> None:
    """A split is a sub-folder of both, or a list of names."""
    own = _own(tmp_path, np.zeros((8, 8), np.uint8))
    for name in ('two', 'three'):
        trees.write(own / 'images' / 'val' / (name + '.png'), trees.photo(8, 8))
        trees.write(own / 'masks' / 'val' / (name + '_mask.png'), np.zeros((8, 8), np.uint8))
    assert open_dataset(own, 'val').names() == ['three', 'two']
    assert open_dataset(own, 'val')[0].label.max() == 0
    trees.text(own / 'train.txt', 'one.jpg\n')
    assert open_dataset(own, 'train').names() == ['one']
    trees.text(own / 'train.txt', 'four.jpg\n')
    with pytest.raises(InputError, match='names four'):
        open_dataset(own, 'train')


def test_images_alone_and_what_is_wrong(tmp_path: Path) -> None:
    """Images without masks have no label; masks without classes and wrong masks are told."""
    trees.write(tmp_path / 'plain' / 'a.png', trees.photo())
    assert open_dataset(tmp_path / 'plain')[0].label is None
    own = _own(tmp_path / 'own', np.full((8, 8), 7, np.uint8))
    with pytest.raises(InputError, match='one.png: value 7'):
        open_dataset(own)[0]
    trees.write(own / 'masks' / 'one.png', np.zeros((4, 8), np.uint8))
    with pytest.raises(InputError, match='one.png: is 4x8, but its image'):
        open_dataset(own)[0]
    (own / 'masks' / 'one.png').unlink()
    with pytest.raises(InputError, match='one.png is missing'):
        open_dataset(own)[0]
    (own / 'classes.yaml').unlink()
    with pytest.raises(InputError, match='masks need a class table'):
        open_dataset(own)
