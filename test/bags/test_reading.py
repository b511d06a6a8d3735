"""Bags come back as they were written, and damaged ones as far as they go, with what is lost told."""

from pathlib import Path
import re
import shutil
import sqlite3
import sys
from types import ModuleType

import bag_samples as bags
import numpy as np
import pytest

from enet_ros.bags import mcap_file
from enet_ros.bags.reading import open_bag
from enet_ros.bags.writing import BagWriter
from enet_ros.classes import ClassTable
from enet_ros.errors import InputError

pytest.importorskip('rosbags')
STORAGES = ('mcap', 'sqlite3')


@pytest.fixture(params=STORAGES)
def bag(request, tmp_path: Path) -> Path:
    """Return a bag of sixty frames, in several chunks of mcap or pages of sqlite3."""
    return bags.write(tmp_path / 'drive', bags.pictures(60, (96, 128)), request.param)


def _labels(path: Path) -> dict:
    """Return what can be read of the truth, stamp -> labels, and the problems."""
    classes = ClassTable.load('camvid')
    with open_bag(path) as opened:
        messages = [(m.stamp_ns, m.labels(classes)) for m in opened.images(bags.TRUTH)]
        found = dict(messages)
        assert len(found) == len(messages), 'a message came twice'
        return found, opened.problems


def _assert_genuine(found: dict, samples) -> None:
    for index, sample in enumerate(samples):
        if bags.stamp(index) in found:
            assert np.array_equal(found[bags.stamp(index)], sample.label), index


@pytest.mark.parametrize('storage', STORAGES)
def test_images_and_labels_come_back(storage: str, tmp_path: Path) -> None:
    """Every pixel, stamp and frame_id, raw and compressed; topics, counts and custom data."""
    samples = bags.pictures(5)
    path = tmp_path / 'drive'
    with BagWriter(path, storage, {'enet_ros.dataset': 'noise'}) as writer:
        for index, sample in enumerate(samples):
            writer.image('/raw', bags.stamp(index), 'front', sample.image)
            writer.compressed_image('/png', bags.stamp(index), 'front', sample.image, quality=None)
            writer.compressed_image('/jpeg', bags.stamp(index), 'front', sample.image)
            writer.labels('/truth', bags.stamp(index), 'front', sample.label)
    classes = ClassTable.load('camvid')
    with open_bag(path) as opened:
        assert opened.image_topics() == ['/jpeg', '/png', '/raw', '/truth']
        assert opened.topics['/raw'].count == 5 and opened.custom_data == {'enet_ros.dataset': 'noise'}
        for topic in ('/raw', '/png', '/jpeg'):
            messages = list(opened.images(topic))
            assert [m.stamp_ns for m in messages] == [bags.stamp(i) for i in range(5)]
            assert {m.header.frame_id for m in messages} == {'front'}
            for message, sample in zip(messages, samples):
                image, order = message.image()
                image = image[:, :, ::-1] if order == 'bgr' else image
                assert image.shape == sample.image.shape
                assert topic == '/jpeg' or np.array_equal(image, sample.image)
        for message, sample in zip(opened.images('/truth'), samples):
            assert np.array_equal(message.labels(classes), sample.label)
        assert not opened.damaged


def test_ros2_bag_reindex_finds_the_files(bag: Path) -> None:
    """rosbag2's reindexer takes files that are numbered, and no others."""
    assert re.fullmatch(r'(.*)_(\d+)\.(db3|mcap)', bags.storage_file(bag).name)
    assert bags.storage_file(bag).name in (bag / 'metadata.yaml').read_text()


def test_an_installed_rosbag2_py_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    """It would read past a wrong checksum without a word; so nobody asks it."""
    path = bags.write(tmp_path / 'b', bags.pictures(30), 'mcap')
    file = bags.storage_file(path)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    found = _labels(path)
    monkeypatch.setitem(sys.modules, 'rosbag2_py', None)
    without = _labels(path)
    monkeypatch.setitem(sys.modules, 'rosbag2_py', ModuleType('rosbag2_py'))    # any use of it raises
    with_ros = _labels(path)
    for other in (without, with_ros):
        assert other[0].keys() == found[0].keys() and other[1] == found[1]
    assert found[1]


def test_a_missing_zstandard_is_named(tmp_path: Path, monkeypatch) -> None:
    """Whoever cannot unpack a bag reads which package does."""
    for name in ('compression.zstd', 'backports.zstd'):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match='backports.zstd'):
        mcap_file.zstd_decompressor()


