"""Executables of the package as processes of their own: started, watched and ended together."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any, Dict, List, NamedTuple, Optional, Type

from ..errors import InputError
from ..json_files import plain

PATIENCE = 20.0     # seconds that a process has to end by itself


def isolate() -> None:
    """Let this process and those it starts find the package, and speak ROS to this machine only.

    Without a ROS_DOMAIN_ID, one is derived from the process id, so that two runs on one machine do not
    hear each other.
    """
    package = str(Path(__file__).resolve().parents[2])
    paths = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    os.environ['PYTHONPATH'] = os.pathsep.join([package] + [path for path in paths if path])
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))


def processor_seconds(pid: int) -> float:
    """Return the processor time that all threads of a process have used."""
    import psutil
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def ros_arguments(parameters: Dict[str, Any], remaps: Optional[Dict[str, str]] = None) -> List[str]:
    """Return parameters and remaps as a node's command line has them."""
    words = ['--ros-args']
    for name, value in parameters.items():
        words += ['-p', f'{name}:={json.dumps(plain(value))}']
    for name, target in (remaps or {}).items():
        words += ['-r', f'{name}:={target}']
    return words


class Usage(NamedTuple):
    """What a process holds: memory of its own in MiB, resident and not shared, and threads."""

    memory_mb: float
    threads: int


class Child:
    """One `python -m MODULE ARGUMENTS`, its output in a file."""

    def __init__(self, module: str, arguments: List[str], log: Path, niceness: int = 0) -> None:
        self.log = log
        command = ['nice', '-n', str(niceness)] if niceness else []
        with log.open('ab') as output:
            self._process = subprocess.Popen(
                command + [sys.executable, '-m', module] + arguments, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True)     # Ctrl-C is for the parent, which ends its children in order

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def returncode(self) -> Optional[int]:
        """The exit code; None while it runs."""
        return self._process.poll()

    def usage(self) -> Optional[Usage]:
        """Return what the process holds now; None once it has ended."""
        import psutil
        try:
            process = psutil.Process(self.pid)
            memory = process.memory_info()
            # Without what is shared: that grows with each page of the middleware's segment touched once.
            return Usage((memory.rss - memory.shared) / 2 ** 20, process.num_threads())
        except psutil.Error:
            return None

    def end(self, how: int = signal.SIGINT, patience: float = 30.0) -> int:
        """Send a signal and wait; killed after `patience` seconds. Return the exit code."""
        self.ask(how)
        return self.wait_or_kill(patience)

    def ask(self, how: int = signal.SIGINT) -> None:
        """Send a signal."""
        if self._process.poll() is None:
            os.kill(self.pid, how)

    def wait_or_kill(self, patience: float) -> int:
        """Wait for the end; killed after `patience` seconds. Return the exit code."""
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def wait(self, timeout: float) -> Optional[int]:
        """Wait for the end by itself; None where it does not come in time."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None


class Processes:
    """A group of executables; leaving the ``with`` block ends those that still run."""

    def __init__(self, logs: Path) -> None:
        """Keep what each says in `logs`/<name>.log; InputError where that cannot be written."""
        self.logs = logs
        self._children: Dict[str, Child] = {}
        try:
            logs.mkdir(parents=True, exist_ok=True)
            for old in logs.glob('*.log'):
                old.unlink()
        except OSError as error:
            raise InputError(f'{logs}: {error.strerror}; name a folder to write to') from None

    def start(self, name: str, arguments: List[str], niceness: int = 0) -> None:
        """Start ``python -m enet_ros <name> <arguments>``."""
        self._children[name] = Child('enet_ros', [name] + arguments, self.logs / (name + '.log'), niceness)

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

    def stop(self, *names: str) -> None:
        """Ask executables to end, as Ctrl-C does, and wait; InputError where one does not end well."""
        for name in names:
            self._children[name].ask()
        for name in names:
            if self._children[name].wait_or_kill(PATIENCE) < 0:
                raise InputError(f'{name} did not end by itself; see {self._children[name].log}')
        self.check()

    def __enter__(self) -> 'Processes':
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        for child in reversed(list(self._children.values())):
            child.end(patience=PATIENCE)
