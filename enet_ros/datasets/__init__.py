"""Data sets: each yields the same Sample."""

from pathlib import Path
from typing import Optional, Union

from ..classes import ClassTable
from ..errors import InputError
from . import camvid, cityscapes, folder, sun_rgbd
from .sample import Dataset, Sample
from .synthetic import SyntheticStreet

__all__ = ['Dataset', 'Sample', 'SyntheticStreet', 'open_dataset']

LAYOUTS = ('segnet', 'official', 'kaggle', 'fastai', 'cityscapes', 'cityscapes-video', 'folders', 'tarballs',
           'original', 'folder', 'images')


def open_dataset(path: Union[str, Path], split: Optional[str] = None, layout: Optional[str] = None,
                 classes: Optional[ClassTable] = None) -> Dataset:
    """Open a data-set folder; what it is shows in the folder itself, unless `layout` says it.

    CamVid (segnet, official, kaggle, fastai), Cityscapes (cityscapes,
    cityscapes-video), SUN RGB-D (folders, tarballs, original),
    a user's own images and masks (folder; `classes` or the folder's classes.yaml name the classes) and
    images without annotation (images). The name 'synthetic' is the synthetic street. Raises
    InputError, in one line, for a folder that is none of them and for what is wrong inside.
    """
    root = Path(path)
    if str(path) == 'synthetic' and not root.exists():
        return SyntheticStreet()
    if not root.is_dir():
        raise InputError(f'{root}: no such folder')
    layout = layout or recognise(root)
    if layout in ('segnet', 'official', 'kaggle', 'fastai'):
        return camvid.CamVid(root, split, layout)
    if layout in ('cityscapes', 'cityscapes-video'):
        return cityscapes.Cityscapes(root, split, layout == 'cityscapes-video')
    if layout == 'original':
        return sun_rgbd.Original(root, split)
    if layout in ('folders', 'tarballs'):
        return sun_rgbd.SunRGBD(root, split, layout)
    if layout in ('folder', 'images'):
        return folder.ImageFolder(root, split, classes)
    raise InputError('{}: {}; known layouts: {} (see docs/training.md)'.format(
        root, f"no layout '{layout}'" if layout else 'no data set recognised here',
        ', '.join(LAYOUTS)))


def recognise(root: Path) -> Optional[str]:
    """Return the layout of a folder, None where it is none of LAYOUTS."""
    if (root / cityscapes.IMAGE_FOLDER).is_dir():
        return 'cityscapes'
    if (root / cityscapes.VIDEO_FOLDER).is_dir():
        return 'cityscapes-video'
    return camvid.recognise(root) or sun_rgbd.recognise(root) or folder.recognise(root)
