"""record_bag: what is in the folder is in the bag, with the times that its names tell."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from enet_ros.bags.reading import open_bag
from enet_ros.bags.salvage import topics as salvaged_topics
from enet_ros.classes import ClassTable
from enet_ros.datasets.sample import Sample
from enet_ros.datasets.synthetic import SyntheticStreet
from enet_ros.tools.record_bag import Stamper, main

pytest.importorskip('rosbags')


@pytest.mark.parametrize('storage, compression', (('mcap', 'none'), ('sqlite3', 'png'), ('mcap', 'jpeg')))
def test_synthetic_street_is_recorded_whole(storage: str, compression: str, tmp_path: Path) -> None:
    """Images, ground truth, camera_info and label_info of every frame; the summary says the same."""
    bag_path, summary = tmp_path / 'street', tmp_path / 's.json'
    arguments = ['synthetic', str(bag_path), '--frames', '4', '--size', '48x64', '--storage', storage,
                 '--compression', compression, '--json', str(summary)]
    assert main(arguments) == 0
    street = SyntheticStreet((48, 64), frames=4)
    topic = '/camera/image' + ('' if compression == 'none' else '/compressed')
    with open_bag(bag_path) as bag:
        assert {name: t.count for name, t in bag.topics.items()} == {
            topic: 4, '/camera/ground_truth': 4, '/camera/instances': 4, '/camera/camera_info': 4,
            '/camera/label_info': 1}
        assert bag.custom_data['enet_ros.dataset'] == 'synthetic'
        assert ClassTable.from_dict(json.loads(bag.custom_data['enet_ros.classes'])) == street.classes
        instances = bag.images('/camera/instances')
        for index, (image, truth) in enumerate(zip(bag.images(topic), bag.images('/camera/ground_truth'))):
            assert image.stamp_ns == truth.stamp_ns == 10**9 + round(index * 10**9 / 30)
            assert np.array_equal(truth.labels(street.classes), street[index].label)
            numbers = next(instances)
            assert numbers.stamp_ns == image.stamp_ns
            assert np.array_equal(numbers.instances(), street[index].instances)
            pixels, order = image.image()
            pixels = pixels[:, :, ::-1] if order == 'bgr' else pixels
            error = np.abs(pixels.astype(int) - street[index].image)
            assert error.mean() < 6 if compression == 'jpeg' else not error.any()
    told = json.loads(summary.read_text())
    assert told['frames'] == told['annotated'] == 4 and told['topics']['image'] == '/camera/image'


def test_camera_and_label_info_read_by_the_types_in_the_bag(tmp_path: Path) -> None:
    """A reader that knows nothing but the bag understands every message, vision_msgs among them."""
    from rosbags.highlevel import AnyReader
    assert main(['synthetic', str(tmp_path / 'b'), '--frames', '1', '--size', '48x64']) == 0
    with AnyReader([tmp_path / 'b']) as reader:
        read = {connection.topic: reader.deserialize(data, connection.msgtype)
                for connection, _, data in reader.messages()}
    street = SyntheticStreet((48, 64))
    info = read['/camera/camera_info']
    assert (info.height, info.width) == (48, 64)
    assert np.array_equal(info.k.reshape(3, 3), street.camera_matrix)
    assert np.array_equal(info.p.reshape(3, 4)[:, :3], street.camera_matrix)
    names = {entry.class_id: entry.class_name for entry in read['/camera/label_info'].class_map}
    assert names == dict(list(enumerate(street.classes.names)) + [(255, street.classes.ignore_name)])
    assert read['/camera/ground_truth'].encoding == 'mono8'
    assert 'version: 8' in (tmp_path / 'b' / 'metadata.yaml').read_text()


def test_cityscapes_snippets_have_sparse_truth(tmp_path: Path) -> None:
    """Thirty frames at 17 Hz, the twentieth annotated."""
    rng = np.random.RandomState(0)
    images = tmp_path / 'leftImg8bit_sequence' / 'val' / 'ulm'
    truth = tmp_path / 'gtFine' / 'val' / 'ulm'
    images.mkdir(parents=True)
    truth.mkdir(parents=True)
    for number in range(30):
        cv2.imwrite(str(images / f'ulm_000003_{number:06d}_leftImg8bit.png'),
                    rng.randint(0, 255, (16, 32, 3)).astype(np.uint8))
    labels = rng.choice(np.array(ClassTable.load('cityscapes').ids + (0,), np.uint8), (16, 32))
    cv2.imwrite(str(truth / 'ulm_000003_000019_gtFine_labelIds.png'), labels)
    assert main([str(tmp_path), str(tmp_path / 'b'), '--split', 'val']) == 0
    table = ClassTable.load('cityscapes')
    with open_bag(tmp_path / 'b') as bag:
        stamps = [message.stamp_ns for message in bag.images('/camera/image')]
        assert np.allclose(np.diff(stamps), 1e9 / 17, atol=1) and len(stamps) == 30
        message, = bag.images('/camera/ground_truth')
        assert message.stamp_ns == stamps[19]
        assert np.array_equal(message.labels(table), table.id_table()[labels])


def test_stamps_follow_frame_numbers_and_drives_follow_each_other() -> None:
    """A drive keeps its own times; the next begins later, even where its numbers are smaller."""
    def sample(sequence: str, stamp) -> Sample:
        return Sample('x', np.zeros((1, 1, 3), np.uint8), None, None, sequence, stamp)
    stamper = Stamper(2.0, 30.0)
    stamps = [stamper.stamp(sample(*frame)) for frame in (
        ('a', 100.0), ('a', 100.5), ('b', 1.0), ('b', 1.5), ('b', 0.25), ('c', None), ('c', None))]
    assert stamps[0] == 102 * 10**9 and stamps[1] - stamps[0] == 5 * 10**8
    assert stamps[3] - stamps[2] == 5 * 10**8
    assert all(later > earlier for earlier, later in zip(stamps, stamps[1:]))
    assert stamps[2] - stamps[1] == stamps[4] - stamps[3] == stamps[5] - stamps[4] == 10 * 10**9
    assert abs(stamps[6] - stamps[5] - 10**9 / 30) <= 1


def test_sidecar_names_every_frame(tmp_path: Path, camvid_root: Path) -> None:
    """frames.csv tells which frame each stamp is; stamps are frame number / 30 s, plus the start."""
    arguments = ['--split', 'val', '--frames', '3', '--start', '5']
    assert main([str(camvid_root), str(tmp_path / 'b')] + arguments) == 0
    rows = list(csv.DictReader((tmp_path / 'b' / 'frames.csv').open()))
    assert [row['filename'] for row in rows] == ['0016E5_07959', '0016E5_07961', '0016E5_07963']
    assert [round((float(row['stamp']) - 5) * 30, 5) for row in rows] == [7959, 7961, 7963]
    assert {row['sequence'] for row in rows} == {'0016E5'}


def test_checksums_are_in_the_chunks(tmp_path: Path) -> None:
    """The tolerant reader, which checks them, reads all; another mcap library does as well."""
    reader = pytest.importorskip('mcap.reader')
    assert main(['synthetic', str(tmp_path / 'b'), '--frames', '5', '--size', '240x320']) == 0
    file, = (tmp_path / 'b').glob('*.mcap')
    assert salvaged_topics(file)['/camera/image'].count == 5
    with file.open('rb') as opened:
        mcap = reader.make_reader(opened, validate_crcs=True)
        assert sum(1 for _ in mcap.iter_messages(topics=['/camera/image'])) == 5


@pytest.mark.parametrize('arguments', (
    ['/nowhere', 'b'], ['synthetic', 'b', '--rate', '0'], ['synthetic', 'b', '--frames', '0'],
    ['synthetic', '.']))
def test_bad_input_is_one_line_and_code_2(arguments, tmp_path: Path, capsys, monkeypatch) -> None:
    """A source that is not there, a rate and a number that are none, a bag that exists."""
    monkeypatch.chdir(tmp_path)
    for size in ('64', '4x4', 'x'):
        assert main(['synthetic', 'b', '--size', size]) == 2
        assert 'argument --size: ' in capsys.readouterr().err
    assert main(arguments) == 2
    assert capsys.readouterr().err.count('\n') == 1 and not (tmp_path / 'b').exists()


def test_a_video_is_recorded_at_its_own_rate(tmp_path: Path, capsys) -> None:
    """Every frame is in the bag; a file cut short never looks like a success, and no video is one line."""
    street = SyntheticStreet((48, 64), frames=40)
    video = cv2.VideoWriter(str(tmp_path / 'drive.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 20.0, (64, 48))
    for index in range(40):
        video.write(street[index].image[:, :, ::-1])
    video.release()
    assert main([str(tmp_path / 'drive.avi'), str(tmp_path / 'bag')]) == 0
    with open_bag(tmp_path / 'bag') as bag:
        messages = list(bag.images('/camera/image'))
        assert [each.stamp_ns for each in messages] == [10**9 + index * 5 * 10**7 for index in range(40)]
        assert '/camera/ground_truth' not in bag.topics
        pixels, order = messages[30].image()
        assert order == 'rgb' and np.abs(pixels.astype(int) - street[30].image).mean() < 12     # JPEG
    whole = (tmp_path / 'drive.avi').read_bytes()
    (tmp_path / 'cut.avi').write_bytes(whole[:len(whole) // 2])
    assert main([str(tmp_path / 'cut.avi'), str(tmp_path / 'half')]) == 1
    assert 'NOT all frames' in capsys.readouterr().out
    (tmp_path / 'notes.txt').write_text('no video')
    assert main([str(tmp_path / 'notes.txt'), str(tmp_path / 'none')]) == 2
    assert 'no video' in capsys.readouterr().err and not (tmp_path / 'none').exists()
