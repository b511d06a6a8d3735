"""Which engine runs: the fastest that is there, and why."""

import importlib
import importlib.util
import logging
from pathlib import Path
import sys
from typing import Dict, List, Optional, Tuple, Union

from ..errors import InputError
from ..libraries import missing_line
from ..weights import Checkpoint
from .confidence import Calibration
from .engine import Engine, EngineError

# Each module has available() -> None or why not, and open(checkpoint, input_size, precision, cache, threads).
_MODULES = {
    'tensorrt': ('tensorrt_engine',),
    'torch': ('cuda_engine', 'torch_engine'),
    'openvino': ('openvino_engine',),
    'opencv': ('opencv_engine',),
}
_AUTO = ('tensorrt_engine', 'cuda_engine', 'openvino_engine', 'torch_engine', 'opencv_engine')
# A PC's driver, a Jetson's, and that of Windows' Linux.
_CUDA_DEVICES = ('/dev/nvidiactl', '/dev/nvhost-gpu', '/dev/nvgpu', '/dev/dxg')
_SLOW = 'the network runs by OpenCV, several times slower than need be: pip install openvino'
_LOGGER = logging.getLogger(__name__)
ENGINES = ('auto',) + tuple(_MODULES)
PRECISIONS = ('fp32', 'fp16', 'bf16')


def open_engine(checkpoint: Checkpoint, engine: str = 'auto', precision: Optional[str] = None,
                input_size: Optional[Tuple[int, int]] = None, cache: Union[None, str, Path] = None,
                threads: Optional[int] = None, calibration: Optional[Calibration] = None) -> Engine:
    """Open the named engine, or with 'auto' the first that works of TensorRT, CUDA, OpenVINO, torch, OpenCV.

    `precision` is 'fp32', 'fp16' or 'bf16', the engine's own choice where None; `input_size` is
    (height, width), multiples of 8; `cache` the folder of built engines; `threads` the CPU's share;
    `calibration` prepares `Engine.labels_and_confidence`.
    The engine's `reason` tells what was passed over. InputError where an option is wrong or no
    engine works.
    """
    if engine not in ENGINES:
        raise InputError(f"engine is '{engine}'; it is one of {', '.join(ENGINES)}")
    if precision is not None and precision not in PRECISIONS:
        raise InputError(f"precision is '{precision}'; it is one of {', '.join(PRECISIONS)}")
    if threads is not None and threads < 1:
        raise InputError(f'threads is {threads}; at least 1 is needed')
    size = _checked_size(input_size or checkpoint.input_size)
    folder = None if cache is None else Path(cache).expanduser()
    passed: List[str] = []
    for name in _AUTO if engine == 'auto' else _MODULES[engine]:
        label = name.replace('_engine', '')
        refusal = _ruled_out(name)
        try:
            if refusal is None:
                module = importlib.import_module('.' + name, __package__)
                refusal = module.available()
            if refusal is None:
                opened: Engine = module.open(checkpoint, size, precision, folder, threads)
                if calibration is not None:
                    _calibrate(opened, calibration)
                asked = 'first that works' if engine == 'auto' else 'asked for'
                opened.reason = '; '.join([f'{label}: {asked}'] + passed)
                if engine == 'auto' and label == 'opencv':
                    _LOGGER.warning(_SLOW)
                return opened
        except ImportError as error:    # torch itself may be missing
            refusal = missing_line('it', error) or str(error)
        except EngineError as error:
            refusal = str(error)
        passed.append(f'{label}: {refusal}')
    raise EngineError(f"no engine for '{engine}' ({'; '.join(passed)})")


def _calibrate(engine: Engine, calibration: Calibration) -> None:
    """Prepare an engine's confidence; one that has none is closed, so that the next finds its memory free."""
    try:
        engine.calibrate(calibration)
    except Exception:
        engine.close()
        raise


def refusals() -> Dict[str, Optional[str]]:
    """Return for each engine, in the order of 'auto', why it cannot run here; None where it can."""
    found: Dict[str, Optional[str]] = {}
    for name in _AUTO:
        try:
            refusal = _ruled_out(name) or importlib.import_module('.' + name, __package__).available()
        except ImportError as error:
            refusal = missing_line('it', error) or str(error)
        found[name.replace('_engine', '')] = refusal
    return found


def _ruled_out(name: str) -> Optional[str]:
    """Tell why an engine cannot run here, as far as that shows without torch: two seconds and 170 MB."""
    if name == 'tensorrt_engine' and 'tensorrt' not in sys.modules and (
            importlib.util.find_spec('tensorrt') is None):
        return 'the tensorrt module is not installed'
    if name == 'cuda_engine' and not any(Path(device).exists() for device in _CUDA_DEVICES):
        return 'no CUDA device'
    return None


def _checked_size(size: Tuple[int, int]) -> Tuple[int, int]:
    height, width = (int(side) for side in size)
    if height <= 0 or width <= 0 or height % 8 or width % 8:
        raise InputError(f'input size {height}x{width}: height and width are multiples of 8, '
                         f'for example {max(8, height // 8 * 8)}x{max(8, width // 8 * 8)}')
    return height, width
