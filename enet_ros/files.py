"""Reading files that others made, regular ones of an expected size only; writing ours whole or not at all."""

import contextlib
import errno
import os
from pathlib import Path
import stat
import tempfile
from typing import BinaryIO, Union

from .errors import InputError


def open_regular(path: Union[str, Path]) -> BinaryIO:
    """Open a regular file for reading; InputError names it where it is missing or none.

    A device never ends and a pipe waits for ever: neither is read.
    """
    try:
        handle = os.open(str(path), os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0))
    except OSError as error:
        raise InputError(f'{path}: {error.strerror}') from None
    except ValueError as error:     # a zero byte in the name
        raise InputError(f'{str(path)!r}: {error}') from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f'{path}: no regular file')
    return os.fdopen(handle, 'rb')


def read_bytes(path: Union[str, Path], most: int, what: str) -> bytes:
    """Return a file's content; InputError where it is missing or has over `most` bytes, so is no `what`."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise InputError(f'{path}: {size >> 20} MiB, over the {most >> 20} MiB of any {what}')
        try:
            return file.read(most)
        except OSError as error:
            raise InputError(f'{path}: {error.strerror}') from None


def open_lock(path: Path) -> int:
    """Open a lock file, made where it is missing; OSError where somebody put a link or a pipe there."""
    handle = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, 'no regular file', str(path))
    return handle


def write_bytes(path: Union[str, Path], content: bytes, what: str) -> None:
    """Write a file atomically, and its folder where it is missing; InputError says that `what` was not."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, content)
    except OSError as error:
        raise InputError(f'{path}: {error.strerror}; {what} not written') from None


def replace(path: Path, content: bytes) -> None:
    """Put a file into its folder whole, or leave what was there; OSError where that fails."""
    handle, temporary = tempfile.mkstemp(prefix=path.name, dir=str(path.parent))
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        put(Path(temporary), path)
    except BaseException:
        os.unlink(temporary)
        raise


def put(temporary: Path, path: Path) -> None:
    """Give a finished file of the same folder its name, whenever the power goes off; OSError."""
    _sync(temporary)        # the content before the name
    os.replace(str(temporary), str(path))
    with contextlib.suppress(OSError):      # some network file systems sync no folders
        _sync(path.parent)      # the name before its success is reported


def _sync(path: Path) -> None:
    handle = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
