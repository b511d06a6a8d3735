"""The parameters of points_node: names, defaults, ranges, and the checked values."""

from typing import Any, Dict

from rclpy.node import Node

from ...classes import ClassTable
from ...errors import InputError
from ...points.placing import Rules
from ..common.parameters import Parameter, declare

PARAMETERS: Dict[str, Parameter] = {
    'geometry': Parameter('ground', 'what places the labels: the flat ground, a depth image or a point cloud',
                          choices=('ground', 'depth', 'cloud')),
    'classes': Parameter('camvid', 'class table of the labels: a shipped name or the output_classes file'),
    'ground_classes': Parameter(['Road'], 'classes that lie on the ground and may be driven on'),
    'camera_height': Parameter(0.0, 'metres of the camera above the ground; 0: not known', (0.0, 100.0)),
    'camera_pitch': Parameter(0.0, 'radians that the camera looks down', (-1.6, 1.6)),
    'camera_roll': Parameter(0.0, 'radians that the camera leans to its right', (-3.2, 3.2)),
    'ground_frame': Parameter('', 'frame on the ground, base_footprint say, above which TF knows the camera; '
                                  "'': the three above"),
    'rectified': Parameter(False, 'the labels are of image_rect: matrix P, no distortion'),
    'min_confidence': Parameter(0.0, 'labels below it are unknown; above 0 every frame needs its confidence, '
                                     'at 0 none is subscribed', (0.0, 1.0)),
    'mark_unknown': Parameter(True, 'what is unknown is among the obstacles'),
    'ground_tolerance': Parameter(0.3, 'metres off the ground up to which a ground class is believed, where '
                                       "depth or cloud and the camera's pose tell", (0.01, 100.0)),
    'min_range': Parameter(0.3, 'metres; nearer points are left out', (0.0, 1000.0)),
    'max_range': Parameter(20.0, 'metres; farther points are left out', (0.1, 1000.0)),
    'step': Parameter(4, 'side in pixels of the blocks that give one point, the nearest obstacle',
                      (1, 64)),
    'sync_tolerance': Parameter(0.02, 'seconds between the stamps of labels and depth or cloud', (0.0, 1.0)),
    'max_age': Parameter(0.5, 'seconds; older labels are not placed', (0.01, 10.0)),
    'autostart': Parameter(True, 'configure and activate by itself; false under a lifecycle manager'),
}
_LIMITS = ('min_confidence', 'min_range', 'max_range', 'ground_tolerance', 'mark_unknown', 'step')


def read(node: Node) -> Dict[str, Any]:
    """Declare and check every parameter; `classes` becomes the table, and `rules` are added."""
    values = declare(node, PARAMETERS)
    if values['min_range'] >= values['max_range']:
        raise InputError(f"min_range {values['min_range']:g} is not below max_range {values['max_range']:g}")
    if values['geometry'] == 'ground' and not values['ground_frame'] and not values['camera_height']:
        raise InputError("geometry 'ground' needs the camera's pose: set camera_height (and camera_pitch, "
                         'camera_roll), or ground_frame')
    values['classes'] = ClassTable.load(values['classes'])
    values['rules'] = Rules.of(values['classes'], [name for name in values['ground_classes'] if name],
                               **{name: values[name] for name in _LIMITS})
    return values
