"""TensorRT: the engine of a Jetson, built in a child process, cached, and checked before it is used."""

import hashlib
import importlib
import importlib.util
import os
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any, Dict, Optional, Tuple

import numpy as np

from .. import weights
from ..weights import Checkpoint
from . import cuda_memory
from .cache import GRAPH_VERSION, EngineCache
from .engine import Engine, EngineError
from .tensorrt_runner import Plan, TensorRTEngine

PRECISIONS = ('fp16', 'fp32')
_OLDEST = (8, 2)
_BYTES_SINCE = (8, 5)       # the first TensorRT whose networks take and give uint8

#: 'cpu' for a stand-in of TensorRT that computes there, as our tests have one.
DEVICE = os.environ.get('ENET_TENSORRT_DEVICE', 'cuda')
_NEWEST = 11


def available() -> Optional[str]:
    """Return None where TensorRT can run here, else why not."""
    if importlib.util.find_spec('tensorrt') is None:
        return 'the tensorrt module is not installed'
    try:
        version = _version()
    except Exception as error:      # its libraries are mounted from the host and may not match
        return f'the tensorrt module does not load ({error})'
    if version[:2] < _OLDEST or version[0] > _NEWEST:
        return 'TensorRT {} is not supported, only {}.{} to {}.x'.format(
            '.'.join(str(part) for part in version), _OLDEST[0], _OLDEST[1], _NEWEST)
    if DEVICE == 'cuda':
        try:
            cuda_memory.gpu()
        except EngineError as error:
            return str(error)
        if version < _BYTES_SINCE and not importlib.import_module('torch').cuda.is_available():
            return 'PyTorch sees no CUDA device'
    return None


def takes_bytes() -> bool:
    """Whether this TensorRT's networks take and give bytes; else torch's kernels stand around them."""
    return _version() >= _BYTES_SINCE


def open(checkpoint: Checkpoint, input_size: Tuple[int, int], precision: Optional[str] = None,
         cache: Optional[Path] = None, threads: Optional[int] = None) -> Engine:
    """Load the engine of this checkpoint, size and device; build it first, in a child process, if needed.

    `precision` is 'fp16' (the default) or 'fp32'; `threads` has no meaning here. EngineError where
    the build fails or the engine's answers are wrong.
    """
    chosen, store = checked_precision(precision), EngineCache(cache)

    def opened(head: str) -> Any:
        """Open the plan of a head, built first where there is none that this driver takes."""
        key = engine_key(checkpoint, input_size, chosen, head)
        plan = store.load(key)
        if plan is not None:
            try:
                return _loaded(plan, input_size, chosen)
            except EngineError as error:    # another driver under the same TensorRT, say
                print(f'{error}; building it again', file=sys.stderr)
        build_in_child(checkpoint, input_size, chosen, store.folder, head, force=plan is not None)
        plan = store.load(key)
        if plan is None:
            raise EngineError('the engine was built, but not for this device and these weights')
        return _loaded(plan, input_size, chosen)

    return TensorRTEngine(opened, input_size, chosen) if takes_bytes() else opened('logits')


def run(plan: bytes, input_size: Tuple[int, int], precision: str, head: str) -> Engine:
    """Return an engine of one plan, for its check; it has no other head."""
    loaded = _loaded(plan, input_size, precision)
    return loaded if isinstance(loaded, Engine) else TensorRTEngine(
        lambda asked: loaded, input_size, precision, head)


def _loaded(plan: bytes, input_size: Tuple[int, int], precision: str) -> Any:
    """Return a `Plan`, or before 8.5 a whole engine."""
    try:
        if takes_bytes():
            return Plan(plan, input_size, DEVICE)
        from .tensorrt_float_runner import TensorRTFloatEngine
        return TensorRTFloatEngine(plan, input_size, precision, DEVICE)
    except RuntimeError as error:       # mostly for want of memory
        raise EngineError(f'the TensorRT engine does not run: {error}') from error


