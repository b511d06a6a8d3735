"""What can be opened, without ROS: every kind of source, its rate, truth and stamps."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import write_bag

from enet_ros.bags.messages import ImageMessage
from enet_ros.bags.writing import BagWriter
from enet_ros.classes import ClassTable
from enet_ros.datasets import SyntheticStreet, open_dataset
from enet_ros.errors import InputError
from enet_ros.sources import is_compressed, open_source


@pytest.fixture
def street() -> SyntheticStreet:
    return SyntheticStreet((48, 64), frames=20)


def test_the_synthetic_street_never_ends_and_repeats_itself(street: SyntheticStreet) -> None:
    source = open_source('synthetic', size=(48, 64))
    assert (source.count, source.rate) == (None, 30.0)
    for _ in range(2):
        frames = source.frames()
        first, second = next(frames), next(frames)
        np.testing.assert_array_equal(first.image, street[0].image)
        np.testing.assert_array_equal(second.truth, street[1].label)
        assert second.stamp_ns - first.stamp_ns == pytest.approx(1e9 / 30, abs=1)
        np.testing.assert_array_equal(first.matrix, street.camera_matrix)


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('late_truth', [0, 2])
def test_a_bag_gives_its_messages_and_their_truth(
        tmp_path: Path, street: SyntheticStreet, compressed: bool, late_truth: int) -> None:
    source = open_source(str(write_bag(tmp_path / 'bag', street, compressed, late_truth)))
    assert (source.count, source.rate) == (20, pytest.approx(10.0))
    frames = list(source.frames())
    assert [frame.stamp_ns for frame in frames] == [5 * 10 ** 9 + index * 10 ** 8 for index in range(20)]
    for index, frame in enumerate(frames):
        type_, data = frame.serialized
        assert is_compressed(type_) == compressed and frame.frame_id == 'front' and frame.info
        image, order = ImageMessage('', type_, 0, data).image()
        if not compressed:
            np.testing.assert_array_equal(image, street[index].image)
        recorded = index + late_truth < 20
        assert (frame.truth is not None) == (index % 3 == 0 and recorded)
        if frame.truth is not None:
            np.testing.assert_array_equal(frame.truth, street[index].label)


def test_a_topic_can_be_named_and_a_wrong_one_is_told(tmp_path: Path, street: SyntheticStreet) -> None:
    path = str(write_bag(tmp_path / 'bag', street, False))
    named = open_source(path, image_topic='/front/image', truth_topic='/front/ground_truth')
    assert next(named.frames()).truth is not None
    with pytest.raises(InputError, match='/rear/image'):
        open_source(path, image_topic='/rear/image')
    with pytest.raises(InputError, match='/rear/truth'):
        open_source(path, truth_topic='/rear/truth')


def test_a_bag_is_not_guessed_at(tmp_path: Path, street: SyntheticStreet) -> None:
    """Of two cameras one must be named; annotations that nothing explains are not played as CamVid."""
    with BagWriter(tmp_path / 'two') as writer:
        for camera in ('/front', '/rear'):
            writer.image(camera + '/image', 1, 'camera', street[0].image)
    with pytest.raises(InputError, match='/front/image, /rear/image'):
        open_source(str(tmp_path / 'two'))
    assert next(open_source(str(tmp_path / 'two'), image_topic='/rear/image').frames()).truth is None
    with BagWriter(tmp_path / 'untold') as writer:
        writer.image('/front/image', 1, 'camera', street[0].image)
        writer.labels('/front/ground_truth', 1, 'camera', street[0].label)
    with pytest.raises(InputError, match='truth_classes'):
        open_source(str(tmp_path / 'untold'))
    named = open_source(str(tmp_path / 'untold'), truth_classes='cityscapes')
    assert named.classes == ClassTable.load('cityscapes')
    np.testing.assert_array_equal(next(named.frames()).truth, street[0].label)


def test_a_video_file(tmp_path: Path, street: SyntheticStreet) -> None:
    path = tmp_path / 'drive.avi'
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25.0, (64, 48))
    if not video.isOpened():
        pytest.skip('this OpenCV writes no video')
    for index in range(5):
        video.write(street[index].image[:, :, ::-1])
    video.release()
    source = open_source(str(path))
    assert source.rate == pytest.approx(25.0)
    frames = list(source.frames())
    assert [frame.stamp_ns - frames[0].stamp_ns for frame in frames] == [
        pytest.approx(index * 4e7, abs=2) for index in range(5)]
    assert frames[0].order == 'bgr' and frames[0].truth is None
    difference = cv2.absdiff(frames[3].image[:, :, ::-1].copy(), street[3].image)
    assert difference.mean() < 12      # JPEG


def test_camvid_with_its_annotations(camvid_root: Path) -> None:
    source = open_source(str(camvid_root), 'val')
    assert (source.name, source.count) == ('camvid', 101)
    sample = open_dataset(camvid_root, 'val')[0]
    frame = next(source.frames())
    np.testing.assert_array_equal(frame.image, sample.image)
    np.testing.assert_array_equal(frame.truth, sample.label)
    assert len(ClassTable.load('camvid')) == 11


@pytest.mark.parametrize('kind', ['missing', 'empty folder', 'text file', 'broken bag', 'truncated video'])
def test_what_is_no_source_is_told_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / 'source'
    if kind == 'empty folder':
        path.mkdir()
    elif kind == 'text file':
        path.write_text('not a video')
    elif kind == 'broken bag':
        path = tmp_path / 'source.mcap'
        path.write_bytes(b'\x89MCAP0\r\n' + b'garbage' * 10)
    elif kind == 'truncated video':
        path.write_bytes(b'RIFF\x00\x00\x00\x00AVI LIST')
    with pytest.raises(InputError) as raised:
        open_source(str(path))
    assert 'source' in str(raised.value) and '\n' not in str(raised.value)


def test_a_folder_with_nothing_to_segment_is_told(tmp_path: Path) -> None:
    (tmp_path / 'notes.txt').write_text('nothing here')
    with pytest.raises(InputError, match='neither images .* nor a bag nor a data set in this folder'):
        open_source(str(tmp_path))
