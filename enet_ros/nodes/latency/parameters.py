"""The parameters of latency_node: names, defaults, ranges."""

from typing import Any, Dict, Optional, Tuple

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.node import Node

from ...errors import InputError

# name: (default, what it is, range or None, may change while running)
PARAMETERS: Dict[str, Tuple[Any, str, Optional[Tuple[float, float]], bool]] = {
    'segmentation': ('segmentation_node', 'the node whose frames are recorded', None, False),
    'cameras': ([''], "that node's cameras, where it has several", None, False),
    'output': ('latency', 'folder of latency.csv, .json, .png and .hlog; older ones are kept, numbered',
               None, False),
    'observe_image': (False, 'also receive the camera images, to tell transport from the rest; it costs '
                             'what receiving an image costs', None, True),
    'camera_rate': (0.0, 'schedule of the cameras, Hz; 0: found in the stamps', (0.0, 1000.0), False),
    'longest_gap': (10.0, 'a longer gap between stamps, s, is a pause of the camera and no loss',
                    (0.1, 3600.0), False),
    'window': (30.0, 'seconds that /diagnostics looks back', (1.0, 600.0), False),
    'plot': (True, 'draw latency.png at the end', None, False),
    'warn_drop_share': (0.5, 'share of dropped frames from which on to warn', (0.0, 1.0), True),
    'warn_delay': (0.5, 'median delay in seconds from which on to warn', (0.0, 60.0), True),
    'warn_silence': (2.0, 'seconds without a frame from which on to warn', (0.1, 3600.0), True),
}


def declare(node: Node) -> None:
    """Declare them all; InputError or rclpy's exceptions for a wrong type or range."""
    for name, (default, description, limits, changeable) in PARAMETERS.items():
        descriptor = ParameterDescriptor(description=description, read_only=not changeable)
        if limits:
            descriptor.dynamic_typing = True    # camera_rate:=15 is as good as 15.0
            descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
        wrong = problem(name, node.declare_parameter(name, default, descriptor).value)
        if wrong:
            raise InputError(wrong)


def problem(name: str, value: Any) -> Optional[str]:
    """Say what is wrong with a parameter's value; None where nothing is, or it is not ours."""
    limits = PARAMETERS[name][2] if name in PARAMETERS else None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if limits is None or (number and limits[0] <= value <= limits[1]):
        return None
    return '{} is {!r}; it is a number from {:g} to {:g}'.format(name, value, *limits)
