"""Reading files that others made: regular ones only, and never more than expected."""

import os
from pathlib import Path
import stat
from typing import BinaryIO, Union

from .errors import InputError


def open_regular(path: Union[str, Path]) -> BinaryIO:
    """Open a regular file for reading; InputError names it where it is missing or none.

    A device never ends and a pipe waits for ever: neither is opened in earnest.
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
