"""ROS's own reader of bags, where it is installed."""

from pathlib import Path
from typing import Any, Dict, Iterator, Sequence

from .messages import Message
from .metadata import Topic


class Rosbag2PyStream:
    """A bag read by ROS's own rosbag2_py, messages left as bytes."""

    def __init__(self, path: Path, storage: str) -> None:
        """Open it; raises whatever rosbag2_py raises."""
        self._path, self._storage = path, storage
        self._types = {topic.name: topic.type for topic in self._open().get_all_topics_and_types()}

    def _open(self) -> Any:
        import rosbag2_py
        reader = rosbag2_py.SequentialReader()
        # Empty serialization formats: messages stay as they were recorded.
        reader.open(rosbag2_py.StorageOptions(uri=str(self._path), storage_id=self._storage),
                    rosbag2_py.ConverterOptions('', ''))
        return reader

    def topics(self) -> Dict[str, Topic]:
        """Return the topics by name, with how many messages they hold where the metadata tell."""
        import rosbag2_py
        counts = {name: -1 for name in self._types}
        try:
            information = rosbag2_py.Info().read_metadata(str(self._path), self._storage)
            for entry in information.topics_with_message_count:
                counts[entry.topic_metadata.name] = entry.message_count
        except RuntimeError:    # a storage file by itself has none
            pass
        return {name: Topic(name, type_, counts[name]) for name, type_ in self._types.items()}

    def messages(self, topics: Sequence[str]) -> Iterator[Message]:
        """Yield messages by time; every call has a reader of its own."""
        import rosbag2_py
        reader = self._open()
        reader.set_filter(rosbag2_py.StorageFilter(topics=list(topics)))
        while reader.has_next():
            topic, data, log_ns = reader.read_next()
            yield Message(topic, self._types[topic], log_ns, data)


def has_ros() -> bool:
    """Return whether ROS's own reader is there."""
    try:
        import rosbag2_py  # noqa: F401
    except ImportError:
        return False
    return True
