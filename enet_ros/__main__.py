"""``enet_ros NAME ...`` and ``python -m enet_ros NAME ...``: every executable of the package."""

import functools
import importlib
import os
import sys
from typing import Any, Callable, List, Optional

from . import __version__
from .errors import did_you_mean
from .libraries import missing_line

# name: (module:function, what it does). setup.py makes `ros2 run enet_ros NAME` from the same names.
EXECUTABLES = {
    'segmentation_node': ('nodes.entry_points:segmentation_node', 'camera images in, labels and overlays'),
    'playback_node': ('nodes.entry_points:playback_node', 'a camera made of a recording'),
    'latency_node': ('nodes.entry_points:latency_node', 'record the delay of every frame'),
    'evaluation_node': ('nodes.entry_points:evaluation_node', 'live IoU while a bag replays'),
    'points_node': ('nodes.entry_points:points_node', 'labels become points in space, for a costmap'),
    'predict': ('tools.predict:main', 'pictures, a video, a bag or a camera become overlays and a page'),
    'evaluate_bag': ('tools.evaluate_bag:main', 'score every frame of a bag'),
    'evaluate_dataset': ('tools.evaluate_dataset:main', 'score a data-set folder'),
    'record_bag': ('tools.record_bag:main', 'a data-set folder becomes a rosbag2'),
    'train': ('tools.train:main', "the paper's training and better recipes"),
    'check_data': ('tools.check_data:main', 'look at a data set before training on it'),
    'import_weights': ('tools.import_weights:main', 'bring in checkpoints of other ENet programs'),
    'plot_prelu': ('tools.plot_prelu:main', "the paper's Figure 3 from any weights"),
    'benchmark': ('rigs.benchmark.run:main', 'speed against peers, SegNet and the roofline'),
    'build_engine': ('tools.build_engine:main', 'build and cache the engine for this device'),
    'verify': ('tools.verify:main', 'an engine of this machine against frozen answers'),
    'export': ('tools.export:main', 'the network as ONNX, OpenVINO or a TensorRT plan'),
    'compare_latency': ('tools.compare_latency:main', 'two latency recordings side by side'),
    'soak': ('rigs.soak.run:main', 'the whole graph under more load than it can hold'),
    'doctor': ('rigs.doctor:main', 'what this machine lacks, and the cure of each fault'),
    'demo': ('rigs.demo:main', 'the whole system on this machine in under a minute'),
}


def _piped(tool: Callable[..., int]) -> Callable[..., int]:
    """End quietly where the reader of our output goes away, as `| head` does, even at the last moment."""
    @functools.wraps(tool)
    def piped(*arguments: Any) -> int:
        code = 0
        try:
            try:
                code = tool(*arguments)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code
    return piped


@_piped
def main(argv: Optional[List[str]] = None) -> int:
    """Run the executable that the first argument names; its exit code, 2 for an unknown one."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments and arguments[0] in EXECUTABLES:
        return run(arguments[0], arguments[1:])
    if arguments[:1] == ['--version']:
        print(f'enet_ros {__version__}')
        return 0
    asked = not arguments or arguments[0] in ('-h', '--help')
    if not asked:
        hint = did_you_mean(arguments[0], EXECUTABLES)
        print(f"error: there is no '{arguments[0]}'{hint}", file=sys.stderr)
    width = max(len(name) for name in EXECUTABLES)
    lines = [f'  {name:<{width}}  {text}' for name, (_, text) in EXECUTABLES.items()]
    print('usage: enet_ros NAME ... (each with --help)\n' + '\n'.join(lines),
          file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def load(name: str) -> Callable[[Optional[List[str]]], Optional[int]]:
    """Import an executable and return its main function."""
    module, _, function = EXECUTABLES[name][0].partition(':')
    main_function: Callable[[Optional[List[str]]], Optional[int]] = getattr(
        importlib.import_module('enet_ros.' + module), function)
    return main_function


def run(name: str, arguments: Optional[List[str]] = None) -> int:
    """Run one executable; what setup.py's entry points call too."""
    try:
        return int(load(name)(arguments) or 0)
    except ImportError as error:
        line = missing_line(name, error)
        if line is None:
            raise
        print(f'error: {line}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:   # while the module was still being loaded
        print('interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
