"""Predictions found by name, in either coding; submissions as the benchmark's server wants them."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.datasets.label_files import Predictions, submission
from enet_ros.errors import InputError

CAMVID, CITYSCAPES = ClassTable.load('camvid'), ClassTable.load('cityscapes')
LABELS = np.arange(6, dtype=np.uint8).reshape(2, 3)


def write(folder, *names, labels=LABELS):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), labels)


def test_files_are_found_by_frame_name(tmp_path):
    write(tmp_path, 'ulm/ulm_000001_000019_pred_labelIds.png', 'ulm/ulm_000001_000020.png', 'frame1.png',
          'frame10.png', 'frame2_L.png')
    found = Predictions(tmp_path, CAMVID)
    assert found.path('ulm_000001_000019').name == 'ulm_000001_000019_pred_labelIds.png'
    assert found.path('frame1').name == 'frame1.png'        # not frame10
    assert found.path('frame2').name == 'frame2_L.png'
    np.testing.assert_array_equal(found.read('frame1'), LABELS)
    with pytest.raises(InputError, match='no prediction for frame ulm_000001_00001$'):
        found.path('ulm_000001_00001')


def test_exact_name_wins_and_doubles_are_refused(tmp_path):
    write(tmp_path, 'a.png', 'a_colour.png', 'b_1.png', 'sub/b_2.png', 'c.png', 'sub/c.png')
    found = Predictions(tmp_path, CAMVID)
    assert found.path('a').name == 'a.png'
    for name in 'bc':
        with pytest.raises(InputError, match='several predictions .* for frame ' + name):
            found.path(name)


@pytest.mark.parametrize('coding, values, strange', [
    ('trainIds', [0, 18, 255], []), ('trainIds', [19, 254, 0], [19, 254]),
    ('labelIds', [0, 29, 33], []), ('labelIds', [34, 255, 7], [34])])
def test_values_of_another_coding_are_told(tmp_path, coding, values, strange):
    write(tmp_path, 'a.png', labels=np.array([values], np.uint8))
    found = Predictions(tmp_path, CITYSCAPES, coding)
    found.read('a')
    assert sorted(found.strange) == strange
    complaint = found.complaint()
    assert (complaint is None) if not strange else (str(strange[0]) in complaint and '--coding' in complaint)


def test_sixteen_bit_values_beyond_a_byte_are_void(tmp_path):
    write(tmp_path, 'a.png', labels=np.array([[3, 300]], np.uint16))
    assert Predictions(tmp_path, CAMVID).read('a').tolist() == [[3, 255]]


def test_bad_folders_and_files_are_refused(tmp_path):
    with pytest.raises(InputError, match='no such folder'):
        Predictions(tmp_path / 'none', CAMVID)
    with pytest.raises(InputError, match='no label images'):
        Predictions(tmp_path, CAMVID)
    (tmp_path / 'a.png').write_bytes(b'\x89PNG\r\n\x1a\nbroken')
    write(tmp_path, 'b.png', labels=np.zeros((2, 2, 3), np.uint8) + np.uint8([1, 2, 3]))
    with pytest.raises(InputError, match='coding'):
        Predictions(tmp_path, CAMVID, 'ids')
    for name, said in (('a', 'damaged'), ('b', 'single-channel')):
        with pytest.raises(InputError, match=said):
            Predictions(tmp_path, CAMVID).read(name)


def test_submission_has_the_servers_values_and_names(tmp_path):
    writer = submission(tmp_path / 'out', CITYSCAPES, CITYSCAPES)
    labels = np.array([[0, 13, 18, 255]], np.uint8)
    writer.write(SimpleNamespace(name='berlin_000000_000019'), labels)
    path = tmp_path / 'out' / 'berlin_000000_000019_pred_labelIds.png'
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).tolist() == [[7, 26, 33, 0]]
    assert writer.written == 1
    with pytest.raises(InputError, match="classes of 'cityscapes'"):
        submission(tmp_path, CAMVID, CITYSCAPES)
    with pytest.raises(InputError, match='File exists|Not a directory'):
        submission(path, CITYSCAPES, CITYSCAPES)
