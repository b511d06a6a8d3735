"""``enet_ros NAME ...`` and ``python -m enet_ros NAME ...``: every executable of the package."""

import importlib
import sys
from typing import List, Optional

# name: (module, what it does). setup.py makes `ros2 run enet_ros NAME` from the same names.
EXECUTABLES = {
    'segmentation_node': ('nodes.segmentation', 'camera images in, labels and overlays out'),
    'playback_node': ('nodes.playback', 'a camera made of a bag, a folder, a video or the synthetic street'),
    'latency_node': ('nodes.latency', 'record the delay of every frame'),
    'evaluation_node': ('nodes.evaluation', 'live IoU while a bag replays'),
    'evaluate_bag': ('tools.evaluate_bag', 'score every frame of a bag'),
    'evaluate_dataset': ('tools.evaluate_dataset', 'score a data-set folder'),
    'record_bag': ('tools.record_bag', 'a data-set folder becomes a rosbag2'),
    'train': ('tools.train', "the paper's training and better recipes"),
    'import_weights': ('tools.import_weights', "PyTorch-ENet's checkpoints become weights of this package"),
    'plot_prelu': ('tools.plot_prelu', "the paper's Figure 3 from any weights"),
    'benchmark': ('tools.benchmark', 'speed against peers, SegNet and the roofline'),
    'build_engine': ('tools.build_engine', 'build and cache the engine for this device'),
    'compare_latency': ('tools.compare_latency', 'two latency recordings side by side'),
    'soak': ('tools.soak', 'the whole graph under more load than it can hold'),
    'demo': ('tools.demo', 'the whole system on this machine in under a minute'),
}


def main(argv: Optional[List[str]] = None) -> int:
    """Run the executable that the first argument names; its exit code, 2 for an unknown one."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments and arguments[0] in EXECUTABLES:
        return run(arguments[0], arguments[1:])
    asked = not arguments or arguments[0] in ('-h', '--help')
    if not asked:
        print(f"error: there is no '{arguments[0]}'", file=sys.stderr)
    width = max(len(name) for name in EXECUTABLES)
    lines = [f'  {name:<{width}}  {text}' for name, (_, text) in EXECUTABLES.items()]
    print('usage: enet_ros NAME ... (each with --help)\n' + '\n'.join(lines),
          file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def run(name: str, arguments: Optional[List[str]] = None) -> int:
    """Run one executable; what setup.py's entry points call too."""
    try:
        module = importlib.import_module('enet_ros.' + EXECUTABLES[name][0])
        return int(module.main(arguments) or 0)
    except KeyboardInterrupt:   # while the module was still being loaded
        print('interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
