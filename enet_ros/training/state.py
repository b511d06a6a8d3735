"""A training's state on disk: the checkpoint that it continues from, and the lock on its folder."""

import contextlib
import fcntl
import os
from pathlib import Path
import pickle
from typing import Any, Dict, Iterator, List, Mapping
import zipfile

import torch

from ..errors import InputError
from ..files import open_lock, put

FORMAT = 2
NAME = 'checkpoint.pt'
_FREE = ('workers', 'compile', 'validate_every')        # what may change without changing the result


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for one training; InputError where another one has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with os.fdopen(open_lock(folder / 'lock'), 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f'{folder}: another training runs there; name another --output') from None
        yield


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically."""
    partial = folder / 'checkpoint.partial'
    torch.save(dict(state, format=FORMAT), str(partial))
    put(partial, folder / NAME)


def load(folder: Path, settings: Mapping[str, Any], device: torch.device) -> Dict[str, Any]:
    """Return the folder's checkpoint, empty where there is none.

    InputError where it is damaged, of another version, finished, or begun with other `settings`, which
    are named.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    with fitting(folder):
        # Tensors and plain values only: a checkpoint is a file like any other and may be hostile.
        state = torch.load(str(path), map_location=device, weights_only=True)
        found = state['format'] if 'settings' in state else None
    if found != FORMAT:
        raise InputError(f'{path}: has format {found!r}, but this version continues format {FORMAT}; name '
                         'another --output')
    odd = differences(state['settings'], settings)
    if odd:
        raise InputError('{}: was begun with other settings, {}; the same ones continue it, another '
                         '--output starts over'.format(path, ', '.join(odd[:4]) + ', ...' * (len(odd) > 4)))
    if state['finished']:
        raise InputError(f"{path}: this training is finished, see {folder / 'weights.npz'}; to go on from "
                         'there name it with --init, and another --output')
    return dict(state)


@contextlib.contextmanager
def fitting(folder: Path) -> Iterator[None]:
    """Turn what a damaged or foreign checkpoint raises into one line."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError, IndexError, EOFError, TypeError, AttributeError, OSError,
            pickle.UnpicklingError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).strip().split('\n')[0] or type(error).__name__
        raise InputError(f'{folder / NAME}: does not continue this training ({reason}); name another '
                         '--output') from None


def differences(old: Any, new: Any, name: str = '') -> List[str]:
    """Return 'key: old, now new' for every setting that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [odd for key in keys if key not in _FREE
                for odd in differences(old.get(key), new.get(key), f'{name}.{key}' if name else key)]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [odd for place, pair in enumerate(zip(old, new))
                for odd in differences(*pair, name=f'{name}[{place}]')]
    return [] if old == new else [f'{name}: {old}, now {new}']
