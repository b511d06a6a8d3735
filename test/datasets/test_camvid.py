"""CamVid: four layouts, one meaning; and the real copy."""

from pathlib import Path

import numpy as np
import pytest
import trees

from enet_ros.datasets import open_dataset
from enet_ros.datasets.camvid import split_of
from enet_ros.errors import InputError

# The merging of 32 classes into eleven, as data-set papers print it.
MERGED = {
    'Animal': 9, 'Archway': 1, 'Bicyclist': 10, 'Bridge': 1, 'Building': 1, 'Car': 8, 'CartLuggagePram': 9,
    'Child': 9, 'Column_Pole': 2, 'Fence': 7, 'LaneMkgsDriv': 3, 'LaneMkgsNonDriv': 3, 'Misc_Text': 6,
    'MotorcycleScooter': 10, 'OtherMoving': 8, 'ParkingBlock': 4, 'Pedestrian': 9, 'Road': 3,
    'RoadShoulder': 4, 'Sidewalk': 4, 'SignSymbol': 6, 'Sky': 0, 'SUVPickupTruck': 8, 'TrafficCone': 2,
    'TrafficLight': 6, 'Train': 8, 'Tree': 5, 'Truck_Bus': 8, 'Tunnel': 1, 'VegetationMisc': 5, 'Void': 255,
    'Wall': 1}
EXPECTED = np.array([MERGED[name] for name, _ in trees.official_classes()], np.uint8)


@pytest.mark.parametrize('make, frames', [
    (trees.camvid_official, 3), (trees.camvid_kaggle, 1), (trees.camvid_fastai, 2)])
def test_the_32_classes_become_eleven_in_every_layout(make, frames: int, tmp_path: Path) -> None:
    """Colour-coded and numbered annotations of all 32 classes are merged as SegNet merged them."""
    dataset = open_dataset(make(tmp_path))
    assert dataset.name == 'camvid' and len(dataset) == frames
    for sample in dataset:
        assert (sample.label == EXPECTED).all() and sample.label.dtype == np.uint8
        assert tuple(sample.image[0, 0]) == (255, 0, 0)
        assert sample.name in dataset.names()


def test_segnet_lists_keep_their_order_and_lose_their_prefix(tmp_path: Path) -> None:
    """Only file names count; 11 is ignored; the list's order is the data set's."""
    dataset = open_dataset(trees.camvid_segnet(tmp_path), 'train')
    assert dataset.names() == ['0001TP_006720', '0001TP_006690']
    assert dataset[0].label[0].tolist() == list(range(11)) + [255]
    assert dataset[1].sequence == '0001TP' and dataset[1].stamp == 6690 / 30


def test_segnet_without_list_and_without_annotation(tmp_path: Path) -> None:
    """Without a list the frames come by name; a split without an annotation folder has no labels."""
    trees.camvid_segnet(tmp_path)
    (tmp_path / 'train.txt').unlink()
    trees.write(tmp_path / 'test' / 'Seq05VD_f00000.png', trees.photo())
    assert open_dataset(tmp_path, 'train').names() == ['0001TP_006690', '0001TP_006720']
    assert open_dataset(tmp_path, 'test')[0].label is None
    assert open_dataset(tmp_path, 'test')[0].sequence == 'Seq05VD'


def test_official_frames_are_split_by_name_or_by_a_list(tmp_path: Path) -> None:
    """The official folder has no lists: names say which split SegNet put a frame in."""
    trees.camvid_official(tmp_path)
    assert open_dataset(tmp_path, 'train').names() == ['0001TP_006690']
    assert open_dataset(tmp_path, 'val').names() == ['0016E5_07961']
    assert open_dataset(tmp_path, 'test').names() == ['Seq05VD_f00000']
    trees.text(tmp_path / 'test.txt', '/x/0016E5_07961.png /x/0016E5_07961_L.png\n')
    assert open_dataset(tmp_path, 'test').names() == ['0016E5_07961']


