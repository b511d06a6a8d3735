"""Executables of the package as processes of their own: started, watched and ended together."""

import os
from pathlib import Path
from types import TracebackType
from typing import List, Optional, Type

from ..errors import InputError
from ..soak.processes import Child

PATIENCE = 20.0     # seconds that a process has for its last words


def isolate() -> None:
    """Let this process and those it starts find the package, and speak ROS to this machine only.

    A ROS_DOMAIN_ID that is not set is taken by this process's number, so that two runs on one machine do
    not hear each other.
    """
    package = str(Path(__file__).resolve().parents[2])
    paths = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    os.environ['PYTHONPATH'] = os.pathsep.join([package] + [path for path in paths if path])
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))


class Processes:
    """A group of executables; leaving the ``with`` block ends those that still run."""

    def __init__(self, logs: Path) -> None:
        """Keep what each says in `logs`/<name>.log; InputError where that cannot be written."""
        self.logs = logs
        self._children = {}  # type: Dict[str, Child]
        try:
            logs.mkdir(parents=True, exist_ok=True)
            for old in logs.glob('*.log'):
                old.unlink()
        except OSError as error:
            raise InputError(f'{logs}: {error.strerror}; name a folder to write to') from None

    def start(self, name: str, arguments: List[str]) -> None:
        """Start ``python -m enet_ros <name> <arguments>``."""
        self._children[name] = Child('enet_ros', [name] + arguments, self.logs / (name + '.log'))

    def check(self) -> None:
        """Raise InputError, with its last line, where a process has ended other than well."""
        for name, child in self._children.items():
            if child.returncode:
                said = child.log.read_text('utf-8', 'replace').strip().splitlines() or ['it said nothing']
                raise InputError(f'{name} ended with code {child.returncode}: {said[-1]}')

    def running(self, name: str) -> bool:
        """Whether an executable has not ended yet; raises as `check` does."""
        self.check()
        return self._children[name].returncode is None

    def stop(self, name: str) -> None:
        """Ask an executable to end, as Ctrl-C does, and wait; InputError where it does not end well."""
        if self._children[name].end(patience=PATIENCE) < 0:
            raise InputError(f'{name} did not end by itself; see {self._children[name].log}')
        self.check()

    def __enter__(self) -> 'Processes':
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        for child in reversed(list(self._children.values())):
            child.end(patience=PATIENCE)
