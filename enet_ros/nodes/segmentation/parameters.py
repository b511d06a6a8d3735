"""The parameters of segmentation_node: names, defaults, ranges, and the checked values."""

import math
from pathlib import Path
import re
from typing import Any, List, NamedTuple, Optional, Tuple

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node

from ...deploy.factory import ENGINES, PRECISIONS
from ...errors import InputError
from ...geometry import RESIZE_MODES

TRANSPORTS = ('raw', 'compressed')
LABEL_ENCODINGS = ('mono8', '8UC1')
MAX_CAMERAS = 16
MAX_RATE = 1000.0
_CAMERA = re.compile(r'^[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*$')


class Settings(NamedTuple):
    """What a node runs with; `cameras` is empty for the one camera on `image`."""

    weights: str
    engine: str
    precision: Optional[str]
    input_size: Optional[Tuple[int, int]]
    threads: Optional[int]
    cameras: Tuple[str, ...]
    image_transport: str
    label_encoding: str
    resize: str
    ego_mask: Optional[str]
    output_classes: Optional[str]
    engine_cache: Optional[str]
    autostart: bool


def _descriptor(description: str, read_only: bool = True, **ranges: Any) -> ParameterDescriptor:
    return ParameterDescriptor(description=description, read_only=read_only, **ranges)


def _side(name: str) -> ParameterDescriptor:
    return _descriptor(
        f'{name} of the network input in pixels, a multiple of 8; 0: as the weights were trained',
        integer_range=[IntegerRange(from_value=0, to_value=8192, step=8)])


def _live(description: str, highest: float) -> ParameterDescriptor:
    # Dynamic typing lets a user write max_rate:=15; rclpy would refuse the whole number for a double.
    return _descriptor(description, read_only=False, dynamic_typing=True, floating_point_range=[
        FloatingPointRange(from_value=0.0, to_value=highest, step=0.0)])


def _choice(description: str, names: Tuple[str, ...], read_only: bool = True) -> ParameterDescriptor:
    return ParameterDescriptor(description=description, read_only=read_only,
                               additional_constraints='one of: ' + ', '.join(name or "''" for name in names))


def declare(node: Node) -> None:
    """Declare every parameter; rclpy's exceptions for a wrong type or range pass through."""
    table = (
        ('weights', 'camvid', _descriptor('a shipped name (camvid, synthetic) or the path of an .npz')),
        ('engine', 'auto', _choice('what runs the network', ENGINES)),
        ('precision', '', _choice("arithmetic; '': the engine's own choice", ('',) + PRECISIONS)),
        ('input_height', 0, _side('height')),
        ('input_width', 0, _side('width')),
        ('threads', 0, _descriptor('CPU threads of the engine; 0: its own choice', integer_range=[
            IntegerRange(from_value=0, to_value=256, step=1)])),
        ('cameras', [''], _descriptor("names of several cameras, each on <name>/image; ['']: one, on image")),
        ('image_transport', 'raw', _choice('how images arrive', TRANSPORTS)),
        ('overlay_alpha', 0.5, _live('share of the colours in the overlay; may change while running', 1.0)),
        ('label_encoding', 'mono8', _choice('encoding of label images', LABEL_ENCODINGS)),
        ('resize', 'stretch', _choice('how an image of another shape meets the network', RESIZE_MODES)),
        ('ego_mask', '', _descriptor('PNG; where it is not zero, labels become 255 (the bonnet, say)')),
        ('output_classes', '', _descriptor('YAML that groups classes, say drivable and obstacle')),
        ('max_rate', 0.0, _live('most labels a second of each camera; 0: no limit; may change while running',
                                MAX_RATE)),
        ('engine_cache', '', _descriptor("folder of built engines; '': the user's cache folder")),
        ('autostart', True, _descriptor('configure and activate by itself; false under a lifecycle manager')),
    )
    for name, default, descriptor in table:
        node.declare_parameter(name, default, descriptor)


def read(node: Node) -> Settings:
    """Return the checked settings; InputError names the parameter that is wrong and what it may be."""
    def value(name: str) -> Any:
        return node.get_parameter(name).value

    height, width = value('input_height'), value('input_width')
    if bool(height) != bool(width):
        raise InputError('input_height and input_width go together: set both, or neither')
    return Settings(
        _text('weights', value('weights')),
        _one_of('engine', value('engine'), ENGINES),
        _one_of('precision', value('precision'), ('',) + PRECISIONS) or None,
        (height, width) if height else None,
        value('threads') or None,
        _cameras(value('cameras')),
        _one_of('image_transport', value('image_transport'), TRANSPORTS),
        _one_of('label_encoding', value('label_encoding'), LABEL_ENCODINGS),
        _one_of('resize', value('resize'), RESIZE_MODES),
        _file('ego_mask', value('ego_mask')),
        _file('output_classes', value('output_classes')),
        value('engine_cache') or None,
        value('autostart'))


def live(node: Node) -> Tuple[float, float]:
    """Return overlay_alpha and max_rate; InputError where one is no number in its range."""
    result = []
    for name, highest in (('overlay_alpha', 1.0), ('max_rate', MAX_RATE)):
        value = node.get_parameter(name).value
        problem = live_problem(name, value)
        if problem:
            raise InputError(problem)
        result.append(float(value))
    return result[0], result[1]


def live_problem(name: str, value: Any) -> Optional[str]:
    """Say what is wrong with a value for overlay_alpha or max_rate; None where nothing is."""
    highest = 1.0 if name == 'overlay_alpha' else MAX_RATE
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and math.isfinite(value) and 0.0 <= value <= highest:
        return None
    return f'{name} is {value!r}; it is a number from 0 to {highest:g}'


def check_change(changes: List[Any]) -> SetParametersResult:
    """Validate a change of parameters while running; names of others (QoS overrides, say) are let through."""
    for parameter in changes:
        if parameter.name in ('overlay_alpha', 'max_rate'):
            problem = live_problem(parameter.name, parameter.value)
            if problem:
                return SetParametersResult(successful=False, reason=problem)
    return SetParametersResult(successful=True)


def _text(name: str, value: str) -> str:
    if not value:
        raise InputError(f'{name} is empty; give a shipped name or the path of a file')
    return value


def _one_of(name: str, value: str, names: Tuple[str, ...]) -> str:
    if value not in names:
        raise InputError("{} is '{}'; it is one of: {}".format(name, value, ', '.join(filter(None, names))))
    return value


def _file(name: str, value: str) -> Optional[str]:
    if not value:
        return None
    path = Path(value).expanduser()
    if not path.is_file():
        raise InputError(f'{name}: {path} is no file')
    return str(path)


def _cameras(values: Any) -> Tuple[str, ...]:
    names = tuple(name.strip('/') for name in values or () if name)
    for name in names:
        if not _CAMERA.match(name):
            raise InputError(f"cameras: '{name}' is no topic name (letters, digits, _ and /)")
    if len(set(names)) != len(names):
        raise InputError('cameras: a name stands twice in {}'.format(', '.join(names)))
    if len(names) > MAX_CAMERAS:
        raise InputError(f'cameras: {len(names)} names; at most {MAX_CAMERAS} share one engine')
    return names
