"""CamVid (Brostow et al., 2009) in the four layouts that people have; eleven classes (SegNet's merging)."""

from pathlib import Path
from typing import Optional, Tuple

import numpy as np

from .. import licences
from ..classes import ClassTable
from ..errors import InputError
from . import camvid_layouts, files
from .camvid_layouts import recognise, sequence_and_stamp, split_of

__all__ = ['CamVid', 'recognise', 'sequence_and_stamp', 'split_of']


class CamVid(files.FileDataset):
    """CamVid frames in the order of the layout's list, or by name where it has none.

    Layouts, recognised by `recognise`: 'segnet' (`train/`, `trainannot/`, lists whose path prefix is
    ignored), 'official' (`701_StillsRaw_full/`, `LabeledApproved_full/X_L.png` in colours), 'kaggle'
    (`train/`, `train_labels/X_L.png`, `class_dict.csv`) and 'fastai' (`images/`, `labels/X_P.png`,
    `codes.txt`, `valid.txt`). Splits are train, val and test; None is every frame there is. 'official'
    has no lists of its own: frames are split by their names as SegNet split them, unless a
    `<split>.txt` lies beside the folders. Raises InputError for a folder, split or file that is wrong.
    """

    name = 'camvid'
    licence = licences.CAMVID

    def __init__(self, root: Path, split: Optional[str] = None, layout: Optional[str] = None) -> None:
        root = Path(root)
        self.classes, self.split, layout = ClassTable.load('camvid'), split, layout or recognise(root)
        if layout not in camvid_layouts.LAYOUTS:
            raise InputError('{}: not a layout of CamVid; known are: {}'.format(
                layout or root, ', '.join(camvid_layouts.LAYOUTS)))
        files.check_split(split, camvid_layouts.SPLITS, root)
        self._frames, self._read = camvid_layouts.LAYOUTS[layout](root, split, self.classes)

    def _truth(self, path: Path) -> Tuple[np.ndarray, None]:
        return self._read(path), None
