"""Build description: what colcon (ros.ament_python) and pip install, and where."""

from pathlib import Path
import re

from setuptools import find_packages, setup

NAME = 'enet_ros'
# What only some engines and jobs use; `make` pins the same files.
EXTRAS = ('bags', 'cluster', 'openvino', 'predict', 'report', 'ros', 'sun', 'torch', 'train', 'workstation')
# The source tree, also where colcon --symlink-install runs a link to this file.
HERE = Path(__file__).resolve().parent


def requirements(group):
    """Return the requirements of requirements/<group>.in and of the files that it includes."""
    found = []
    for line in (HERE / 'requirements' / (group + '.in')).read_text().splitlines():
        if line.startswith('-r '):
            found += requirements(line[len('-r '):-len('.in')])
        elif re.match(r'\w', line):
            found.append(line.split('  #')[0])
    return found


def tree(folder, target):
    """Return the data_files entries that put a folder of the source tree, and all below it, into `target`."""
    entries = {}
    for path in sorted((HERE / folder).rglob('*')):
        below = path.relative_to(HERE / folder)
        if path.is_file() and not any(part.startswith(('.', '__')) for part in below.parts):
            entries.setdefault(str(target / below.parent), []).append(str(folder / below))
    return sorted(entries.items())


share = Path('share') / NAME
setup(
    name=NAME,
    version='0.2.0',
    description='Real-time road-scene segmentation with ENet, for ROS 2',
    author='enet_ros developers',
    author_email='enet-ros@example.org',
    maintainer='enet_ros developers',
    maintainer_email='enet-ros@example.org',
    license='Apache-2.0',
    packages=find_packages(include=[NAME, NAME + '.*']),
    package_data={NAME: ['py.typed'], NAME + '.reports': ['*.html', '*.css', 'templates/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + NAME]),
        (str(share), ['package.xml']),
        # `ros2 run` searches lib/<package>; all of these are one file, acting by its name.
        *tree(Path('scripts'), Path('lib') / NAME),
        *tree(Path('config'), share / 'config'),
        *tree(Path('launch'), share / 'launch'),
        *tree(Path('models'), share / 'models'),
    ],
    # The only name on a pip user's PATH.
    entry_points={'console_scripts': ['enet_ros = enet_ros.__main__:main']},
    # A robot's own OpenCV is unknown to pip by name: old setuptools would refuse to start over it.
    install_requires=['numpy', 'PyYAML', 'opencv-python-headless; python_version >= "3.10"'],
    extras_require={group: requirements(group) for group in EXTRAS},
    python_requires='>=3.6',
    zip_safe=False,
)
