"""Built engines on disk: a plan and a JSON of what it was built from.

A plan runs only on the kind of GPU and the version of TensorRT that built it, so everything that
matters is in its key. The JSON is written last and holds the plan's hash: a plan that was cut short, belongs
to another key, to another user (root excepted) or was exchanged is built again, never run: plans are
programs for the GPU.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from pathlib import Path
import stat
import time
from typing import Any, Dict, Iterator, Mapping, Optional

from ..errors import InputError
from ..files import open_lock, replace

#: Where engines are kept if nobody says otherwise; the container sets it to its volume.
ENVIRONMENT = 'ENET_ENGINE_CACHE'

#: Part of every engine's key: raise it when the inference form changes, or what a plan takes and gives.
GRAPH_VERSION = 3

_POLL_SECONDS = 0.2


class EngineCache:
    """A folder of built engines."""

    def __init__(self, folder: Optional[Path] = None) -> None:
        """`folder` is made when something is stored; None is the default folder."""
        self.folder = _own(Path(folder) if folder is not None else default_folder())

    def path(self, key: Mapping[str, Any]) -> Path:
        """Return where the plan of `key` is kept: a name to read, and a hash of the whole key."""
        digest = hashlib.sha256(_canonical(key).encode('utf-8')).hexdigest()[:16]
        words = [str(key.get(part, '')) for part in ('network', 'size', 'precision')]
        return self.folder / '-'.join([word for word in words if word] + [digest + '.plan'])

    def load(self, key: Mapping[str, Any]) -> Optional[bytes]:
        """Return the plan of `key`, or None where there is none that is whole and its own."""
        record = self.record(key)
        if record is None:
            return None
        try:
            plan = _trusted(self.path(key))
        except OSError:
            return None
        return plan if hashlib.sha256(plan).hexdigest() == record.get('plan_sha256') else None

    def record(self, key: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
        """Return what was stored beside the plan: its hash, how it was built, how fast it ran."""
        try:
            record = json.loads(_trusted(self.path(key).with_suffix('.json')).decode('utf-8'))
        except (OSError, ValueError):
            return None
        same = isinstance(record, dict) and record.get('key') == json.loads(_canonical(key))
        return record if same else None

    def store(self, key: Mapping[str, Any], plan: bytes, facts: Mapping[str, Any]) -> Path:
        """Keep a plan and facts about it, atomically; InputError where the folder cannot be written."""
        path = self.path(key)
        record = dict(facts, key=dict(key), plan_sha256=hashlib.sha256(plan).hexdigest(), bytes=len(plan))
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(path, plan)
            replace(path.with_suffix('.json'), (json.dumps(record, indent=2) + '\n').encode('utf-8'))
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        return path

    @contextlib.contextmanager
    def lock(self, key: Mapping[str, Any]) -> Iterator[None]:
        """Hold the right to build `key`; waits while another process on this machine holds it."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = open_lock(self.path(key).with_suffix('.lock'))
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        try:
            while not _locked(handle):      # a blocking call would not let Ctrl-C in
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(handle)


def default_folder() -> Path:
    """Return $ENET_ENGINE_CACHE or the user's cache folder."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named).expanduser()
    caches = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    return Path(caches) / 'enet_ros' / 'engines'


def _own(folder: Path) -> Path:
    """Return `folder`, or the user's own inside it where everyone may write, as in the container's volume.

    InputError where somebody else has put something there under the user's name.
    """
    try:
        if not folder.stat().st_mode & stat.S_IWOTH:
            return folder
        folder = folder / f'user-{os.geteuid()}'
        found = folder.lstat()
    except OSError:
        return folder
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise InputError(f'engine cache {folder}: not a folder of your own; let its owner remove it')
    return folder


def _trusted(path: Path) -> bytes:
    """Read a regular file that belongs to this user or to root; OSError for any other."""
    with open(os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), 'rb') as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()):
            raise PermissionError(errno.EACCES, 'belongs to another user', str(path))
        return file.read()


def _canonical(key: Mapping[str, Any]) -> str:
    return json.dumps(dict(key), sort_keys=True)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f'engine cache {folder}: {error.strerror}; give a folder that can be written '
                      '(engine_cache, --cache or '
                      f'{ENVIRONMENT})')