def test_fastai_split(tmp_path: Path) -> None:
    """valid.txt names the validation frames; the rest is for training."""
    trees.camvid_fastai(tmp_path)
    assert open_dataset(tmp_path, 'train').names() == ['0001TP_006690']
    assert open_dataset(tmp_path, 'val').names() == ['0016E5_07961']


def _missing_annotation(root: Path) -> str:
    trees.camvid_official(root)
    path = root / 'LabeledApproved_full' / '0016E5_07961_L.png'
    path.unlink()
    return str(path)


def _other_size(root: Path) -> str:
    trees.camvid_official(root)
    path = root / 'LabeledApproved_full' / '0001TP_006690_L.png'
    trees.write(path, trees.all_classes(9))
    return str(path)


def _odd_colour(root: Path) -> str:
    trees.camvid_official(root)
    path = root / 'LabeledApproved_full' / '0001TP_006690_L.png'
    pixels = trees.all_classes()
    pixels[3, 3] = (1, 2, 3)
    trees.write(path, pixels)
    return f'{path}: colour 1,2,3'


def _odd_number(root: Path) -> str:
    trees.camvid_segnet(root)
    path = root / 'trainannot' / '0001TP_006690.png'
    trees.write(path, np.full((4, 12), 12, np.uint8))
    return f'{path}: value 12'


def _damaged(root: Path) -> str:
    trees.camvid_segnet(root)
    path = root / 'train' / '0001TP_006690.png'
    path.write_bytes(path.read_bytes()[:40])
    return str(path)


def _listed_but_gone(root: Path) -> str:
    trees.camvid_segnet(root)
    path = root / 'train' / '0001TP_006690.png'
    path.unlink()
    return str(path)


@pytest.mark.parametrize('spoil', [
    _missing_annotation, _other_size, _odd_colour, _odd_number, _damaged, _listed_but_gone])
def test_what_is_wrong_is_told_in_one_line_that_names_the_file(spoil, tmp_path: Path) -> None:
    """Opening or reading stops at the first wrong file and names it."""
    named = spoil(tmp_path)
    with pytest.raises(InputError) as caught:
        for sample in open_dataset(tmp_path):
            assert sample.label is not None
    assert named in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('arguments, told', [
    (('nowhere',), 'no such folder'), (('empty',), 'no data set recognised'),
    (('camvid', 'exam'), "split 'exam' does not exist"), (('camvid', None, 'tar'), "no layout 'tar'")])
def test_wrong_folder_split_and_layout(arguments, told: str, tmp_path: Path) -> None:
    """One line says what there is instead."""
    (tmp_path / 'empty').mkdir()
    trees.camvid_segnet(tmp_path / 'camvid')
    with pytest.raises(InputError, match=told):
        open_dataset(tmp_path / arguments[0], *arguments[1:])


def test_the_real_copy(camvid_root: Path) -> None:
    """Frames, sequences, stamps and pixel counts are those that are known of SegNet's copy."""
    train, val = open_dataset(camvid_root, 'train'), open_dataset(camvid_root, 'val')
    assert (len(train), len(val)) == (367, 101)
    assert {split_of(name) for name in train.names()} == {'train'}
    assert {split_of(name) for name in val.names()} == {'val'}
    sequences = [split_name.split('_')[0] for split_name in train.names()]
    assert {name: sequences.count(name) for name in set(sequences)} == {
        '0001TP': 62, '0006R0': 101, '0016E5': 204}
    stamps = [val[place].stamp for place in (0, 1, 2)]
    assert np.allclose(np.diff(stamps), 2 / 30)


def test_the_real_pixels(camvid_root: Path) -> None:
    """Every label of the training set, counted: the numbers that its class weights come from."""
    train = open_dataset(camvid_root, 'train')
    assert train[0].image.shape == (360, 480, 3)
    counts = sum(np.bincount(train._read(pair.label).ravel(), minlength=256) for pair in train._frames)
    assert counts[:11].tolist() == [10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859, 714595,
                                    3719877, 405385, 184967]
    assert counts[255] == 2503995 and counts.sum() == 367 * 360 * 480
