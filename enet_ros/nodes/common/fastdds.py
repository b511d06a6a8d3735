"""The Fast DDS profile under which large best-effort images arrive."""

import os
from pathlib import Path
import shutil
import sys
from typing import Dict, List, Tuple

from ...resources import find

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
# Every process under the profile takes a segment of 70 MB; a container's /dev/shm is often 64 MB altogether,
# and a full one kills the process with SIGBUS.
SHARED_MEMORY_NEEDED = 256 * 2 ** 20


def transport_profile() -> Tuple[Dict[str, str], str]:
    """
    Return the environment that points Fast DDS to config/fastdds.xml, and what to say about it.

    The environment is empty where the user set a profile of his own or where it would do harm; the text,
    empty otherwise, says why.
    """
    path = str(find('config', 'fastdds.xml'))
    for variable in PROFILE_VARIABLES:
        if os.environ.get(variable) == path:    # what the README says about drivers
            return {}, ''
        if os.environ.get(variable):
            return {}, f'{variable} is set to {os.environ[variable]}: left as it is'
    try:
        free = shutil.disk_usage('/dev/shm').free
    except OSError:
        free = 0
    if free < SHARED_MEMORY_NEEDED:
        return {}, (f'/dev/shm has {free // 2 ** 20} MB free: Fast DDS stays on its default transport, and '
                    'large images may be lost (docker run --shm-size=1g, or --ipc=host)')
    return {variable: path for variable in _variables()}, ''


def _variables() -> Tuple[str, ...]:
    """Return the variables to set: Fast DDS 3 (Kilted and later) warns of the old name."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) + [sys.prefix]
    newer = any((Path(prefix) / 'share' / 'fastdds').is_dir() for prefix in prefixes if prefix)
    return PROFILE_VARIABLES[1:] if newer else PROFILE_VARIABLES


def set_transport_profile() -> List[str]:
    """Put `transport_profile` in force, which must happen before rclpy.init; return what it says."""
    environment, text = transport_profile()
    os.environ.update(environment)
    return [text] if text else []
