"""The parameters of playback_node: names, defaults, ranges, and the checked values."""

from typing import Any, Dict, Optional, Tuple

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from ...errors import InputError

PACES = ('realtime', 'step')
STAMPS = ('auto', 'now', 'source')
TRANSPORTS = ('raw', 'compressed')

# name: (default, description, (lowest, highest) where it is a number)
PARAMETERS: Dict[str, Tuple[Any, str, Optional[Tuple[float, float]]]] = {
    'source': ('', 'a rosbag2, a data-set folder, a video file, or: synthetic', None),
    'split': ('', "split of a data set, as 'val'", None),
    'rate': (0.0, "images a second; 0: the source's own", (0.0, 1000.0)),
    'loop': (False, 'begin anew at the end', None),
    'clock': (False, 'publish /clock; stamps are then those of the source', None),
    'pace': ('realtime', 'realtime, or step: the next image goes out once labels with the last stamp came',
             None),
    'step_timeout': (10.0, 'seconds that step waits for labels', (0.001, 3600.0)),
    'stamp': ('auto', 'now, source, or auto: source under clock or sim time, else now', None),
    'best_effort': (False, 'publish images best effort, as many camera drivers do', None),
    'max_frames': (0, 'end after so many images; 0: at the end of the source', (0, 2 ** 31 - 1)),
    'width': (0, "width of the images in pixels; 0: the source's", (0, 16384)),
    'height': (0, "height of the images in pixels; 0: the source's", (0, 16384)),
    'frame_id': ('', "frame_id of the images; '': the bag's, or camera", None),
    'image_transport': ('raw', 'raw on image, or compressed on image/compressed', None),
    'image_topic': ('', "topic to play from a bag; '': its first camera", None),
    'truth_topic': ('', "topic of annotations in a bag; '': one whose name ends in ground_truth", None),
    'labels_topic': ('segmentation_node/labels', 'where step waits for labels', None),
    'wait_for_subscribers': (1, 'listeners that image must have before the first one is sent', (0, 1000)),
    'wait_for_truth_subscribers': (0, 'the same for ground_truth', (0, 1000)),
    'seed': (0, 'which synthetic street', (0, 2 ** 31 - 1)),
}


def read(node: Node) -> Dict[str, Any]:
    """Declare and check every parameter; InputError names the one that is wrong."""
    return _checked({name: _declare(node, name, *entry) for name, entry in PARAMETERS.items()})


def _declare(node: Node, name: str, default: Any, description: str, limits: Any) -> Any:
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if limits and isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1], step=1)]
    elif limits:
        descriptor.dynamic_typing = True    # rate:=15 is as good as 15.0
        descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
    value = node.declare_parameter(name, default, descriptor).value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if limits and not (number and limits[0] <= value <= limits[1]):
        raise InputError('{} is {!r}; it is a number from {} to {}'.format(name, value, *limits))
    return value


def _checked(values: Dict[str, Any]) -> Dict[str, Any]:
    """Return the parameters with `stamp` decided; InputError names the one that is wrong."""
    for name, choices in (('pace', PACES), ('stamp', STAMPS), ('image_transport', TRANSPORTS)):
        if values[name] not in choices:
            raise InputError("{} is '{}'; it is one of: {}".format(name, values[name], ', '.join(choices)))
    if not values['source']:
        raise InputError("source is empty; give a bag, a folder, a video file, or 'synthetic'")
    if bool(values['width']) != bool(values['height']):
        raise InputError('width and height go together: set both, or neither')
    values = dict(values)
    if values['stamp'] == 'auto':
        values['stamp'] = 'source' if values['clock'] else 'now'
    if values['clock'] and values['stamp'] == 'now':
        raise InputError("stamp:=now contradicts clock:=true: the clock tells the source's time")
    return values
