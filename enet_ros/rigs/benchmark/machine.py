"""The machine: what it is, and what its processor and memory can do at most."""

import importlib
import os
from pathlib import Path
import platform
import re
import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from .race import Runner, Timing

_INSTRUCTIONS = ('avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_bf16', 'amx_int8', 'asimd')
_LIBRARIES = ('numpy', 'cv2', 'torch', 'openvino', 'onnxruntime', 'tensorrt')
_MATRIX = 2048
_COPY_BYTES = 1 << 27       # beyond any L2; larger than most L3


class Roofline(NamedTuple):
    """What one matrix product and one copy reached, in the same run as what is compared with them."""

    gflops: float       # fp32 matrix product, 2 operations a multiply-accumulate
    copy_gb_s: float    # bytes read plus bytes written

    def arithmetic_ms(self, flops: int) -> float:
        """Milliseconds below which no network of that many operations can come in fp32."""
        return flops / self.gflops / 1e6

    def memory_ms(self, moved: int) -> float:
        """Milliseconds that moving that many bytes takes, if nothing stays in a cache."""
        return moved / self.copy_gb_s / 1e6


def describe() -> Dict[str, Any]:
    """Return processor, cores, instructions, memory, system and the libraries' versions."""
    info = _read('/proc/cpuinfo')
    flags = set((re.findall(r'^(?:flags|Features)\s*:\s*(.*)$', info, re.M) or [''])[0].split())
    model = re.findall(r'^(?:model name|Model|Hardware)\s*:\s*(.*)$', info, re.M)
    total = re.findall(r'^MemTotal:\s*(\d+) kB', _read('/proc/meminfo'), re.M)
    return {
        'processor': model[0].strip() if model else platform.processor() or platform.machine(),
        'cores': len(os.sched_getaffinity(0)),
        'instructions': [name for name in _INSTRUCTIONS if name in flags],
        'l3_cache': _read('/sys/devices/system/cpu/cpu0/cache/index3/size').strip(),
        'memory_gb': round(int(total[0]) / 2 ** 20, 1) if total else None,
        'board': _read('/proc/device-tree/model').strip('\0\n') or None,
        'system': f'{platform.system()} {platform.release()}',
        'python': platform.python_version(),
        'libraries': {name: _version(name) for name in _LIBRARIES if _version(name)},
        'load_average': os.getloadavg()[0],
    }


class Company:
    """What others take of the processor from now on."""

    def __init__(self) -> None:
        self._before = self._now()

    @staticmethod
    def _now() -> Tuple[float, float]:
        """Return seconds of the clock, and of processor time spent by other than us and our children."""
        ticks = [int(value) for value in _read('/proc/stat').split('\n')[0].split()[1:]] or [0] * 8
        busy = sum(ticks[:8]) - ticks[3] - ticks[4]     # idle, and waiting for a disk
        return time.monotonic(), busy / os.sysconf('SC_CLK_TCK') - sum(os.times()[:4])

    def cores(self) -> float:
        """Return how many cores they kept busy on average."""
        (began, before), (now, spent) = self._before, self._now()
        return max(0.0, (spent - before) / (now - began))


def roofline_runners() -> Dict[str, Runner]:
    """Return the two limits as contestants, so that they are measured among the others."""
    rng = np.random.default_rng(0)
    source = np.zeros(_COPY_BYTES, np.uint8)
    target = np.ones(_COPY_BYTES, np.uint8)
    return {'matrix product': _product(rng), 'copy': lambda: np.copyto(target, source)}


def roofline(timings: Dict[str, Timing]) -> Roofline:
    """Return the limits from the timings of `roofline_runners`: the best run of each."""
    return Roofline(2.0 * _MATRIX ** 3 / timings['matrix product'].minimum_ms / 1e6,
                    2.0 * _COPY_BYTES / timings['copy'].minimum_ms / 1e6)


def _product(rng: np.random.Generator) -> Runner:
    left, right = rng.random((2, _MATRIX, _MATRIX), np.float32)
    out = np.empty_like(left)
    try:
        import torch
    except ImportError:
        return lambda: np.matmul(left, right, out=out)
    tensors = [torch.from_numpy(array) for array in (left, right, out)]
    return lambda: torch.mm(tensors[0], tensors[1], out=tensors[2])


def _version(name: str) -> Optional[str]:
    try:
        return str(getattr(importlib.import_module(name), '__version__', 'unknown'))
    except ImportError:
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors='replace')
    except OSError:
        return ''


def sentence(machine: Dict[str, Any]) -> str:
    """Return the description in one line, for a caption."""
    parts: List[str] = [machine['board'] or machine['processor'], '{} cores'.format(machine['cores'])]
    parts += [', '.join(machine['instructions'])] if machine['instructions'] else []
    parts += ['{} GB'.format(machine['memory_gb']), 'Python {}'.format(machine['python'])]
    parts += [f'{name} {version}' for name, version in machine['libraries'].items()]
    return '; '.join(parts)
