"""Shared memory that processes left behind when they were killed: Fast DDS never frees it by itself."""

import fcntl
import os
from pathlib import Path
import re
import stat
import time

FOLDER = Path('/dev/shm')
# A process makes its lock file, then locks it: younger ones may be between the two.
SETTLED_SECONDS = 10.0
_LOCK = re.compile(r'(fastrtps|fastdds)_[0-9a-f]{16}_el')


def sweep(folder: Path = FOLDER, settled: float = SETTLED_SECONDS) -> int:
    """
    Remove Fast DDS's segments of this user's dead processes; return how many bytes that freed.

    A participant holds an exclusive lock (flock) on `<segment>_el` as long as it lives; `fastdds shm clean`
    goes by the same. A killed sender of images leaves 70 MB, and a respawned one would fill the memory.
    """
    freed = 0
    try:
        names = os.listdir(str(folder))
    except OSError:
        return 0
    for name in names:
        if _LOCK.fullmatch(name) and _is_dead(folder / name, settled):
            freed += _remove(folder / name[:-len('_el')])
            _remove(folder / name)
    return freed


def _is_dead(lock: Path, settled: float) -> bool:
    try:
        status = lock.lstat()
        if status.st_uid != os.getuid() or time.time() - status.st_mtime < settled:
            return False
        # A pipe or a link of that name, which others may put there, is neither waited for nor followed.
        with os.fdopen(os.open(str(lock), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), 'rb') as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:     # held, or gone meanwhile
        return False
    return True


def _remove(path: Path) -> int:
    """Remove a file; return the bytes it took, 0 where it is gone already."""
    try:
        taken = path.stat().st_blocks * 512
        path.unlink()
    except OSError:
        return 0
    return taken
