"""The enclave policy against the nodes' real graph: all that they do is allowed, and nothing else."""

from pathlib import Path
import time
from typing import Any, Dict, Iterator, Set
from xml.etree import ElementTree

import pytest

from enet_ros.resources import find

rclpy = pytest.importorskip('rclpy')

from enet_ros.rigs.processes import Child  # noqa: E402

NODES = ('segmentation_node', 'latency_node', 'evaluation_node', 'playback_node', 'points_node')
# Allowed without being there in this test: other transports and geometries, what needs vision_msgs or TF, sim
# time, step pace.
SOMETIMES = {'/segmentation_node/label_info', '/image/compressed', '/clock', '/segmentation_node/labels',
             '/segmentation_node/timing', '/labels', '/timing', '/image', '/cloud', '/depth', '/confidence',
             '/label_info', '/tf', '/tf_static', '/camera_info'}
SECONDS = 60.0


def _policy() -> Dict[str, Dict[str, Set[str]]]:
    """Return {node: {'publish' | 'subscribe' | 'reply': resolved names}} of the policy."""
    root = ElementTree.parse(str(find('config', 'sros2/policies.xml'))).getroot()
    assert root.tag == 'policy' and root.get('version') == '0.2.0'
    allowed: Dict[str, Dict[str, Set[str]]] = {}
    for enclave in root.iter('enclave'):
        for profile in enclave.iter('profile'):
            node = profile.get('node')
            assert enclave.get('path') == '/enet_ros/' + node and profile.get('ns') == '/'
            kinds = allowed.setdefault(node, {'publish': set(), 'subscribe': set(), 'reply': set()})
            for group in list(profile):
                (kind, permission), = group.attrib.items()
                assert permission == 'ALLOW' and kind in kinds
                kinds[kind] |= {_resolved(entry.text, node) for entry in group}
    return allowed


def _resolved(name: str, node: str) -> str:
    assert '*' not in name and name == name.strip()
    return name if name.startswith('/') else '/' + name.replace('~', node)


@pytest.fixture
def seen(ros_env: Any, random_weights: Path, tmp_path: Path) -> Iterator[Dict[str, Dict[str, Set[str]]]]:
    """Run every node and return what each of them does on the graph."""
    parameters = {
        'segmentation_node': [f'weights:={random_weights}', 'engine:=openvino', 'confidence:=true'],
        'latency_node': ['output:={}'.format(tmp_path / 'run'), 'observe_image:=true', 'plot:=false'],
        'evaluation_node': ['report:={}'.format(tmp_path / 'report.html')],      # with pictures
        'points_node': ['camera_height:=1.5'],
        'playback_node': ['source:=synthetic', 'clock:=true', 'pace:=step', 'wait_for_subscribers:=1000']}
    children = []
    for name in NODES:
        arguments = [name, '--ros-args']
        for parameter in parameters[name]:
            arguments += ['-p', parameter]
        children.append(Child('enet_ros', arguments, tmp_path / (name + '.log')))
    rclpy.init(args=[])
    node = rclpy.create_node('looking')
    try:
        yield _look(node, tmp_path)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
        codes = [child.end() for child in children]
    assert codes == [0] * len(codes)


def _look(node: Any, logs: Path) -> Dict[str, Dict[str, Set[str]]]:
    deadline = time.monotonic() + SECONDS
    while True:
        found: Dict[str, Dict[str, Set[str]]] = {}
        for name in NODES:
            try:
                found[name] = {
                    'publish': _names(node.get_publisher_names_and_types_by_node(name, '/')),
                    'subscribe': _names(node.get_subscriber_names_and_types_by_node(name, '/')),
                    'reply': _names(node.get_service_names_and_types_by_node(name, '/'))}
            except RuntimeError:    # not there yet
                break
        else:
            # A node's topics appear one by one; what is still missing at the end is what the test tells.
            whole = not any(_unused(found, _policy()).values())
            if whole or time.monotonic() > deadline:
                return found
        assert time.monotonic() < deadline, [path.read_text() for path in logs.glob('*.log')]
        time.sleep(0.2)


def _names(pairs: Any) -> Set[str]:
    return {name for name, _ in pairs}


def _unused(seen: Dict[str, Dict[str, Set[str]]],
            policy: Dict[str, Dict[str, Set[str]]]) -> Dict[Any, Set[str]]:
    """Return, for each node and kind, what the policy allows and the node does not do."""
    # get_type_description is Jazzy's.
    return {(name, kind): {entry for entry in policy[name][kind] - names - SOMETIMES
                           if 'get_type_description' not in entry}
            for name in NODES for kind, names in seen[name].items()}


def test_policy_is_what_the_nodes_do(seen: Dict[str, Dict[str, Set[str]]]) -> None:
    """Nothing that a node does is forbidden; nothing is allowed that no node does."""
    policy = _policy()
    assert set(policy) == set(NODES)
    for name in NODES:
        for kind, names in seen[name].items():
            assert names <= policy[name][kind], (name, kind, names - policy[name][kind])
    idle = _unused(seen, policy)
    assert not any(idle.values()), idle
