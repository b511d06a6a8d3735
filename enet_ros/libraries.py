"""Libraries that only some jobs use: what brings them, and one line where they are missing."""

import importlib.util
from typing import Mapping, NamedTuple, Optional, Sequence

from .errors import InputError

_ROS = 'source a ROS 2 (. /opt/ros/*/setup.sh), or run `make demo` in a clone, which brings its libraries'


class Library(NamedTuple):
    """What a library is called by pip, and by Debian and Ubuntu where `rosdep` brings it (package.xml)."""

    pip: str
    apt: Optional[str] = None


#: By the name that is imported; setup.py has extras of them.
LIBRARIES: Mapping[str, Library] = {
    'av': Library('av'),
    'backports': Library('backports-zstd'),
    'distributed': Library('distributed'),
    'h5py': Library('h5py'),
    'hdrh': Library('hdrhistogram'),
    'jinja2': Library('jinja2', 'python3-jinja2'),
    'lz4': Library('lz4'),
    'matplotlib': Library('matplotlib', 'python3-matplotlib'),
    'openvino': Library('openvino'),
    'psutil': Library('psutil', 'python3-psutil'),
    'rosbags': Library('rosbags'),
    'scipy': Library('scipy'),
    'torch': Library('torch'),
    'tqdm': Library('tqdm', 'python3-tqdm'),
}


def need(job: str, names: Sequence[str]) -> None:
    """Raise InputError, in one line with what brings them, where libraries of a job are missing."""
    missing = [name for name in names if not _installed(name)]
    if missing:
        raise InputError(f'{job} needs {_listed(missing)}: {cure(missing)}')


def cure(names: Sequence[str]) -> str:
    """Return the commands that bring libraries, as half a line."""
    if 'rclpy' in names:
        return _ROS
    found = [LIBRARIES[name] for name in names]
    ways = ['pip install ' + ' '.join(library.pip for library in found)]
    if all(library.apt for library in found):
        ways.append('apt install ' + ' '.join(str(library.apt) for library in found))
    if list(names) == ['torch']:
        ways.append('make torch in a clone')
    return ', or '.join(ways)


def missing_line(job: str, error: BaseException) -> Optional[str]:
    """Return what `need` would have said of an import that failed; None where it is no library of ours."""
    name = (getattr(error, 'name', '') or '').partition('.')[0] if isinstance(error, ImportError) else ''
    if name != 'rclpy' and name not in LIBRARIES or _installed(name):
        return None
    return f'{job} needs {name}: {cure([name])}'


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):       # hidden or half removed
        return False


def _listed(names: Sequence[str]) -> str:
    return ' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))
