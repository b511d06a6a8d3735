"""Child processes of a soak run: started, watched, ended in every way."""

import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any, Dict, List, NamedTuple, Optional


class Usage(NamedTuple):
    """What a process holds: memory of its own in MiB, resident and not shared, and threads."""

    memory_mb: float
    threads: int


class Child:
    """One `python -m MODULE ARGUMENTS`, its output in a file."""

    def __init__(self, module: str, arguments: List[str], log: Path) -> None:
        self.log = log
        with log.open('ab') as output:
            self._process = subprocess.Popen(
                [sys.executable, '-m', module] + arguments, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True)     # Ctrl-C is for the soak tool, which ends its children in order

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
        try:
            text = Path(f'/proc/{self.pid}/status').read_text()
        except OSError:
            return None
        fields: Dict[str, Any] = dict(line.split(':', 1) for line in text.splitlines() if ':' in line)
        if 'RssAnon' not in fields:
            return None
        # Not VmRSS: it grows with every page of the middleware's shared segment that is touched once.
        return Usage(int(fields['RssAnon'].split()[0]) / 1024, int(fields['Threads']))

    def end(self, how: int = signal.SIGINT, patience: float = 30.0) -> int:
        """Send a signal and wait; killed after `patience` seconds. Return the exit code."""
        if self._process.poll() is None:
            os.kill(self.pid, how)
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
