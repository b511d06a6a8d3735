"""Label images on disk beside a data set: predictions to be scored, and submissions to a benchmark."""

from bisect import bisect_left
import os
from pathlib import Path
import re
from typing import Any, Dict, List, Optional, Tuple, Union

import cv2
import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from ..files import write_bytes
from ..images import encode_png
from . import files

CODINGS = ('trainIds', 'labelIds')
_MAX_FOLDERS = 20000    # of a tree of label images; links can make one endless


class Predictions:
    """Label images of a folder (searched with its subfolders), found by the frames' names.

    A frame's file is `<name>.png`, or the one file whose name goes on after `<name>` with something that
    is neither letter nor digit, as in Cityscapes' `<city>_<sequence>_<frame>*.png`.
    """

    def __init__(self, folder: Union[str, Path], classes: ClassTable, coding: str = 'trainIds') -> None:
        """List the folder; InputError where it is none, holds no PNG, or has no end.

        `coding` 'trainIds' are class indices, 'labelIds' the data set's own file values.
        """
        self.folder, self.classes, self.coding = Path(folder), classes, coding
        if coding not in CODINGS:
            raise InputError("coding is '{}'; it is one of {}".format(coding, ', '.join(CODINGS)))
        if not self.folder.is_dir():
            raise InputError(f'{folder}: no such folder of predictions')
        # os.walk, because a pattern would follow no links and a user's tree may be made of them.
        self._files: List[Tuple[str, Path]] = []
        for count, (place, _, names) in enumerate(os.walk(str(folder), followlinks=True)):
            if count >= _MAX_FOLDERS:
                raise InputError(f'{folder}: over {_MAX_FOLDERS} folders; name the one with the label images')
            self._files += [(Path(name).stem, Path(place) / name)
                            for name in names if name.lower().endswith('.png')]
        self._files.sort()
        if not self._files:
            raise InputError(f'{folder}: no label images (*.png) there')
        self._strange = strange_values(classes, coding)
        self.strange: Dict[int, int] = {}

    def path(self, name: str) -> Path:
        """Return the file of a frame; InputError where there is none, or more than one."""
        found: List[Path] = []
        for stem, path in self._files[bisect_left(self._files, (name,)):]:
            if not stem.startswith(name):
                break
            if stem == name or not stem[len(name)].isalnum():
                found.append(path)
        exact = [path for path in found if path.stem == name]
        if len(exact or found) == 1:
            return (exact or found)[0]
        raise InputError('{}: {} for frame {}'.format(
            self.folder, f'several predictions ({found[0].name}, {found[1].name}, ...)'
            if found else 'no prediction', name))

    def read(self, name: str) -> np.ndarray:
        """Return a frame's labels, (H, W) uint8 as in the file; InputError where it cannot be read.

        Values that are no class are counted in `strange` (value: pixels); they score as misses.
        """
        values = files.ids(self.path(name))
        if values.dtype != np.uint8:
            values = np.where((values < 0) | (values > IGNORE), IGNORE, values).astype(np.uint8)
        if cv2.countNonZero(cv2.LUT(values, self._strange)):
            pixels = cv2.calcHist([values], [0], None, [256], [0, 256]).ravel()
            for value in np.flatnonzero((pixels > 0) & (self._strange > 0)).tolist():
                self.strange[value] = self.strange.get(value, 0) + int(pixels[value])
        return values

    def complaint(self) -> Optional[str]:
        """Return a line about values that were not a class; None where there were none."""
        if not self.strange:
            return None
        values, other = sorted(self.strange)[:5], CODINGS[1 - CODINGS.index(self.coding)]
        return ('predictions hold values that are no {} of {} ({}): counted as misses; '
                'if they are {}, say --coding {}'.format(
                    self.coding, self.classes.name, ', '.join(map(str, values)), other, other))


def strange_values(classes: ClassTable, coding: str) -> np.ndarray:
    """Return for each value of a label file, (256,) uint8, whether it is none that the coding knows."""
    known = classes.ids if coding == 'labelIds' else range(len(classes))
    strange = np.ones(256, np.uint8)
    strange[list(known) + [classes.ignore_id, IGNORE]] = 0
    if coding == 'labelIds' and classes.name == 'cityscapes':
        strange[:34] = 0        # ids that are not evaluated are legal; predicted, they are misses
    return strange


class LabelWriter:
    """Writes labels into a folder, one PNG a frame, which `Predictions` reads."""

    def __init__(self, folder: Union[str, Path], ids: Optional[np.ndarray] = None, suffix: str = '') -> None:
        """Make the folder; InputError where that fails. `ids` (256,) uint8 are the values to write."""
        self.folder, self.written = Path(folder), 0
        self._ids, self._suffix = np.arange(256, dtype=np.uint8) if ids is None else ids, suffix
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f'{folder}: {error.strerror}') from None

    def write(self, frame: Any, labels: np.ndarray) -> None:
        """Write the (H, W) uint8 class indices of a frame as <name><suffix>.png."""
        path = self.folder / f'{file_name(frame.name)}{self._suffix}.png'
        write_bytes(path, encode_png(cv2.LUT(labels, self._ids)).tobytes(), 'labels were')
        self.written += 1


def submission(folder: Union[str, Path], predicted: ClassTable, true: ClassTable) -> LabelWriter:
    """Return a writer of what the Cityscapes test server wants: labelIds, full resolution, its names.

    InputError where the folder cannot be made or the labels are not in the data set's classes.
    """
    if predicted.names != true.names:
        raise InputError(f"a submission needs the classes of '{true.name}', but the labels are of "
                         f"'{predicted.name}'")
    ids = np.full(256, true.ignore_id, np.uint8)    # what is unknown becomes the data set's value for it
    ids[:len(true)] = true.ids
    return LabelWriter(folder, ids, '_pred_labelIds')


def file_name(frame: str) -> str:
    """Return a frame's name as a file can have it."""
    return re.sub(r'[^\w.-]', '_', frame)
