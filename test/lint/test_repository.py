"""Nothing private, nothing huge, nothing unpinned, one version."""

import re
import sys
from typing import Dict, List, Set

import pytest
import sources

# Put together here, so that this file does not fail its own test.
FORBIDDEN = ['pypi' + '.org', 'python' + 'hosted', 'deb.' + 'debian.org', 'registry.' + 'npmjs', 'farm' + '-',
             '/work' + '/', '/opt' + '/wheels', '/opt' + '/pypi', '/ro' + 'ot/', '../sha' + 'red']
# The one place outside the repository that is looked at, where it is there.
EXCEPTIONS = {'.ci/run': '../sha' + 'red/data/camvid'}

# Where the name that is imported is not the name that is installed.
DISTRIBUTIONS = {'cv2': 'opencv-python-headless', 'yaml': 'pyyaml', 'hdrh': 'hdrhistogram',
                 'PIL': 'matplotlib', 'catkin_pkg': 'colcon-ros', 'backports': 'backports-zstd'}
# What only a ROS installation or a Jetson has; the code looks before it uses them.
ROBOT_ONLY = {'ament_index_python', 'cv_bridge', 'launch', 'launch_ros', 'launch_testing', 'rosbag2_py',
              'tf2_ros', 'tensorrt', 'torch2trt', 'vision_msgs'}


def requirement_names() -> Set[str]:
    names = set()
    for path in (sources.ROOT / 'requirements').glob('*.in'):
        names |= {match.group().lower() for match in re.finditer(r'^\w[\w-]*', path.read_text(), re.M)}
    return names


def test_every_import_is_a_requirement():
    pinned = requirement_names()
    pinned |= {name[len('ros-jazzy-'):].replace('-', '_') for name in pinned if name.startswith('ros-jazzy-')}
    pinned |= {'builtin_interfaces', 'geometry_msgs'}  # come with the messages that are made of them
    standard = set(getattr(sys, 'stdlib_module_names', ())) | {'dataclasses'}
    python = sources.python_files()
    own = {'enet_ros'} | {path.stem for path in python if sources.ROOT / 'test' in path.parents}
    unknown: List[str] = []
    for path in python:
        for name, line in sources.imported(path):
            distribution = DISTRIBUTIONS.get(name, name).lower()
            known = {distribution, distribution.replace('_', '-')} & pinned
            if name not in standard | own | ROBOT_ONLY and not known:
                unknown.append(f'{path.relative_to(sources.ROOT)}:{line}: {name}')
    assert not unknown, '\n'.join(unknown)


PINS = {'build.txt': 1, 'runtime.txt': 80, 'torch-dependencies.txt': 8, 'test.txt': 60}


@pytest.mark.parametrize('pins', sorted(PINS))
def test_pins_have_hashes(pins):
    entries = re.split(r'\n(?=[a-z])', (sources.ROOT / 'requirements' / pins).read_text())
    assert len(entries) >= PINS[pins]
    for entry in entries:
        assert re.match(r'[a-z0-9-]+==\S+( ; .*)?( \\\n +--hash=sha256:[0-9a-f]{64})+\n?$', entry), entry
        assert not re.match(r'(cv-bridge|launch|launch-ros|torch)==', entry), f'a decoy, or torch: {entry}'


def test_every_requirement_is_pinned():
    pins: Dict[str, str] = {}
    for name in PINS:
        text = (sources.ROOT / 'requirements' / name).read_text()
        pins.update(re.findall(r'^([a-z0-9-]+)==(\S+)', text, re.M))
    assert requirement_names() - {'torch'} <= set(pins)
    assert int(pins['setuptools'].split('.')[0]) < 80, 'colcon needs setup.py install'


def test_nothing_private():
    found = []
    for path in sources.files():
        name = str(path.relative_to(sources.ROOT))
        content = sources.text(path).replace(EXCEPTIONS.get(name, '\0'), '')
        found += [f'{name}: {word}' for word in FORBIDDEN if word in content]
    assert not found, '\n'.join(found)


def test_no_large_file():
    sizes = {str(path.relative_to(sources.ROOT)): path.stat().st_size for path in sources.files()}
    assert not {name: size for name, size in sizes.items() if size > 1000000}


def test_one_version():
    places = {'setup.py': r"version='([\d.]+)'", 'package.xml': '<version>(.*)</version>',
              'CHANGELOG.rst': r'^([\d.]+) \(', 'CITATION.cff': r'^version: (\S+)',
              'enet_ros/__init__.py': r"__version__ = '(.*)'"}
    versions = {name: re.search(pattern, (sources.ROOT / name).read_text(), re.M).group(1)
                for name, pattern in places.items()}
    assert len(set(versions.values())) == 1, versions