def test_a_file_or_its_metadata_open_the_bag_too(bag: Path) -> None:
    """The folder, its metadata.yaml and the storage file are the same bag."""
    for path in (bag, bag / 'metadata.yaml', bags.storage_file(bag)):
        found, problems = _labels(path)
        assert len(found) == 60 and not problems


@pytest.mark.parametrize('storage', ('mcap', 'sqlite3'))
def test_every_message_is_the_one_that_rosbags_gives(storage: str, tmp_path: Path) -> None:
    """Topics, counts, times and bytes, with and without metadata.yaml."""
    from rosbags.rosbag2 import Reader
    path = bags.write(tmp_path / 'drive', bags.pictures(60, (96, 128)), storage)
    with Reader(path) as reader:
        expected = [(c.topic, c.msgtype, at, bytes(data)) for c, at, data in reader.messages()]
        counts = {c.topic: c.msgcount for c in reader.connections}
    for place in (path, bags.storage_file(path)):
        with open_bag(place) as opened:
            assert {name: topic.count for name, topic in opened.topics.items()} == counts
            found = [tuple(message) for message in opened.messages([bags.IMAGE, bags.TRUTH, bags.LABELS])]
            assert sorted(found) == sorted(expected) and not opened.damaged


def test_missing_metadata_is_told_and_done_without(bag: Path) -> None:
    """A bag whose recorder was killed has no metadata.yaml, and still its frames."""
    (bag / 'metadata.yaml').unlink()
    found, problems = _labels(bag)
    assert len(found) == 60
    assert any('metadata.yaml' in problem for problem in problems)


@pytest.mark.parametrize('text', ('', '{', 'rosbag2_bagfile_information: 3', '!!python/object:os.system x',
                                  'rosbag2_bagfile_information: {relative_file_paths: [], version: 99}'))
def test_foreign_metadata_is_told_and_done_without(bag: Path, text: str) -> None:
    """Whatever metadata.yaml says, it executes nothing and costs no frame."""
    (bag / 'metadata.yaml').write_text(text)
    found, problems = _labels(bag)
    assert len(found) == 60 and problems


@pytest.mark.parametrize('share', (0.3, 0.9))
def test_truncated_file_is_read_as_far_as_it_goes(bag: Path, share: float) -> None:
    """The frames before the cut are there, unchanged; the cut is told."""
    file = bags.storage_file(bag)
    data = file.read_bytes()
    file.write_bytes(data[:int(len(data) * share)])
    found, problems = _labels(bag)
    assert 0.6 * share * 60 <= len(found) < 60
    assert problems
    _assert_genuine(found, bags.pictures(60, (96, 128)))


def test_corrupt_chunk_costs_its_own_frames_only(tmp_path: Path) -> None:
    """Our mcap chunks carry checksums: a flipped bit loses a chunk, not the bag, and no pixel lies."""
    samples = bags.pictures(60, (96, 128))
    bag = bags.write(tmp_path / 'drive', samples, 'mcap')
    file = bags.storage_file(bag)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    found, problems = _labels(bag)
    assert 30 <= len(found) < 60 and bags.stamp(0) in found and bags.stamp(59) in found
    assert any('chunk' in problem for problem in problems)
    _assert_genuine(found, samples)


