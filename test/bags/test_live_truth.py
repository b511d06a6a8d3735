"""Annotations of a folder for frames that arrive one by one."""

import cv2
import numpy as np
import pytest

from enet_ros.bags.live_truth import LiveFolderTruth
from enet_ros.datasets import open_dataset
from enet_ros.errors import InputError

NAMES = [f'0016E5_{number:05d}' for number in (30, 60, 90)]     # 1, 2 and 3 s of the drive


@pytest.fixture
def folder(tmp_path):
    """Return a small CamVid in SegNet's layout; frame i's labels are all i."""
    for kind in ('val', 'valannot'):
        (tmp_path / kind).mkdir()
    for index, name in enumerate(NAMES):
        cv2.imwrite(str(tmp_path / 'val' / (name + '.png')), np.zeros((8, 10, 3), np.uint8))
        cv2.imwrite(str(tmp_path / 'valannot' / (name + '.png')), np.full((8, 10), index, np.uint8))
    (tmp_path / 'val.txt').write_text(''.join(
        f'/SegNet/CamVid/val/{name}.png /SegNet/CamVid/valannot/{name}.png\n' for name in NAMES))
    return tmp_path


def value(labels):
    return None if labels is None else int(labels[0, 0])


def test_nearest_stamp_within_half_a_period(folder):
    truth = LiveFolderTruth(open_dataset(folder, 'val'), offset_s=100.0)
    assert value(truth.find(101 * 10**9)) == 0
    assert truth.find(102 * 10**9 - 20 * 10**6) is None         # 20 ms away
    assert value(truth.find(102 * 10**9 + 10 * 10**6)) == 1
    assert truth.residual_ms_max == pytest.approx(10)
    assert truth.find(10**9) is None and truth.find(10**18) is None


def test_each_annotation_is_given_once_until_forgotten(folder):
    truth = LiveFolderTruth(open_dataset(folder, 'val'))
    assert value(truth.find(10**9)) == 0
    assert truth.find(10**9) is None and truth.find(10**9 + 1) is None
    truth.forget()
    assert value(truth.find(10**9)) == 0
    assert len(truth) == 3


def test_frame_names_win_over_stamps(folder):
    truth = LiveFolderTruth(open_dataset(folder, 'val'))
    assert value(truth.find(10**9, f'val/{NAMES[2]}.png')) == 2


def test_sidecar_wins_over_all(folder):
    (folder / 'frames.csv').write_text(
        f'filename,stamp,sequence\n{NAMES[1]}.png,55.000000001,drive\n')
    truth = LiveFolderTruth(open_dataset(folder, 'val'), folder / 'frames.csv')
    assert value(truth.find(55 * 10**9 + 1)) == 1
    assert truth.find(10**9, NAMES[0]) is None      # the sidecar does not know it


def test_damaged_annotations_are_told(folder):
    (folder / 'valannot' / (NAMES[0] + '.png')).write_bytes(b'nothing')
    truth = LiveFolderTruth(open_dataset(folder, 'val'))
    with pytest.raises(InputError, match=NAMES[0]):
        truth.find(10**9)
    assert value(truth.find(2 * 10**9)) == 1


def test_names_without_time_need_a_sidecar(tmp_path):
    for kind in ('images', 'masks'):
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / 'street.png'), np.zeros((8, 8), np.uint8))
    from enet_ros.classes import ClassTable
    dataset = open_dataset(tmp_path, classes=ClassTable.load('camvid'))
    with pytest.raises(InputError, match='sidecar'):
        LiveFolderTruth(dataset)
