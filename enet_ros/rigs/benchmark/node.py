"""The whole node over DDS: camera, segmentation_node and latency_node as processes of their own."""

from contextlib import suppress
import json
from pathlib import Path
import time
from typing import Any, Dict, List, NamedTuple, Tuple

from ...errors import InputError
from ...json_files import read_json
from ...latency.rows import RowReader
from ..processes import Child, isolate, processor_seconds, ros_arguments

START_SECONDS = 60.0


class Load(NamedTuple):
    """What a camera sends."""

    size: Tuple[int, int]       # (height, width)
    rate: float
    compressed: bool = False
    overlay: bool = False       # ~/overlay has a subscriber as well

    @property
    def name(self) -> str:
        """Short description, as in the table."""
        return '{}x{} {:g} Hz {}{}'.format(
            self.size[0], self.size[1], self.rate, 'compressed' if self.compressed else 'raw',
            ', overlay heard' if self.overlay else '')


_CALM = (Load((720, 1280), 10.0), Load((720, 1280), 10.0, overlay=True))     # what own work is read from
LOADS = _CALM + tuple(Load(size, rate, compressed) for size in ((720, 1280), (1080, 1920))
                      for compressed in (False, True) for rate in (15.0, 30.0, 60.0))
QUICK_LOADS = _CALM + (Load((720, 1280), 30.0), Load((720, 1280), 30.0, compressed=True),
                       Load((1080, 1920), 30.0))
# Stages of ~/timing between an image's arrival and its labels' departure, waiting and engine apart.
_OWN_STAGES = ('decoded', 'preprocessed', 'postprocessed', 'published')


def measure(load: Load, parameters: Dict[str, Any], folder: Path, seconds: float = 6.0) -> Dict[str, Any]:
    """Run one load against a fresh node, for `seconds` from its first label; return what was measured.

    `parameters` are segmentation_node's; `folder` keeps the recording and what each process said.
    The keys are those of latency_node's summary plus 'sent', 'cores' (processor seconds a second),
    'memory_mb' (resident, at most), 'first_label_s' (from the start of the process), 'engine_ms' and
    'own_ms' (medians of inference and of all else that the worker does for a frame).
    """
    isolate()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob('latency*'):
        old.unlink()
    parameters = dict(parameters, image_transport='compressed' if load.compressed else 'raw')
    camera_arguments = [str(load.size[0]), str(load.size[1]), str(load.rate), str(START_SECONDS + seconds)]
    children: List[Child] = []
    try:
        latency = start(children, 'enet_ros', ['latency_node'] + ros_arguments({
            'output': folder, 'plot': False}), folder)
        camera = start(children, 'enet_ros.rigs.benchmark.camera',
                        camera_arguments + ['--compressed'] * load.compressed, folder)
        if load.overlay:
            start(children, 'enet_ros.rigs.benchmark.listener', ['/segmentation_node/overlay'], folder)
        started_ns = int(time.time() * 1e9)
        node = start(children, 'enet_ros', ['segmentation_node'] + ros_arguments(parameters), folder)
        first_ns = _first_label(folder / 'latency.csv', node)
        before, since = processor_seconds(node.pid), time.monotonic()
        let_run(camera, node, seconds)
        cores = (processor_seconds(node.pid) - before) / (time.monotonic() - since)
        memory = _memory_mb(node.pid)
        camera.end()
        sent = json.loads(camera.log.read_text('utf-8', 'replace').strip().splitlines()[-1])['sent']
        time.sleep(0.5)     # the last frames' timings are still on their way
        latency.end()
        summary: Dict[str, Any] = read_json(folder / 'latency.json')
    finally:
        for child in reversed(children):
            child.end()
    stages = summary['stages_ms']
    summary.update(load=load.name, sent=sent, cores=cores, memory_mb=memory, overlay=load.overlay,
                   first_label_s=(first_ns - started_ns) / 1e9, engine_ms=stages['inferred']['p50'],
                   own_ms=sum(stages[stage]['p50'] for stage in _OWN_STAGES))
    return summary


def start(children: List[Child], module: str, arguments: List[str], folder: Path) -> Child:
    """Start a module or an executable; its output goes to a file of its name in `folder`."""
    name = arguments[0] if module == 'enet_ros' else module.split('.')[-1]
    log = folder / (name + '.log')
    if log.exists():
        log.unlink()
    children.append(Child(module, arguments, log))
    return children[-1]


def _first_label(recording: Path, node: Child) -> int:
    """Wait for the first frame that got its label; return when it was published, ROS time in ns."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and node.returncode is None:
        with suppress(InputError):      # not there, or its first line is being written
            for row in RowReader(recording):
                if row.timing.published_ros_ns:
                    return row.timing.published_ros_ns
        time.sleep(0.02)
    raise InputError(f'segmentation_node gave no label; see {node.log}')


def let_run(camera: Child, node: Child, seconds: float) -> None:
    """Let both run for so long; InputError where one ends early."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if node.returncode is not None or camera.returncode is not None:
            raise InputError(f'segmentation_node or its camera ended early; see {node.log}')
        time.sleep(0.05)


def _memory_mb(pid: int) -> float:
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith('VmHWM'))
