"""YAML from strangers: plain mappings, lists and values, in bounded time and memory.

Anchors, aliases, merge keys and tags are refused: no file of this package or of rosbag2 needs one, and ten
lines of them can describe more than any memory holds.
"""

from pathlib import Path
from typing import Any, Dict, Union

import yaml

from .errors import InputError, one_line
from .files import read_bytes

MAX_BYTES = 1 << 20     # of a configuration file
_MAX_DEPTH = 40
_MAX_NODES = 100000
_MAX_PLAIN = 1000       # characters without quotes: what may be a number takes time to convert
_Loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


def read_mapping(path: Union[str, Path], most: int = MAX_BYTES,
                 what: str = 'configuration file') -> Dict[str, Any]:
    """Read a YAML file of at most `most` bytes; InputError where it is not YAML or not a mapping."""
    content = read_bytes(path, most, what)
    try:
        data = _parse(content.decode('utf-8'))
    except Exception as error:      # PyYAML's own, and what dates, numbers and depth raise inside it
        raise InputError(f'{path}: not YAML: {one_line(str(error), 300) or type(error).__name__}') from None
    if not isinstance(data, dict):
        raise InputError(f'{path}: a mapping with keys is expected at the top')
    return data


def _parse(text: str) -> Any:
    """Return the document's value after all of its events were looked at."""
    depth = nodes = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        nodes += 1
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, (yaml.CollectionStartEvent, yaml.CollectionEndEvent)):
            depth += 1 if isinstance(event, yaml.CollectionStartEvent) else -1
        if depth > _MAX_DEPTH or nodes > _MAX_NODES:
            raise ValueError(f'nested over {_MAX_DEPTH} deep, or over {_MAX_NODES} values')
        if getattr(event, 'anchor', None) or getattr(event, 'tag', None) not in (None, '!'):
            raise ValueError(f'line {line}: anchors, aliases and tags are not read')
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            if event.value == '<<' or len(event.value) > _MAX_PLAIN:
                raise ValueError(f'line {line}: a merge key, or a value of over '
                                 f'{_MAX_PLAIN} characters without quotes')
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (a safe loader)