def trace(graph: Any, example: Any, **options: Any) -> Any:
    """Fill a TensorRT network from an inference graph (`graph.rewrite`), through torch2trt; build nothing.

    `example` is an input (1, 3, H, W) whose size the network gets; its values do not matter. Options:
    `prelu` ('pointwise' or 'layer', see `tensorrt_layers.prelu`). Returns TensorRT's network
    definition. EngineError where torch2trt has no converter for something: it would silently
    freeze that result.
    """
    from .tensorrt_trace import record
    return record(graph, example, **options).network


def checked_precision(precision: Optional[str]) -> str:
    """Return the precision to build, fp16 by default; EngineError for one TensorRT is not built with here."""
    precision = precision or PRECISIONS[0]
    if precision not in PRECISIONS:
        raise EngineError('tensorrt runs {}, not {}'.format(' or '.join(PRECISIONS), precision))
    return precision


def engine_key(checkpoint: Checkpoint, input_size: Tuple[int, int], precision: str,
               head: str = 'labels') -> Dict[str, Any]:
    """Return everything a plan depends on, as JSON types; before 8.5 every plan gives logits."""
    key: Dict[str, Any] = {
        'network': checkpoint.network, 'variant': checkpoint.variant, 'weights': checkpoint.sha256,
        'size': '{}x{}'.format(*input_size), 'batch': 1, 'precision': precision,
        'head': head if takes_bytes() else 'logits',
        'graph': GRAPH_VERSION, 'tensorrt': '.'.join(str(part) for part in _version()),
        'torch2trt': torch2trt_version()}
    if DEVICE == 'cuda':
        key['gpu'], key['sm'] = cuda_memory.gpu()
    return key


def build_in_child(checkpoint: Checkpoint, input_size: Tuple[int, int], precision: str, folder: Path,
                   head: str = 'labels', force: bool = False) -> None:
    """Run `build_engine` and wait; its words go to our stderr. EngineError with its last line if it fails."""
    with tempfile.TemporaryDirectory(prefix='enet_ros_build') as scratch:
        command = [
            sys.executable, '-m', 'enet_ros', 'build_engine', '--weights', str(_file(checkpoint, scratch)),
            '--size', '{}x{}'.format(*input_size), '--precision', precision, '--cache', str(folder),
            '--head', head, '--with-parent'] + ['--force'] * force
        child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 universal_newlines=True)
        last = ''
        try:
            for line in child.stderr or ():
                sys.stderr.write(line)
                last = line.strip() or last
            code = child.wait()
        finally:        # Ctrl-C, or the node's end
            if child.poll() is None:
                child.terminate()
                child.wait()
    if code < 0:
        raise EngineError(f'building the TensorRT engine was ended by signal {-code}; if by the kernel, for '
                          'want of memory: give the board swap')
    if code:
        raise EngineError('building the TensorRT engine failed: {}'.format(last.replace('error: ', '', 1)))


def torch2trt_version() -> str:
    """Return the revision that $TORCH2TRT_REF names, as in our container, else a hash of torch2trt's core."""
    named = os.environ.get('TORCH2TRT_REF', '')
    spec = importlib.util.find_spec('torch2trt')
    if named or spec is None or spec.origin is None:
        return named
    core = Path(spec.origin).with_name('torch2trt.py').read_bytes()
    return hashlib.sha256(core).hexdigest()[:12]


def _file(checkpoint: Checkpoint, scratch: str) -> Path:
    """Return the checkpoint's own file, or write one of the same hash."""
    path = Path(checkpoint.origin)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != checkpoint.sha256:
        path = Path(scratch) / 'weights.npz'
        weights.save(path, checkpoint, np.float32)
    return path


def _version() -> Tuple[int, ...]:
    text = importlib.import_module('tensorrt').__version__
    return tuple(int(part) for part in text.split('.') if part.isdigit())
