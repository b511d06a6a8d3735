"""CamVid (Brostow et al., 2009) in the four layouts that people have; eleven classes (SegNet's merging)."""

from pathlib import Path
from typing import List, Optional, Tuple

from .. import licences
from ..classes import ClassTable
from ..errors import InputError, did_you_mean
from . import camvid_layouts, files
from .camvid_layouts import recognise, split_of
from .sample import Dataset, Sample

__all__ = ['CamVid', 'recognise', 'sequence_and_stamp', 'split_of']


class CamVid(Dataset):
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
        self.classes = ClassTable.load('camvid')
        self.split = split
        self.layout = layout or recognise(root)
        if self.layout not in camvid_layouts.LAYOUTS:
            raise InputError('{}: not a layout of CamVid; known are: {}'.format(
                root if self.layout is None else self.layout, ', '.join(camvid_layouts.LAYOUTS)))
        if split is not None and split not in camvid_layouts.SPLITS:
            raise InputError("{}: split '{}' does not exist; there are: {}".format(
                root, split, ', '.join(camvid_layouts.SPLITS)) + did_you_mean(split, camvid_layouts.SPLITS))
        self._pairs, self._read = camvid_layouts.LAYOUTS[self.layout](root, split, self.classes)

    def __len__(self) -> int:
        return len(self._pairs)

    def names(self) -> List[str]:
        """Return the frames' names: the images' file names without suffix."""
        return [pair.image.stem for pair in self._pairs]

    def __getitem__(self, index: int) -> Sample:
        pair = self._pairs[index]
        picture, sample = files.image(pair.image), self.annotation(index)
        if pair.label is not None:
            files.check_size(pair.image, picture, pair.label, sample.label)
        return sample._replace(image=picture)

    def annotation(self, index: int) -> Sample:
        """Return a sample without its image."""
        pair = self._pairs[index]
        labels = None if pair.label is None else self._read(pair.label)
        sequence, stamp = sequence_and_stamp(pair.image.name)
        return Sample(pair.image.stem, None, labels, None, sequence, stamp)


def sequence_and_stamp(name: str) -> Tuple[str, Optional[float]]:
    """Return a frame's drive and its time in seconds (frame number / 30 Hz); ('', None) for other names."""
    match = camvid_layouts.NAME.match(name)
    return (match.group(1), int(match.group(2)) / camvid_layouts.RATE_HZ) if match else ('', None)
