"""metadata.yaml of a rosbag2: what the bag should hold."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple

from ..errors import InputError
from ..yaml_files import read_mapping

NAME = 'metadata.yaml'
_MAX_BYTES = 16 << 20   # custom data and thousands of files fit; nothing else should


class Topic(NamedTuple):
    """A topic of a bag; `count` is -1 where the number of its messages is unknown."""

    name: str
    type: str
    count: int  # type: ignore[assignment]  # hides tuple.count


class Metadata(NamedTuple):
    """The parts of metadata.yaml that are used here."""

    storage: str                    # 'sqlite3' or 'mcap'
    files: List[str]                # names inside the bag's folder
    topics: Dict[str, Topic]
    custom: Dict[str, str]
    compressed: bool                # file by file or message by message


def read(path: Path) -> Metadata:
    """Read a metadata.yaml; InputError where it is none."""
    try:
        return _parse(read_mapping(path, _MAX_BYTES, 'bag metadata')['rosbag2_bagfile_information'])
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f'{path}: not the metadata of a bag: {error!r}') from None


def _parse(information: Dict[str, Any]) -> Metadata:
    topics = {}
    for entry in information['topics_with_message_count']:
        topic = entry['topic_metadata']
        name = str(topic['name'])
        topics[name] = Topic(name, str(topic['type']), int(entry['message_count']))
    files = [Path(str(name)).name for name in information['relative_file_paths']]
    custom = {str(key): str(value) for key, value in (information.get('custom_data') or {}).items()}
    compressed = str(information.get('compression_mode') or 'none').lower() != 'none'
    return Metadata(str(information['storage_identifier']), files, topics, custom, compressed)
