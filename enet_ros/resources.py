"""Where config/, launch/ and models/ are: a colcon install, a pip install or the source tree."""

import os
from pathlib import Path
import sys
from typing import List

from .errors import InputError, did_you_mean

PACKAGE = 'enet_ros'
KINDS = ('config', 'launch', 'models')


def candidates() -> List[Path]:
    """Return the folders that may hold config/, launch/ and models/, the most specific first."""
    source = Path(__file__).resolve().parent.parent
    places = [source] if (source / 'package.xml').is_file() else []
    # An ament prefix is what a sourced workspace exports; reading it needs no ament package.
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) + [sys.prefix]
    # pip install --user and --target put data files beside the prefix of the library itself.
    prefixes += [str(parent) for parent in list(Path(__file__).resolve().parents)[1:5]]
    return places + [Path(prefix) / 'share' / PACKAGE for prefix in prefixes if prefix]


def root(kind: str) -> Path:
    """Return the folder of one kind ('config', 'launch' or 'models'); InputError if there is none."""
    if kind not in KINDS:
        raise ValueError('kind is one of {}, not {!r}'.format(', '.join(KINDS), kind))
    places = candidates()
    for place in places:
        if (place / kind).is_dir():
            return place / kind
    raise InputError("the package's {}/ folder is missing: looked in {}; install the package again".format(
        kind, ', '.join(str(place) for place in places)))


def find(kind: str, name: str) -> Path:
    """Return a file of the package, for example ``find('config', 'classes/camvid.yaml')``.

    Raises InputError, which lists what there is, where the file is missing or `name` leaves the
    folder.
    """
    folder = root(kind)
    path = folder / name
    if '..' in Path(name).parts or Path(name).is_absolute():
        raise InputError(f'{name!r} is not a file inside {folder}')
    if not path.is_file():
        there = sorted(entry.name for entry in path.parent.glob('*')) if path.parent.is_dir() else []
        raise InputError('{} does not exist; there is: {}'.format(path, ', '.join(there) or 'nothing')
                         + did_you_mean(path.name, there))
    return path
