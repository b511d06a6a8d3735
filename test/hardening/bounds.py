"""What any file may cost: no traceback, little processor time, little memory."""

from contextlib import contextmanager
from pathlib import Path
import re
import time
from typing import Iterator

CPU_SECONDS = 20.0
MEMORY_BYTES = 1 << 30


def _memory(field: str) -> int:
    """Return this process's resident memory now (VmRSS) or at its peak (VmHWM), bytes."""
    return int(re.search(field + r':\s*(\d+)', Path('/proc/self/status').read_text()).group(1)) << 10


@contextmanager
def bounded(cpu: float = CPU_SECONDS, memory: int = MEMORY_BYTES) -> Iterator[None]:
    """Fail where what is done inside takes more processor time, or raises the process's memory by more."""
    Path('/proc/self/clear_refs').write_text('5')       # the peak counts anew
    before, began = _memory('VmRSS'), time.process_time()
    try:
        yield
    finally:
        taken, grown = time.process_time() - began, _memory('VmHWM') - before
        assert taken <= cpu, f'{taken:.1f} s of processor time'
        assert grown <= memory, f'{grown >> 20} MiB of memory'