@pytest.mark.parametrize('mode', ('MESSAGE', 'STORAGE', 'FILE'))
def test_zstd_bags_whole_and_corrupt(mode: str, tmp_path: Path) -> None:
    """Compressed bags are read; a corrupt part of one loses what it holds, never the process."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore
    samples = bags.pictures(40, (96, 128))
    plain = bags.write(tmp_path / 'plain', samples, 'mcap', labels=False)
    path = tmp_path / 'packed'
    writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    with writer, open_bag(plain) as source:
        store = get_typestore(Stores.ROS2_HUMBLE)
        connection = writer.add_connection(bags.TRUTH, 'sensor_msgs/msg/Image', typestore=store)
        for message in source.messages([bags.TRUTH]):
            writer.write(connection, message.log_ns, message.data)
    found, problems = _labels(path)
    assert len(found) == 40 and not problems
    file, = [p for p in path.iterdir() if p.name != 'metadata.yaml']
    data = bytearray(file.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 40):
        data[at] ^= 0x55
    file.write_bytes(bytes(data))
    if mode == 'FILE':      # one stream: nothing of it can be trusted
        with pytest.raises(InputError) as error:
            _labels(path)
        assert '\n' not in str(error.value)
        return
    found, problems = _labels(path)
    assert len(found) < 40 and problems
    _assert_genuine(found, samples)


def test_damaged_sqlite_pages(tmp_path: Path) -> None:
    """Rows behind a damaged page of a sqlite3 bag are found again."""
    samples = bags.pictures(60, (96, 128))
    bag = bags.write(tmp_path / 'drive', samples, 'sqlite3', labels=False)
    file = bags.storage_file(bag)
    connection = sqlite3.connect(str(file))
    pages = [row[0] for row in connection.execute(
        "SELECT pageno FROM dbstat WHERE name = 'messages' AND pagetype = 'leaf'")] \
        if _has_dbstat(connection) else []
    connection.close()
    data = bytearray(file.read_bytes())
    size = int.from_bytes(data[16:18], 'big')
    page = pages[len(pages) // 2] if pages else len(data) // size // 2
    data[(page - 1) * size:page * size] = b'\xff' * size
    file.write_bytes(bytes(data))
    found, problems = _labels(bag)
    assert len(found) >= 20
    if pages:
        assert problems and len(found) < 60 and bags.stamp(0) in found


def _has_dbstat(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute('SELECT 1 FROM dbstat LIMIT 1').fetchall()
    except sqlite3.OperationalError:
        return False
    return True


@pytest.mark.parametrize('content', (b'', b'\x89MCAP0\r\n', b'SQLite format 3\0' + bytes(99), b'no bag' * 9))
@pytest.mark.parametrize('suffix', ('.mcap', '.db3'))
def test_what_is_no_bag_is_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    """Files of nothing, of a head alone, of something else: one line that names them."""
    file = tmp_path / ('x' + suffix)
    file.write_bytes(content)
    for path in (file, tmp_path):
        with pytest.raises(InputError) as error:
            open_bag(path)
        assert '\n' not in str(error.value) and 'x' in str(error.value)


def test_missing_and_empty_folders_are_one_line(tmp_path: Path) -> None:
    """So are a path that is not there and a folder without a bag."""
    for path in (tmp_path / 'nowhere', tmp_path):
        with pytest.raises(InputError):
            open_bag(path)


def test_file_named_in_metadata_is_missing(bag: Path, tmp_path: Path) -> None:
    """A bag of two files of which one is gone gives the other's frames, and tells."""
    text = (bag / 'metadata.yaml').read_text()
    name = bags.storage_file(bag).name
    (bag / 'metadata.yaml').write_text(text.replace('- ' + name, f'- {name}\n  - '
                                                                 f'gone_1{Path(name).suffix}', 1))
    found, problems = _labels(bag)
    assert len(found) == 60 and any('gone_1' in problem for problem in problems)


def test_wrong_topic_and_type_are_one_line(tmp_path: Path) -> None:
    """No such topic, or one without images: the topics with images are listed."""
    with BagWriter(tmp_path / 'b') as writer:
        writer.label_info('/info', 1, 'camera', ClassTable.load('camvid'))
        writer.labels('/truth', 1, 'camera', np.zeros((2, 2), np.uint8))
    with open_bag(tmp_path / 'b') as opened:
        for topic in ('/info', '/nothing'):
            with pytest.raises(InputError, match='topics with images: /truth'):
                list(opened.images(topic))


def test_broken_messages_are_left_out(tmp_path: Path) -> None:
    """A message that is cut short is told and costs only itself."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore
    source = bags.write(tmp_path / 'source', bags.pictures(3), labels=False)
    writer = Writer(tmp_path / 'b', version=8, storage_plugin=StoragePlugin.MCAP)
    with open_bag(source) as opened, writer:
        connection = writer.add_connection(bags.TRUTH, 'sensor_msgs/msg/Image',
                                           typestore=get_typestore(Stores.ROS2_HUMBLE))
        for index, message in enumerate(opened.messages([bags.TRUTH])):
            writer.write(connection, message.log_ns, message.data[:10] if index == 1 else message.data)
    found, problems = _labels(tmp_path / 'b')
    assert set(found) == {bags.stamp(0), bags.stamp(2)}
    assert any('ends early' in problem for problem in problems)


def test_writer_removes_what_an_error_leaves(tmp_path: Path) -> None:
    """An error or Ctrl-C leaves no half bag; an existing folder is never touched."""
    with pytest.raises(KeyboardInterrupt):
        with BagWriter(tmp_path / 'b') as writer:
            writer.labels('/truth', 1, 'camera', np.zeros((2, 2), np.uint8))
            raise KeyboardInterrupt
    assert not (tmp_path / 'b').exists()
    (tmp_path / 'there').mkdir()
    with pytest.raises(InputError, match='exists already'):
        BagWriter(tmp_path / 'there')
    assert (tmp_path / 'there').is_dir()
    shutil.rmtree(str(tmp_path / 'there'))
