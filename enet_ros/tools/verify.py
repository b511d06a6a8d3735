"""Run an engine of this machine on frames whose labels are known, and print agreement, speed and versions."""

import argparse
import hashlib
import importlib
from pathlib import Path
import platform
import resource
import sys
import time
from typing import Any, Dict, List, Optional

import numpy as np

from .. import __version__, cli, resources, weights
from ..deploy.engine import Engine
from ..deploy.factory import ENGINES, PRECISIONS, open_engine
from ..errors import InputError
from ..json_files import write_json

_GOLDEN = 'golden_camvid.npz'
_FRAMES, _SIZE = 20, (184, 240)
_POINTS = ((3, 5), (60, 121), (90, 200), (121, 60), (180, 236))     # (row, column) where logits are kept
# Least share of equal labels.
_LEAST = {'fp32': 0.999, 'fp16': 0.99, 'bf16': 0.97}
_LIBRARIES = ('numpy', 'cv2', 'torch', 'openvino', 'tensorrt')


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool: exit code 1 where too few labels agree."""
    parser = cli.parser('verify', __doc__)
    parser.add_argument('--engine', choices=ENGINES, default='auto', help='what runs')
    parser.add_argument('--precision', choices=PRECISIONS, help="the engine's own choice if not given")
    parser.add_argument('--threads', type=int, help="the processor's share")
    parser.add_argument('--cache', type=Path, metavar='FOLDER', help='where engines are kept')
    parser.add_argument('--freeze', type=Path, metavar='FILE', help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    checkpoint = weights.load('camvid')
    if options.freeze is not None:
        freeze(options.freeze, checkpoint)
        return 0
    golden = load(checkpoint)
    with open_engine(checkpoint, options.engine, options.precision, _SIZE, options.cache,
                     options.threads) as engine:
        facts = compare(engine, golden)
    facts.update(machine())
    least = _LEAST[facts['precision']]
    facts['passed'] = bool(facts['agreement'] >= least)
    print('{engine} {precision}: {agreement:.3%} of the labels as in float64 ({identical_frames} of {frames} '
          'frames identical), {median_ms:.2f} ms a frame of 184x240, {memory_megabytes:.0f} MB'.format(
              **facts))
    print('processor: {processor}; gpu: {gpu}; {versions}'.format(**facts))
    if 'json' in options:
        write_json(options.json, facts)
    if not facts['passed']:
        print(f'NOT RIGHT: at least {least:.1%} must agree in {facts["precision"]}')
    return 0 if facts['passed'] else cli.EXIT_GATE


def frame(index: int) -> np.ndarray:
    """Return a frame (H, W, 3) uint8: coloured patches, half of it noisy. Of integers, so always the same."""
    random = np.random.RandomState(index)
    height, width = _SIZE
    image = np.full((height, width, 3), 110, np.int64)
    for _ in range(25):
        top, left, tall, wide = (random.randint(1, side) for side in (height, width, height, width))
        image[top:top + tall // 2, left:left + wide // 2] = random.randint(0, 256, 3)
    image[:, width // 2:] += random.randint(-9, 10, (height, width - width // 2, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def freeze(path: Path, checkpoint: weights.Checkpoint) -> None:
    """Compute labels and logits in float64 by the published network, and keep them."""
    import torch

    from .. import networks
    network = networks.from_checkpoint(checkpoint).double()
    labels, logits = [], []
    for index in range(_FRAMES):
        with torch.no_grad():
            image = torch.from_numpy(frame(index)).permute(2, 0, 1)[None].double() / 255
            answer = network(image)[0].numpy()
        labels.append(answer.argmax(0).astype(np.uint8))
        logits.append([answer[:, row, column] for row, column in _POINTS])
    np.savez_compressed(str(path), weights=checkpoint.sha256, labels=np.array(labels),
                        logits=np.array(logits), frames=_hash_of_frames())


def load(checkpoint: weights.Checkpoint) -> Dict[str, np.ndarray]:
    """Return the golden vectors; InputError where they belong to other weights, or frames differ."""
    path = resources.find('models', _GOLDEN)
    with np.load(str(path), allow_pickle=False) as archive:
        golden = {name: archive[name] for name in archive.files}
    if str(golden['weights']) != checkpoint.sha256:
        raise InputError(f'{path}: belongs to other weights; enet_ros verify --freeze {path} renews it')
    if str(golden['frames']) != _hash_of_frames():
        raise InputError(f'numpy {np.__version__} makes other frames than those of {path}')
    return golden


def compare(engine: Engine, golden: Dict[str, np.ndarray]) -> Dict[str, Any]:
    """Return agreement of labels and logits, and the median time of a frame."""
    equal, identical, times, errors = [], 0, [], []
    for index in range(_FRAMES):
        image = frame(index)
        started = time.perf_counter()
        labels = engine.labels(image)
        times.append(time.perf_counter() - started)
        same = labels == golden['labels'][index]
        equal.append(float(same.mean()))
        identical += bool(same.all())
        try:
            logits = engine.logits(image)
        except NotImplementedError:
            continue
        for (row, column), truth in zip(_POINTS, golden['logits'][index]):
            errors.append(float(np.abs(logits[:, row, column] - truth).max() / np.abs(truth).max()))
    return {'engine': engine.name, 'precision': engine.precision, 'reason': engine.reason, 'frames': _FRAMES,
            'size': list(_SIZE), 'agreement': float(np.mean(equal)), 'worst_frame': min(equal),
            'identical_frames': identical, 'median_ms': float(np.median(times)) * 1e3,
            'logits_error': float(np.median(errors)) if errors else None}


def machine() -> Dict[str, Any]:
    """Return processor, GPU, peak memory and the versions of what was imported or can be."""
    versions = {'enet_ros': __version__, 'python': platform.python_version()}
    gpu = None
    for name in _LIBRARIES:
        if name in sys.modules:
            versions[name] = getattr(importlib.import_module(name), '__version__', '?')
    torch = sys.modules.get('torch')
    if torch is not None and torch.cuda.is_available():
        gpu = torch.cuda.get_device_name()
    return {'processor': _processor(), 'gpu': gpu, 'versions': versions, 'platform': platform.platform(),
            'memory_megabytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith(('model name', 'Hardware'))]
    return names[0] if names else platform.machine()


def _hash_of_frames() -> str:
    digest = hashlib.sha256()
    for index in range(_FRAMES):
        digest.update(frame(index).tobytes())
    return digest.hexdigest()
