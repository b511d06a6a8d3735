"""package.xml says what the code needs, in the form that ROS's tools accept."""

import re

import pytest
import sources

INTERFACES = re.compile(r'^(rclpy|launch|launch_ros|cv_bridge|\w+_msgs|\w+_srvs|\w+_interfaces)$')


@pytest.fixture(scope='module')
def package():
    catkin_pkg = pytest.importorskip('catkin_pkg.package')
    warnings = []
    found = catkin_pkg.parse_package(str(sources.ROOT), warnings=warnings)
    found.validate(warnings=warnings)
    assert not warnings
    return found


def test_form(package):
    assert package.package_format == 3
    assert package.get_build_type() == 'ament_python'
    # Without a valid address colcon silently takes the package for plain Python.
    assert [(person.name, person.email) for person in package.maintainers] == [
        ('enet_ros developers', 'enet-ros@example.org')]
    assert [licence.file for licence in package.licenses] == ['LICENSE', 'models/README.md']
    assert 'Apache-2.0' in package.licenses and all((sources.ROOT / licence.file).is_file()
                                                    for licence in package.licenses)


def test_depends_on_every_ros_package_imported(package):
    declared = {depend.name for depend in package.exec_depends}
    used = set()
    for path in sources.python_files():
        if path.relative_to(sources.ROOT).parts[0] not in ('enet_ros', 'launch'):
            continue
        used |= {name for name, _ in sources.imported(path) if INTERFACES.match(name)}
    assert used <= declared, f'missing in package.xml: {sorted(used - declared)}'
    assert {'rclpy', 'sensor_msgs', 'cv_bridge', 'vision_msgs', 'launch_ros'} <= declared
    assert {'python3-numpy', 'python3-opencv', 'python3-yaml'} <= declared
