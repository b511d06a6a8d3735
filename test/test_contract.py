"""docs/contract.md promises what the code does: topics, parameters, class order, files."""

import json
from pathlib import Path
import re
from typing import Any, Dict, List, Set, Tuple
from xml.etree import ElementTree

import bag_samples as bags
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.evaluation.evaluator import Evaluator
from enet_ros.evaluation.examples import FrameScore
from enet_ros.evaluation.offline import Choice, evaluate_bag
from enet_ros.evaluation.online import LiveEvaluation
from enet_ros.latency import rows
from enet_ros.latency.report import write_report
from enet_ros.reports.frames import SCHEMA as FRAMES
from enet_ros.timing import DROP_REASONS, STAGES, FrameTiming

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / 'docs' / 'contract.md').read_text()
NODES = ('segmentation', 'playback', 'latency', 'evaluation', 'points')
OF_ROS = {'/parameter_events', '/rosout', '~/transition_event'}


def table(section: str) -> List[List[str]]:
    """Return the cells of a section's table, without its head."""
    text = re.search(rf'^## {section}\n(.*?)(?=^## |\Z)', TEXT, re.M | re.S)
    assert text
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in text.group(1).splitlines() if line.startswith('| ')][1:]


def promised(schema: str) -> Set[str]:
    """Return the keys that are promised of a schema, or of a file without one."""
    [row] = [row for row in table('Files') if schema in row[0] + row[1]]
    return set(re.findall(r'`([a-z_]+)`', row[2]))


def test_topics_are_those_of_the_graph() -> None:
    """The security policy is held to the running graph by its own test; this page is held to the policy."""
    allowed: Dict[Tuple[str, str], Set[str]] = {}
    policy = ElementTree.parse(str(ROOT / 'config' / 'sros2' / 'policies.xml')).getroot()
    for profile in policy.iter('profile'):
        for group in profile.iter('topics'):
            way = 'in' if 'subscribe' in group.attrib else 'out'
            allowed[profile.attrib['node'], way] = {str(topic.text) for topic in group} - OF_ROS
    told: Dict[Tuple[str, str], Set[str]] = {}
    for node, topic, way, _, _ in table('Topics'):
        told.setdefault((node, way), set()).add(topic.strip('`'))
    for (node, way), topics in told.items():
        spare = {'/clock'} if way == 'in' else set()
        if node == 'evaluation_node':       # remapped, as evaluate.launch.py does
            spare |= {'segmentation_node/labels', 'segmentation_node/timing'}
        assert topics == allowed[node, way] - (spare - topics), (node, way)


def test_foxgloves_layout_leads_to_topics_that_there_are() -> None:
    layout = json.loads((ROOT / 'config' / 'foxglove.json').read_text())
    panels = re.findall(r'"(\w+!\w+)"', json.dumps(layout['layout']))
    assert sorted(panels) == sorted(layout['configById'])
    shown = set(re.findall(r'"(?:imageTopic|topicPath|topicToRender)": "([^"]+)"', json.dumps(layout)))
    assert len(shown) == len(panels)
    known = {topic.strip('`').replace('~', '/' + node) for node, topic, way, _, _ in table('Topics')}
    assert shown <= known


def test_parameters_have_their_defaults() -> None:
    pytest.importorskip('rclpy')
    from importlib import import_module
    expected = [(f'{node}_node', name, parameter.default) for node in NODES for name, parameter in
                import_module(f'enet_ros.nodes.{node}.parameters').PARAMETERS.items()]
    assert [(node, name.strip('`'), json.loads(default.strip('`')))
            for node, name, default in table('Parameters')] == expected


def test_class_order() -> None:
    lists = dict(re.findall(r'^- `(\w+)`: (.+)$', TEXT, re.M))
    tables = {path.stem for path in (ROOT / 'config' / 'classes').glob('*.yaml')}
    assert set(lists) == tables
    for name in tables:
        assert lists[name] == ', '.join(ClassTable.load(name).names)


def test_timing_and_its_outcomes() -> None:
    timing = FrameTiming('front', 0, 1, 'segmented', dict.fromkeys(STAGES, 1), 1, 1)
    for name in [key for key, _ in timing.to_items()] + list(DROP_REASONS):
        assert f'`{name}`' in TEXT, name


def test_files(tmp_path: Path) -> None:
    """Every promised key is in a result, and a result names the schema that the page names."""
    pytest.importorskip('rosbags')
    found: Any = evaluate_bag(Choice(str(bags.write(tmp_path / 'b', bags.pictures(2))),
                                     predictions=bags.LABELS)).to_json()
    assert promised(found['schema']) <= set(found)
    assert promised(FRAMES) == set(FrameScore._fields) | {'schema'}
    writer = rows.RowWriter(tmp_path / 'latency.csv')
    writer.write([rows.FrameRow(FrameTiming('front', 0, 1, 'shutdown', {}, 1))])
    writer.close()
    summary = write_report(writer.path, plot=False)
    assert promised(summary['schema']) <= set(json.loads(writer.path.with_suffix('.json').read_text()))
    header = writer.path.read_text().splitlines()[0].split(',')
    assert promised('latency.csv') == set(header) - {stage + '_ns' for stage in STAGES}
    classes = ClassTable.load('camvid')
    live = LiveEvaluation(Evaluator(classes, classes))
    live.truth(1, np.zeros((2, 2), np.uint8))
    assert promised('~/summary') <= set(live.summary())
