"""The four nodes' executables; each imports its node only once Ctrl-C is heard."""

import functools
import importlib
from typing import Any, Dict, List, NamedTuple, Optional

from .common.main import Stop, spin_main


class _Node(NamedTuple):
    module: str
    name: str
    sends_images: bool
    description: str


_NODES: Dict[str, _Node] = {
    'segmentation_node': _Node('segmentation', 'SegmentationNode', True, """\
segmentation_node: labels every pixel of a camera's images.

Subscribes `image` (remap it, as -r image:=/camera/image_raw); publishes ~/labels, ~/overlay, ~/timing,
/diagnostics."""),
    'playback_node': _Node('playback', 'PlaybackNode', True, """\
playback_node: a camera made of a bag, a data-set folder, a video file or the synthetic street.

Publishes `image` (or `image/compressed`), `camera_info` and, where there is truth, `ground_truth` with the
image's stamp."""),
    'latency_node': _Node('latency', 'LatencyNode', False, """\
latency_node: records how late every frame's labels are, stage by stage and end to end.

Subscribes a segmentation node's ~/timing and ~/labels; writes latency.csv, .json, .png and .hlog
into `output`; publishes /diagnostics; service ~/report."""),
    'evaluation_node': _Node('evaluation', 'EvaluationNode', False, """\
evaluation_node: the score of a running segmentation, while a bag or a data set replays.

Subscribes `labels` (remap it to the segmentation node's), `ground_truth`, `timing`, and `image` for the
report; publishes ~/summary (std_msgs/String, JSON, latched) and /diagnostics. Services: ~/save writes the
result now, ~/reset starts over. Everything is joined by exact header stamp."""),
    'points_node': _Node('points', 'PointsNode', True, """\
points_node: labels become points in space, with class and confidence.

Subscribes `labels`, `camera_info` and, by the parameters `geometry` and `min_confidence`, `depth`, `cloud`,
`confidence`; publishes ~/points, ~/obstacles (sensor_msgs/PointCloud2) and /diagnostics."""),
}


def _create(node: _Node, stop: Stop) -> Any:
    module = importlib.import_module(f'enet_ros.nodes.{node.module}.node')
    return getattr(module, node.name)(stop)


def run(name: str, arguments: Optional[List[str]] = None) -> int:
    """Run a node until it is asked to stop or its source ends; return the exit code."""
    node = _NODES[name]
    return spin_main(functools.partial(_create, node), arguments, node.description, node.sends_images)


segmentation_node = functools.partial(run, 'segmentation_node')
playback_node = functools.partial(run, 'playback_node')
latency_node = functools.partial(run, 'latency_node')
evaluation_node = functools.partial(run, 'evaluation_node')
points_node = functools.partial(run, 'points_node')
