"""Look at this machine: libraries, engines, shared memory, DDS, cameras, a timed frame; name each cure."""

import argparse
import importlib.util
import os
from pathlib import Path
import platform
import shutil
import sys
import time
from typing import Any, Iterator, List, NamedTuple, Optional

import numpy as np

from .. import __version__, cli
from ..deploy.factory import refusals
from ..errors import InputError
from ..json_files import write_json
from ..libraries import LIBRARIES, cure
from ..nodes.common.fastdds import PROFILE_VARIABLES, SHARED_MEMORY_NEEDED, transport_profile
from ..resources import find
from ..segmenter import Segmenter

GOOD, NOTE, FAULT = 'ok', 'note', 'FAULT'
_CAMERA_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_FIRST_OF_2024 = 1704067200     # a board without a battery starts years before
_TIMED_FRAMES = 10


class Finding(NamedTuple):
    """What one look showed; a fault stops the package from working, a note is worth knowing."""

    what: str
    state: str
    found: str
    cure: str = ''


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool; 1 where there is a fault."""
    parser = cli.parser('doctor', __doc__)
    parser.add_argument('--weights', default='camvid', help='what the timed frame is segmented by')
    parser.add_argument('--engine', default='auto', help='what runs it')
    parser.add_argument('--seconds', type=float, default=5.0, help='how long to look for camera topics')
    options = parser.parse_args(argv)
    if not 0 <= options.seconds <= 60:
        raise InputError(f'--seconds is {options.seconds:g}; it lies between 0 and 60')
    findings = []
    for finding in examine(options):
        findings.append(finding)
        print(f'{finding.state:<5}  {finding.what:<14}  {finding.found}', flush=True)
        if finding.cure:
            print(f'{"":<23}-> {finding.cure}')
    faults = [finding for finding in findings if finding.state == FAULT]
    print(f'{len(faults)} fault(s): ' + ', '.join(each.what for each in faults) if faults else 'no faults')
    if 'json' in options:
        write_json(options.json, {'version': __version__, 'faults': len(faults),
                                  'findings': [finding._asdict() for finding in findings]})
    return 1 if faults else 0


def examine(options: argparse.Namespace) -> Iterator[Finding]:
    """Yield what there is to tell, the quick things first."""
    old = sys.version_info < (3, 6)
    yield Finding('enet_ros', GOOD, f'{__version__} in {Path(__file__).resolve().parent.parent}')
    yield Finding('python', FAULT if old else GOOD, f'{platform.python_version()}, {platform.platform()}',
                  'install Python 3.6 or later' if old else '')
    yield from _libraries()
    yield from _engines()
    yield from _memory()
    yield from _clock()
    yield from _ros(options.seconds)
    yield from _frame(options.weights, options.engine)


def _libraries() -> Iterator[Finding]:
    missing = [name for name in sorted(LIBRARIES) if importlib.util.find_spec(name) is None]
    there = [name for name in sorted(LIBRARIES) if name not in missing]
    versions = [f'{name} {_version(LIBRARIES[name].pip)}' for name in there]
    yield Finding('libraries', GOOD, ', '.join(versions) or 'none')
    for name in missing:
        yield Finding(name, NOTE, 'not installed; some tools want it', cure([name]))


def _version(distribution: str) -> str:
    try:
        from importlib.metadata import PackageNotFoundError, version  # novm: guarded
    except ImportError:     # before Python 3.8
        return ''
    try:
        return version(distribution)
    except PackageNotFoundError:
        return '(no version)'


def _engines() -> Iterator[Finding]:
    found = refusals()
    able = [name for name, refusal in found.items() if refusal is None]
    for name, refusal in found.items():
        yield Finding('engine', NOTE if refusal else GOOD, f'{name}: {refusal or "can run"}')
    if not able:
        yield Finding('engines', FAULT, 'none can run', cure(['openvino']))
    elif able == ['opencv']:
        yield Finding('engines', NOTE, 'only the slow one can run', cure(['openvino']))


def _memory() -> Iterator[Finding]:
    try:
        free = shutil.disk_usage('/dev/shm').free
    except OSError as error:
        yield Finding('/dev/shm', NOTE, f'{error.strerror}: no shared memory', 'docker run --ipc=host')
        return
    enough = free >= SHARED_MEMORY_NEEDED
    yield Finding('/dev/shm', GOOD if enough else NOTE, f'{free >> 20} MB free', '' if enough else
                  f'{SHARED_MEMORY_NEEDED >> 20} MB are wanted: docker run --shm-size=1g, or --ipc=host')


def _clock() -> Iterator[Finding]:
    wrong = time.time() < _FIRST_OF_2024
    yield Finding('clock', FAULT if wrong else GOOD, time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime()),
                  'set it: sudo timedatectl set-ntp true' if wrong else '')


def _ros(seconds: float) -> Iterator[Finding]:
    try:
        import rclpy
        from rclpy.utilities import get_rmw_implementation_identifier
        rmw = get_rmw_implementation_identifier()
    except ImportError as error:
        yield Finding('ROS 2', FAULT, f'no rclpy ({error}); predict and the evaluations run without',
                      cure(['rclpy']))
        return
    distribution, domain = os.environ.get('ROS_DISTRO', 'not sourced'), os.environ.get('ROS_DOMAIN_ID', '0')
    place = Path(rclpy.__file__).parent
    yield Finding('ROS 2', GOOD, f'{distribution}; rclpy in {place}; {rmw}; domain {domain}')
    if 'fastrtps' in rmw:
        profile, told = transport_profile()
        ours = any(os.environ.get(name) == str(find('config', 'fastdds.xml')) for name in PROFILE_VARIABLES)
        yield Finding('DDS profile', GOOD if ours else NOTE,
                      told or ('set' if ours else 'not set here; our nodes set it for themselves'),
                      '' if ours or told else 'for a best-effort camera driver: export '
                      + ' '.join(f'{name}={value}' for name, value in profile.items()))
    else:
        yield Finding('DDS profile', NOTE, f'{rmw} is untested with this package',
                      'export RMW_IMPLEMENTATION=rmw_fastrtps_cpp')
    yield from _cameras(seconds, domain)


def _cameras(seconds: float, domain: str) -> Iterator[Finding]:
    from .node_thread import NodeThread
    looking = NodeThread('enet_ros_doctor')
    looking.start()
    try:
        seen = _settled(looking.node, seconds)
    finally:
        looking.close()
    yield Finding('cameras', GOOD if seen else NOTE, ', '.join(seen) or f'no image topic in {seconds:g} s',
                  '' if seen else f'start the driver, in ROS_DOMAIN_ID {domain}, on this network')


def _settled(node: Any, seconds: float) -> List[str]:
    """Return camera topics with their publishers, once a second has brought no more; `seconds` at most."""
    end = time.monotonic() + seconds
    before: List[str] = []
    seen: List[str] = []
    while not seen or seen != before:       # discovery has no end that could be waited for
        left = end - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(1.0, left))
        counts = {name: node.count_publishers(name) for name, types in node.get_topic_names_and_types()
                  if set(types) & set(_CAMERA_TYPES)}
        before, seen = seen, [f'{name} ({count})' for name, count in sorted(counts.items()) if count]
    return seen


def _frame(weights: str, engine: str) -> Iterator[Finding]:
    try:
        with Segmenter.open(weights, engine) as segment:
            height, width = segment.engine.input_size
            frame = np.zeros((height, width, 3), np.uint8)
            times = [segment.timed(frame)[1] for _ in range(_TIMED_FRAMES)]
            median = float(np.median([each.postprocessed - each.started for each in times]))
            yield Finding('a frame', GOOD, '{:.1f} ms at {}x{} by {} {} ({})'.format(
                median / 1e6, height, width, segment.engine.name, segment.engine.precision, weights))
    except InputError as error:
        yield Finding('a frame', FAULT, str(error), 'see the engines above')
