"""The reader of a machine with ROS, against a stand-in that keeps rosbag2_py's own rules.

rosbag2_py is in no package index; what is held here is the order of calls and the form of answers as Humble's
and Jazzy's binding have them, over a real bag.
"""

from pathlib import Path
import sys
from types import ModuleType, SimpleNamespace

import bag_samples as bags
import pytest

from enet_ros.bags.reading import open_bag
from enet_ros.bags.streams import Rosbag2PyStream
from enet_ros.evaluation.offline import Choice, evaluate_bag

rosbag2 = pytest.importorskip('rosbags.rosbag2')


class SequentialReader:
    """rosbag2_py.SequentialReader: opened with options, then filtered, then read in order."""

    def open(self, storage, converter) -> None:
        assert Path(storage.uri).exists() and storage.storage_id in ('mcap', 'sqlite3')
        assert (converter.input_serialization_format, converter.output_serialization_format) == ('', '')
        self._reader = rosbag2.Reader(storage.uri)
        self._reader.open()
        self._wanted = None

    def get_all_topics_and_types(self):
        return [SimpleNamespace(name=c.topic, type=c.msgtype) for c in self._reader.connections]

    def set_filter(self, storage_filter) -> None:
        self._wanted = storage_filter.topics

    def _messages(self):
        if not hasattr(self, '_pending'):
            wanted = [c for c in self._reader.connections if c.topic in self._wanted]
            self._source = self._reader.messages(wanted)
            self._pending = next(self._source, None)
        return self._pending

    def has_next(self) -> bool:
        return self._messages() is not None

    def read_next(self):
        connection, log_ns, data = self._messages()
        self._pending = next(self._source, None)
        return connection.topic, bytes(data), log_ns


class Info:
    """rosbag2_py.Info: metadata.yaml; RuntimeError for a bare file."""

    def read_metadata(self, uri: str, storage_id: str):
        if not Path(uri).is_dir():
            raise RuntimeError('could not find metadata')
        with rosbag2.Reader(uri) as reader:
            return SimpleNamespace(topics_with_message_count=[
                SimpleNamespace(topic_metadata=SimpleNamespace(name=c.topic), message_count=c.msgcount)
                for c in reader.connections])


@pytest.fixture(autouse=True)
def ros(monkeypatch):
    """Make rosbag2_py importable."""
    module = ModuleType('rosbag2_py')
    module.SequentialReader, module.Info = SequentialReader, Info
    module.StorageOptions = lambda uri, storage_id: SimpleNamespace(uri=uri, storage_id=storage_id)
    module.ConverterOptions = lambda first, second: SimpleNamespace(
        input_serialization_format=first, output_serialization_format=second)
    module.StorageFilter = lambda topics: SimpleNamespace(topics=topics)
    monkeypatch.setitem(sys.modules, 'rosbag2_py', module)


@pytest.mark.parametrize('storage', ('mcap', 'sqlite3'))
def test_ros_reads_the_same(storage: str, tmp_path: Path, monkeypatch) -> None:
    """Topics, counts and every message are those that `rosbags` gives, and so is the score."""
    path = bags.write(tmp_path / 'b', bags.pictures(12), storage, truth_of=range(3, 9))
    choice = Choice(str(path), predictions=bags.LABELS)
    with open_bag(path) as bag:
        assert isinstance(bag._stream, Rosbag2PyStream)
        topics, messages = bag.topics, list(bag.messages([bags.TRUTH, bags.LABELS]))
    by_ros = evaluate_bag(choice)
    monkeypatch.delitem(sys.modules, 'rosbag2_py')
    with open_bag(path) as bag:
        assert not isinstance(bag._stream, Rosbag2PyStream)
        assert bag.topics == topics and list(bag.messages([bags.TRUTH, bags.LABELS])) == messages
    assert evaluate_bag(choice).evaluator.confusion == by_ros.evaluator.confusion


def test_bare_file_has_no_counts(tmp_path: Path) -> None:
    """How many frames a file without metadata should hold is unknown, which loses none."""
    file = bags.storage_file(bags.write(tmp_path / 'b', bags.pictures(4)))
    with open_bag(file) as bag:
        assert bag.topics[bags.TRUTH].count == -1 and not bag.damaged
    outcome = evaluate_bag(Choice(str(file), predictions=bags.LABELS, truth_classes='camvid'))
    assert outcome.coverage.frames_evaluated == 4
