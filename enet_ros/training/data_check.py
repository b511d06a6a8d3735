"""What a look at training data shows before hours go into it: counts, sizes, shares, and what is wrong."""

from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from ..classes import ClassTable
from ..datasets.sample import Dataset
from ..errors import InputError
from ..overlay import Overlay

MUCH_UNANNOTATED = 0.2
_SHOWN, _WIDTH, _COLUMNS = 12, 320, 3


class Survey(NamedTuple):
    """What was found in a data set."""

    frames: int
    sizes: Dict[str, int]       # 'HEIGHTxWIDTH': frames
    pixels: np.ndarray          # (C,) int64: pixels of each class
    present: np.ndarray         # (C,) int64: frames in which it is
    unannotated: float          # share of pixels without a class
    faults: List[str]           # one line for every frame that cannot be trained on
    shown: List[Tuple[str, np.ndarray, np.ndarray]]     # name, image and label of frames evenly spread

    def to_json(self, classes: ClassTable) -> Dict[str, Any]:
        """Return plain types by name."""
        shares = self.pixels / max(1, self.pixels.sum())
        return {'frames': self.frames, 'sizes': self.sizes, 'unannotated': self.unannotated,
                'faults': self.faults, 'class_share': dict(zip(classes.names, shares.tolist())),
                'frames_with_class': dict(zip(classes.names, self.present.tolist())),
                'warnings': warnings(self.pixels, self.unannotated, classes.names)}


def survey(dataset: Dataset, watch: Callable[[Iterable[int]], Iterable[int]] = iter) -> Survey:
    """Read every frame; what is wrong with one is kept as a line, and the others are still counted."""
    count = len(dataset.classes)
    pixels, present, void, total = np.zeros(count, np.int64), np.zeros(count, np.int64), 0, 0
    sizes: Dict[str, int] = {}
    faults: List[str] = []
    shown: List[Tuple[str, np.ndarray, np.ndarray]] = []
    wanted = set(np.linspace(0, len(dataset) - 1, _SHOWN).astype(int).tolist())
    for index in watch(range(len(dataset))):
        try:
            sample = dataset[index]
        except InputError as error:
            faults.append(str(error))
            continue
        if sample.image is None or sample.label is None:
            faults.append(f'{sample.name}: no annotation')
            continue
        height, width = sample.label.shape
        sizes[f'{height}x{width}'] = sizes.get(f'{height}x{width}', 0) + 1
        seen = np.bincount(sample.label.ravel(), minlength=256)
        pixels += seen[:count]
        present += seen[:count] > 0
        void, total = void + int(seen[count:].sum()), total + sample.label.size
        if index in wanted:
            shown.append((sample.name, sample.image, sample.label))
    return Survey(len(dataset), sizes, pixels, present, void / max(1, total), faults, shown)


def warnings(pixels: np.ndarray, unannotated: float, names: Sequence[str]) -> List[str]:
    """Return what should be looked at before training: much without a class, a class never seen."""
    found = [f"class '{name}' is never seen" for name, count in zip(names, pixels) if not count]
    if unannotated > MUCH_UNANNOTATED:
        found.append(f'{unannotated:.0%} of the pixels have no class (255): the network will guess there; '
                     'mark what is none of the classes as a class of its own, such as Other')
    return found


def page(found: Survey, classes: ClassTable) -> np.ndarray:
    """Return the shown frames with their labels over them, and the colours' names: (H, W, 3) uint8 RGB."""
    overlay = Overlay(classes.palette())
    tiles = []
    for name, image, label in found.shown:
        height = label.shape[0] * _WIDTH // label.shape[1]
        tile = cv2.resize(overlay(image, label), (_WIDTH, height), interpolation=cv2.INTER_AREA)
        tiles.append(_text(tile, name[:36], (4, height - 6), (255, 255, 255)))
    tallest = max([tile.shape[0] for tile in tiles] + [8])
    tiles = [cv2.copyMakeBorder(tile, 0, tallest - len(tile), 0, 0, cv2.BORDER_CONSTANT) for tile in tiles]
    tiles += [np.zeros((tallest, _WIDTH, 3), np.uint8)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[first:first + _COLUMNS]) for first in range(0, len(tiles), _COLUMNS)]
    legend = np.full((22 * -(-len(classes) // _COLUMNS) + 8, _WIDTH * _COLUMNS, 3), 255, np.uint8)
    for place, (name, colour) in enumerate(zip(classes.names, classes.colours.tolist())):
        x, y = place % _COLUMNS * _WIDTH + 8, place // _COLUMNS * 22 + 6
        cv2.rectangle(legend, (x, y), (x + 24, y + 14), colour, -1)
        share = found.pixels[place] / max(1, found.pixels.sum())
        _text(legend, f'{name[:24]} {share:.2%}', (x + 32, y + 12), (0, 0, 0))
    return np.vstack(rows + [legend])


def _text(picture: np.ndarray, text: str, place: Tuple[int, int], colour: Tuple[int, int, int]) -> np.ndarray:
    shown = text.encode('ascii', 'replace').decode('ascii')
    return cv2.putText(picture, shown, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
