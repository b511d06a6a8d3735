"""The libraries that read bags, behind one face: rosbag2_py where ROS is, else `rosbags`."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Sequence, Union

from . import salvage
from .metadata import Topic
from .salvage import Message


class RosbagsStream:
    """A bag read by `rosbags`, messages left as bytes."""

    def __init__(self, path: Path) -> None:
        """Look at it; raises whatever `rosbags` raises."""
        self._path = path
        self._topics: Dict[str, Topic] = {}
        reader = self._open()
        for connection in reader.connections:
            known = self._topics.get(connection.topic)
            count = connection.msgcount + (known.count if known else 0)
            self._topics[connection.topic] = Topic(connection.topic, connection.msgtype, count)
        reader.close()

    def _open(self) -> Any:
        from rosbags.rosbag2 import Reader
        reader = Reader(self._path)
        reader.open()
        return reader

    def topics(self) -> Dict[str, Topic]:
        """Return the topics by name."""
        return dict(self._topics)

    def messages(self, topics: Sequence[str]) -> Iterator[Message]:
        """Yield messages by time; every call has a reader of its own."""
        reader = self._open()
        try:
            wanted = [c for c in reader.connections if c.topic in topics]
            if wanted:
                for connection, log_ns, data in reader.messages(wanted):
                    yield Message(connection.topic, connection.msgtype, log_ns, data)
        finally:
            reader.close()


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


class FileStream:
    """A bag read in the order of recording, without its index, which `rosbags` keeps in memory."""

    def __init__(self, files: Sequence[Path], topics: Dict[str, Topic], tell: Callable[[str], None]) -> None:
        """Take the files and what metadata.yaml says of their topics."""
        self._files, self._topics, self._tell = files, topics, tell

    def topics(self) -> Dict[str, Topic]:
        """Return the topics by name."""
        return dict(self._topics)

    def messages(self, topics: Sequence[str]) -> Iterator[Message]:
        """Yield messages in the order of recording."""
        for file in self._files:
            yield from salvage.messages(file, self._tell, topics)


def open_stream(path: Path, storage: str) -> Union[RosbagsStream, Rosbag2PyStream]:
    """Open a bag by what is installed; ImportError where nothing is."""
    return Rosbag2PyStream(path, storage) if has_ros() else RosbagsStream(path)


def has_ros() -> bool:
    """Return whether ROS's own reader is there."""
    try:
        import rosbag2_py  # noqa: F401
    except ImportError:
        return False
    return True
