"""The synthetic street: exact, repeatable, complete, and in motion."""

import pickle

import numpy as np
import pytest

from enet_ros.datasets.synthetic import RATE_HZ, SyntheticStreet
from enet_ros.errors import InputError


def _equal(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first[1:4], second[1:4]))


def test_sample_is_what_a_data_set_yields() -> None:
    """Shapes, types, names and stamps are as promised."""
    street = SyntheticStreet(size=(120, 160), seed=3, frames=7)
    assert len(street) == 7 and street.classes.name == 'camvid'
    sample = street[4]
    assert sample.image.shape == (120, 160, 3) and sample.image.dtype == np.uint8
    assert sample.label.shape == (120, 160) and sample.label.dtype == np.uint8
    assert sample.instances.shape == (120, 160) and sample.instances.dtype == np.int32
    assert sample.name == street.names()[4] == 'street3_000004' and sample.sequence == 'street3'
    assert sample.stamp == pytest.approx(4 / RATE_HZ)
    assert [s.name for s in street] == street.names()


def test_frames_do_not_depend_on_order_or_process() -> None:
    """A frame is the same asked for first, last, again, or by a worker that got the data set pickled."""
    street = SyntheticStreet(size=(90, 120), seed=1, frames=40)
    forward = [street[i] for i in (0, 13, 39)]
    again = SyntheticStreet(size=(90, 120), seed=1, frames=40)
    backward = [again[i] for i in (-1, 13, 0)][::-1]
    copied = pickle.loads(pickle.dumps(street))
    for first, second, index in zip(forward, backward, (0, 13, 39)):
        assert _equal(first, second) and _equal(first, copied[index])
    assert not _equal(street[0], SyntheticStreet(size=(90, 120), seed=2)[0])
    assert not _equal(street[0], street[1])


def test_start_shifts_time() -> None:
    """A street started later shows the same drive from there on."""
    late = SyntheticStreet(size=(60, 80), seed=5, frames=3, start=10.0)
    assert _equal(late[1], SyntheticStreet(size=(60, 80), seed=5, frames=400)[301])


@pytest.mark.parametrize('seed', (0, 11))
def test_all_classes_are_in_most_frames(seed: int) -> None:
    """Eleven classes, nothing else, and each of them in nine frames of ten."""
    street = SyntheticStreet(seed=seed, frames=1200)
    seen = np.array([np.bincount(street[i].label.ravel(), minlength=256) > 0 for i in range(0, 1200, 60)])
    assert not seen[:, 11:].any()
    assert (seen[:, :11].mean(0) >= 0.9).all(), dict(zip(street.classes.names, seen.mean(0)))


def test_instances_agree_with_labels() -> None:
    """Every car, pedestrian and cyclist pixel has a number of its class; nothing else has one."""
    street = SyntheticStreet(seed=4, frames=300)
    countable = [street.classes.index(name) for name in ('Car', 'Pedestrian', 'Bicyclist')]
    for index in (0, 150, 299):
        label, instances = street[index].label, street[index].instances
        counted = np.isin(label, countable)
        assert np.array_equal(instances > 0, counted)
        assert np.array_equal(instances[counted] // 1000, label[counted])
        assert len(np.unique(instances[counted])) > 5


def test_motion_is_consistent() -> None:
    """Neighbouring frames are alike but not equal, distant ones are not alike; objects keep their numbers."""
    street = SyntheticStreet(size=(180, 240), seed=9, frames=200)
    here, next_, far = (street[i] for i in (60, 61, 160))
    near_change = float((here.label != next_.label).mean())
    assert 0.0005 < near_change < 0.05 < float((here.label != far.label).mean())
    big = [i for i, n in zip(*np.unique(here.instances, return_counts=True)) if i and n > 60]
    kept = [i for i in big if (next_.instances == i).any()]
    assert len(kept) >= len(big) - 1
    for i in kept:
        rows, moved = np.nonzero(here.instances == i), np.nonzero(next_.instances == i)
        assert abs(rows[1].mean() - moved[1].mean()) < 30


@pytest.mark.parametrize('size', ((16, 16), (37, 211), (300, 40), (720, 1280)))
def test_any_size(size) -> None:
    """Any size of 16 pixels or more each way; the principal point is in the picture."""
    street = SyntheticStreet(size=size, frames=2)
    assert street[1].image.shape == size + (3,) and street[1].image.std() > 10
    matrix = street.camera_matrix
    assert 0 < matrix[0, 2] < size[1] and 0 < matrix[1, 2] < size[0] and matrix[0, 0] == matrix[1, 1] > 0


def test_bad_arguments() -> None:
    """What shows no street is refused in one line; an index out of range is Python's own error."""
    for arguments in ({'size': (8, 480)}, {'frames': 0}):
        with pytest.raises(InputError) as error:
            SyntheticStreet(**arguments)
        assert '\n' not in str(error.value)
    with pytest.raises(IndexError):
        SyntheticStreet(frames=3)[3]
