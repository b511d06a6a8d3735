"""The parameters of segmentation_node: names, defaults, ranges, and the checked values."""

from pathlib import Path
import re
from typing import Any, Dict, NamedTuple, Optional, Tuple

from rclpy.node import Node

from ...deploy.factory import ENGINES, PRECISIONS
from ...errors import InputError
from ...geometry import RESIZE_MODES
from ..common.parameters import Parameter, declare

MAX_CAMERAS = 16
_SIDE = '{} of the network input in pixels, a multiple of 8; 0: as the weights were trained'
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
    confidence: bool
    engine_cache: Optional[str]
    autostart: bool
    overlay_alpha: float    # of the start; this and the next may change while the node runs
    max_rate: float


PARAMETERS: Dict[str, Parameter] = {
    'weights': Parameter('camvid', 'a shipped name (camvid, synthetic) or the path of an .npz'),
    'engine': Parameter('auto', 'what runs the network', choices=ENGINES),
    'precision': Parameter('', "arithmetic; '': the engine's own choice", choices=('',) + PRECISIONS),
    'input_height': Parameter(0, _SIDE.format('height'), (0, 8192), step=8),
    'input_width': Parameter(0, _SIDE.format('width'), (0, 8192), step=8),
    'threads': Parameter(0, 'CPU threads of the engine; 0: its own choice', (0, 256)),
    'cameras': Parameter([''], "names of several cameras, each on <name>/image; ['']: one, on image"),
    'image_transport': Parameter('raw', 'how images arrive', choices=('raw', 'compressed')),
    'overlay_alpha': Parameter(0.5, 'share of the colours in the overlay; may change while running',
                               (0.0, 1.0), live=True),
    'label_encoding': Parameter('mono8', 'encoding of label images', choices=('mono8', '8UC1')),
    'resize': Parameter('stretch', 'how an image of another shape meets the network', choices=RESIZE_MODES),
    'ego_mask': Parameter('', 'PNG; where it is not zero, labels become 255 (the bonnet, say)'),
    'output_classes': Parameter('', 'YAML that groups classes, say drivable and obstacle'),
    'confidence': Parameter(False, 'offer ~/confidence: the calibrated probability of each label'),
    'max_rate': Parameter(0.0, 'most labels a second of each camera; 0: no limit; may change while running',
                          (0.0, 1000.0), live=True, least_but_zero=0.01),
    'engine_cache': Parameter('', "folder of built engines; '': the user's cache folder"),
    'autostart': Parameter(True, 'configure and activate by itself; false under a lifecycle manager'),
}


def read(node: Node) -> Settings:
    """Declare every parameter; return the settings. InputError names the one that is wrong."""
    values = declare(node, PARAMETERS)
    height, width = values['input_height'], values['input_width']
    if bool(height) != bool(width):
        raise InputError('input_height and input_width go together: set both, or neither')
    if not values['weights']:
        raise InputError('weights is empty; give a shipped name or the path of a file')
    return Settings(
        values['weights'], values['engine'], values['precision'] or None, (height, width) if height else None,
        values['threads'] or None, _cameras(values['cameras']), values['image_transport'],
        values['label_encoding'], values['resize'], _file('ego_mask', values['ego_mask']),
        _file('output_classes', values['output_classes']), values['confidence'],
        values['engine_cache'] or None, values['autostart'],
        float(values['overlay_alpha']), float(values['max_rate']))


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
