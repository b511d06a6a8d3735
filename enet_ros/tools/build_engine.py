"""Build, check and cache the TensorRT engine of this device ahead of time; or estimate what it will move."""

import argparse
import ctypes
from pathlib import Path
import signal
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from .. import cli, weights
from ..errors import InputError
from ..json_files import write_json

_TIMED_FRAMES = 50

# A Jetson TX1: 25.6 GB/s on paper, of which 20 can be had.
_TX1_GIGABYTES_PER_SECOND = 20.0


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool."""
    options = _arguments(argv)
    if options.with_parent:
        _end_with_parent()
    checkpoint = weights.load(options.weights)
    size = options.size or checkpoint.input_size
    facts = _estimate(checkpoint, size) if options.dry_run else _build(checkpoint, size, options)
    if 'json' in options:
        write_json(options.json, facts)
    return 0


def _arguments(argv: Optional[List[str]]) -> argparse.Namespace:
    parser = cli.parser('build_engine', __doc__, {'': ['torch']})
    add = parser.add_argument
    add('--weights', default='camvid', help='a shipped name or an .npz')
    add('--size', type=cli.size, metavar='HEIGHTxWIDTH',
        help="the network's input; the weights' own if not given")
    add('--precision', choices=('fp16', 'fp32'), default='fp16', help='what the engine computes in')
    add('--head', choices=('labels', 'logits'), default='labels',
        help='what the engine gives; logits for --upsample logits (before TensorRT 8.5 always both)')
    add('--cache', type=Path, metavar='FOLDER', help='where engines are kept')
    add('--workspace', type=int, default=256, metavar='MIB', help='memory TensorRT may use for trials')
    add('--prelu', choices=('pointwise', 'layer'), default='pointwise',
        help='per-channel PReLU as pointwise layers, or as one of its own, which newer TensorRT fuses less')
    add('--tactics', type=lambda text: text.split(','), metavar='NAMES',
        help='libraries whose kernels TensorRT tries, such as CUBLAS,CUDNN; fewer need less memory')
    add('--force', action='store_true', help='build although a good engine is cached')
    add('--dry-run', action='store_true', help='estimate the memory traffic; needs no TensorRT')
    add('--with-parent', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _estimate(checkpoint: weights.Checkpoint, size: Tuple[int, int]) -> Dict[str, Any]:
    """Print and return what a frame moves through memory in fp16, by the rule of `deploy.traffic`."""
    from ..deploy import traffic
    from ..deploy.graph import rewrite
    from ..networks import from_checkpoint
    counted = traffic.of_graph(rewrite(from_checkpoint(checkpoint)), size)
    # Outside the network, by torch: logits read once, labels written as int64, read, written as bytes.
    argmax = size[0] * size[1] * (2 * len(checkpoint.classes) + 8 + 8 + 1) / 1e6
    total = counted.megabytes()
    print(f'estimate, not a measurement: {checkpoint.network} at {size[0]}x{size[1]}, '
          f'{len(checkpoint.classes)} classes, fp16, {counted.layers} fused layers')
    for kind, elements in sorted(counted.elements.items(), key=lambda item: -item[1]):
        print(f'  {kind:<14} {elements * 2 / 1e6:7.1f} MB')
    print('  {:<14} {:7.1f} MB a frame: {:.1f} ms at the {:.0f} GB/s a TX1 achieves'.format(
        'network', total, total / _TX1_GIGABYTES_PER_SECOND, _TX1_GIGABYTES_PER_SECOND))
    print('  {:<14} {:7.1f} MB'.format('argmax after it', argmax))
    return {'estimate': True, 'network': checkpoint.network, 'size': list(size), 'megabytes': total,
            'argmax_megabytes': argmax, 'layers': counted.layers,
            'memory_ms_tx1': total / _TX1_GIGABYTES_PER_SECOND,
            'megabytes_by_kind': {kind: value * 2 / 1e6 for kind, value in counted.elements.items()}}


def _build(checkpoint: weights.Checkpoint, size: Tuple[int, int],
           options: argparse.Namespace) -> Dict[str, Any]:
    """Build under the cache's lock unless another process just did; return what is known of the engine."""
    from ..deploy import tensorrt_engine
    from ..deploy.cache import EngineCache
    reason = tensorrt_engine.available()
    if reason is not None:
        raise InputError(f'no engine can be built here: {reason}; --dry-run needs no TensorRT')
    store, key = EngineCache(options.cache), tensorrt_engine.engine_key(
        checkpoint, size, options.precision, options.head)
    with store.lock(key):
        if options.force or store.load(key) is None:
            facts = _built(checkpoint, size, options, store, key)
        else:
            facts = dict(store.record(key) or {}, cached=True)
    print('{}: {} layers, {:.1f} MB, {:.1f} s to build, {:.2f} ms a frame'.format(
        store.path(key), facts['layers'], facts['bytes'] / 1e6, facts['build_seconds'], facts['median_ms']))
    return facts


def _built(checkpoint: weights.Checkpoint, size: Tuple[int, int], options: argparse.Namespace, store: Any,
           key: Dict[str, Any]) -> Dict[str, Any]:
    from ..deploy import tensorrt_build, tensorrt_engine
    from ..deploy.graph import rewrite
    from ..networks import from_checkpoint
    network, head = from_checkpoint(checkpoint), key['head']
    if options.prelu == 'layer':
        print("warning: with --prelu layer a plan of NVIDIA's newest builder has 164 kernels, not 102, and "
              'moves 275 MB a frame, not 213 (19 classes, 640x360)', file=sys.stderr)
    started = time.monotonic()
    with _Ticker('building the engine: TensorRT tries its kernels, which takes minutes'):
        built = tensorrt_build.build(rewrite(network, head), size, options.precision,
                                     options.workspace << 20, options.prelu, options.tactics)
    seconds = time.monotonic() - started
    with _Ticker('checking it on an image it never saw'), \
            tensorrt_engine.run(built.plan, size, options.precision, head) as engine:
        tensorrt_build.check(engine, rewrite(network), head)
        median = _median_milliseconds(engine.labels if head == 'labels' else engine.logits, size)
    facts = {'layers': built.layers, 'build_seconds': seconds, 'median_ms': median, 'prelu': options.prelu}
    store.store(key, built.plan, facts)
    return dict(facts, bytes=len(built.plan), cached=False)


def _median_milliseconds(run: Any, size: Tuple[int, int]) -> float:
    frame = np.zeros(size + (3,), np.uint8)
    times = []
    for _ in range(_TIMED_FRAMES):
        started = time.perf_counter()
        run(frame)
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


class _Ticker:
    """Says what takes so long: on a terminal every second, in a log every half minute."""

    def __init__(self, words: str) -> None:
        self._words, self._done = words, threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def _tick(self) -> None:
        terminal = sys.stderr.isatty()
        started = time.monotonic()
        while True:
            print('\r' * terminal + f'{self._words} ({time.monotonic() - started:.0f} s)',
                  end='' if terminal else '\n', file=sys.stderr, flush=True)
            if self._done.wait(1 if terminal else 30):
                break
        if terminal:
            print(file=sys.stderr)

    def __enter__(self) -> '_Ticker':
        self._thread.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._done.set()
        self._thread.join()


def _end_with_parent() -> None:
    """Have the kernel end this process with the node that started it (Linux: PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))
