"""A user's own data: a folder of images, a folder of masks and a class table; or images alone."""

from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from . import files
from .files import Frame

IMAGE_FOLDERS = ('images', 'image')
MASK_FOLDERS = ('masks', 'labels', 'annotations')
CLASS_FILE = 'classes.yaml'


class ImageFolder(files.FileDataset):
    """`images/X.jpg` with `masks/X.png` (also X_mask.png), or a folder of images without annotation.

    A mask holds class numbers (the table's `id`, else the class's place) or the table's colours. The
    classes are `classes`, or the folder's own classes.yaml. A split is the sub-folder of that name in
    both folders, or the list `<split>.txt` of image names. Raises InputError for what is wrong.
    """

    name = 'folder'

    def __init__(self, root: Path, split: Optional[str] = None, classes: Optional[ClassTable] = None) -> None:
        root = Path(root)
        images, masks = find(root)
        self.split = split
        if classes is None and (root / CLASS_FILE).is_file():
            classes = ClassTable.load(root / CLASS_FILE)
        if classes is None and masks is not None:
            raise InputError(f'{root}: masks need a class table: put {CLASS_FILE} beside the folders or '
                             'name one')
        self.classes = classes or ClassTable.load('camvid')
        if split and (images / split).is_dir():
            images, masks = images / split, masks / split if masks else None
            split = None
        listed = root / f'{split}.txt'
        if split and not listed.is_file():
            raise InputError(f"{root}: split '{split}' does not exist: there is neither {images / split} "
                             f"nor {listed}")
        found = files.images(images)
        self._frames = [Frame(path.stem, path, masks and _mask(masks, path))
                        for path in (_listed(found, listed) if split else found)]
        colours = {(r, g, b): index for index, (r, g, b) in enumerate(self.classes.rgb)}
        colours.setdefault((0, 0, 0), IGNORE)
        self._colours = colours
        self._coding: Optional[files.ColourCoding] = None

    def _truth(self, mask: Path) -> Tuple[np.ndarray, None]:
        values = files.label(mask)
        if values.ndim == 2 or (values == values[..., :1]).all():
            known = self.classes.ids + (self.classes.ignore_id, IGNORE)
            return files.indices(mask, self.classes.id_table(), known), None
        if self._coding is None:
            self._coding = files.ColourCoding(self._colours)
        return self._coding.read(mask), None


def _mask(folder: Path, image: Path) -> Path:
    """Return an image's mask, or the place where it should be."""
    found = files.beside(folder, image.stem + '_mask') or files.beside(folder, image.stem)
    return found or folder / (image.stem + '.png')


def find(root: Path) -> Tuple[Path, Optional[Path]]:
    """Return the folders of images and masks (None where there are none) under a user's folder."""
    images = next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), root)
    masks = next((root / name for name in MASK_FOLDERS if (root / name).is_dir()), None)
    return images, masks if images != root else None


def recognise(root: Path) -> Optional[str]:
    """Return 'folder' for images with masks, 'images' for images alone, None for anything else."""
    images, masks = find(Path(root))
    if masks is not None:
        return 'folder'
    there = images.is_dir() and any(path.suffix.lower() in files.IMAGE_SUFFIXES for path in images.iterdir())
    return 'images' if there else None


def _listed(images: List[Path], listed: Path) -> List[Path]:
    wanted = {Path(line.split()[0]).stem for line in files.lines(listed)}
    missing = wanted - {path.stem for path in images}
    if missing:
        raise InputError(f'{listed}: names {sorted(missing)[0]}, which is not an image there')
    return [path for path in images if path.stem in wanted]
