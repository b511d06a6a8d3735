"""What the launch files share: arguments checked by name, and what the end of a node means for the launch.

An exception in a launch file, or in one of its event handlers, is the only way to make `ros2 launch` print a
reason and return another code than 0.
"""

import atexit
import copy
import math
import os
from pathlib import Path
import tempfile
from typing import Any, Callable, List, Optional, Sequence, Tuple

from launch import LaunchContext
from launch.actions import EmitEvent, LogInfo, RegisterEventHandler, TimerAction
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
import yaml

from ...errors import InputError, one_line
from ...resources import find
from ...yaml_files import read_mapping

BAD_INPUT = 2           # exit code of a node that was given something impossible
RESPAWN_DELAY = 0.2     # seconds
# Seconds that a node which writes files at its end is given before SIGTERM, and then before SIGKILL.
PATIENCE = {'sigterm_timeout': '60', 'sigkill_timeout': '10'}


def given(context: LaunchContext, name: str) -> str:
    """Return an argument as it was given, without blanks around it."""
    return str(LaunchConfiguration(name).perform(context)).strip()


def number(context: LaunchContext, name: str, least: float, greatest: float) -> Optional[float]:
    """Return a numeric argument, None where it is empty; InputError names it where it is out of range."""
    text = given(context, name)
    try:
        value = float(text) if text else None
    except ValueError:
        value = math.nan
    if value is None or least <= value <= greatest:
        return value
    raise InputError(f"{name} is '{text}'; it is a number from {least:g} to {greatest:g}")


def names(context: LaunchContext, name: str) -> List[str]:
    """Return a list argument, '[front, rear]' or 'front,rear'; InputError names it where it is none."""
    text = given(context, name)
    try:
        values = yaml.safe_load(text if text.startswith('[') else f'[{text}]')
    except yaml.YAMLError as error:
        raise InputError(f"{name} is '{text}'; it is a list like [front, rear]: {one_line(str(error), 100)}")
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"{name} is '{text}'; it is a list of names like [front, rear]")
    return [value for value in values if value]


def file(context: LaunchContext, name: str) -> str:
    """Return an argument that names a file; InputError where there is none: launch would go on without it."""
    path = Path(given(context, name)).expanduser()
    if not path.is_file():
        raise InputError(f'{name}: {path} is no file')
    return str(path)


def beside(image: str, name: str) -> str:
    """Return the topic `name` beside a topic of images: where image_transport looks for camera_info."""
    return '/'.join(image.split('/')[:-1] + [name])


def rviz_layout(cameras: Sequence[str]) -> str:
    """Return the shipped layout of rviz; for several cameras one made of it, with the images of each."""
    shipped = find('config', 'enet.rviz')
    if not cameras:
        return str(shipped)
    layout = read_mapping(shipped)
    displays = layout['Visualization Manager']['Displays']
    layout['Visualization Manager']['Displays'] = made = []
    for camera in cameras:
        for display in copy.deepcopy(displays):
            display['Name'] += ' ' + camera
            display['Topic']['Value'] = display['Topic']['Value'].replace('_node/', f'_node/{camera}/')
            made.append(display)
    del layout['Window Geometry']['QMainWindow State']     # it knows the panels of one camera only
    with tempfile.NamedTemporaryFile('w', suffix='.rviz', delete=False) as file:
        yaml.safe_dump(layout, file)
    atexit.register(os.unlink, file.name)
    return file.name


def rviz_topics(namespace: str, cameras: Sequence[str]) -> List[Tuple[str, str]]:
    """Return the remappings that lead the layout's topics into a namespace."""
    names = ['/segmentation_node/' + (camera + '/' if camera else '') + topic
             for camera in cameras or [''] for topic in ('overlay', 'labels_colour')]
    space = namespace.strip('/')
    return [(name, f'/{space}{name}') for name in names] if space else []


def respawned(make: Callable[[], Any], name: str) -> List[Any]:
    """Return a node that is started again whenever it fails, but not when it was asked to end.

    `make` returns a new one each time. Bad input ends the launch: trying again would not help.
    """
    node = make()

    def ended(event: Any, context: LaunchContext) -> List[Any]:
        if context.is_shutdown or event.returncode == 0:
            return []
        if event.returncode == BAD_INPUT:
            raise InputError(f'{name} was given bad input, see its error above')
        return [LogInfo(msg=f'{name} failed with exit code {event.returncode}; it is started again'),
                TimerAction(period=RESPAWN_DELAY, actions=respawned(make, name))]
    return [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))]


def ending(node: Any, name: str, done: str = '', failures: bool = True) -> List[Any]:
    """Return a node that ends the launch: with code 1 where it fails, and where it succeeds saying `done`.

    Without `done` the launch goes on after a success; without `failures` only bad input ends it.
    """
    def ended(event: Any, context: LaunchContext) -> List[Any]:
        if context.is_shutdown:
            return []
        if event.returncode == BAD_INPUT or failures and event.returncode:
            raise InputError(f'{name} failed with exit code {event.returncode}, see its error above')
        return [LogInfo(msg=done), EmitEvent(event=Shutdown(reason=done))] if done else []
    return [node, RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))]
