"""The layout of rviz holds only what Jazzy's displays know, and leads to topics that there are."""

import importlib.util
from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
# rviz_default_plugins/Image of Jazzy; rviz_common's RosTopicProperty and QosProfileProperty.
IMAGE = {'Class', 'Enabled', 'Name', 'Value', 'Normalize Range', 'Min Value', 'Max Value', 'Median window',
         'Topic'}
TOPIC = {'Value': None, 'Depth': None, 'Filter size': None,
         'History Policy': {'System Default', 'Keep Last', 'Keep All'},
         'Reliability Policy': {'System Default', 'Reliable', 'Best Effort'},
         'Durability Policy': {'System Default', 'Transient Local', 'Volatile'}}


def check(layout: Dict[str, Any]) -> List[str]:
    """Return the topics of a layout, in which every display is one that Jazzy knows, and enabled."""
    topics = []
    for display in layout['Visualization Manager']['Displays']:
        assert display['Class'] == 'rviz_default_plugins/Image' and set(display) <= IMAGE
        # Without the window's state a disabled image display subscribes nevertheless.
        assert display['Enabled'] is display['Value'] is True
        for name, value in display['Topic'].items():
            assert TOPIC[name] is None or value in TOPIC[name], name
        topics.append(display['Topic']['Value'])
    return topics


@pytest.fixture(scope='module')
def shipped() -> Dict[str, Any]:
    layout: Dict[str, Any] = yaml.safe_load((ROOT / 'config' / 'enet.rviz').read_text())
    return layout


def test_the_shipped_layout(shipped: Dict[str, Any]) -> None:
    topics = check(shipped)
    publishers = (ROOT / 'enet_ros' / 'nodes' / 'segmentation' / 'publishers.py').read_text()
    for topic in topics:
        node, name = topic.lstrip('/').split('/')
        assert node == 'segmentation_node' and f"publisher(Image, '{name}'" in publishers
    assert topics == ['/segmentation_node/overlay', '/segmentation_node/labels_colour']


def test_the_window_gives_its_room_to_the_images(shipped: Dict[str, Any]) -> None:
    """QMainWindow::saveState: a marker, version 0, and docks by the names of panels and displays."""
    state = bytes.fromhex(shipped['Window Geometry']['QMainWindow State'])
    assert state.startswith(bytes.fromhex('000000ff00000000fd'))
    for display in shipped['Visualization Manager']['Displays']:
        assert display['Name'].encode('utf-16-be') in state


@pytest.mark.skipif(importlib.util.find_spec('launch_ros') is None,
                    reason='launch_ros is not installed')
def test_several_cameras_have_panels_of_their_own_in_any_namespace() -> None:
    from enet_ros.nodes.common import launching
    topics = check(yaml.safe_load(Path(launching.rviz_layout(['front', 'rear/left'])).read_text()))
    assert len(topics) == len(set(topics)) == 4 and '/segmentation_node/rear/left/overlay' in topics
    assert dict(launching.rviz_topics('/car', ['front', 'rear/left'])) == {
        topic: '/car' + topic for topic in topics}
    assert launching.rviz_topics('', []) == []
    assert launching.rviz_layout([]) == str(ROOT / 'config' / 'enet.rviz')
