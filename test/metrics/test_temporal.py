"""Temporal consistency: flips counted against truth and against flow."""

import cv2
import numpy as np
import pytest

from enet_ros.errors import InputError
from enet_ros.metrics.temporal import TemporalConsistency, carry


def textured(height=120, width=160):
    noise = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4)).astype(np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def rgb(grey):
    return np.repeat(grey[..., None], 3, 2)


def test_only_flips_without_a_change_in_truth_count():
    truth = np.array([[0, 0, 1, 255]], np.uint8), np.array([[0, 0, 0, 255]], np.uint8)
    prediction = np.array([[0, 2, 1, 0]], np.uint8), np.array([[0, 0, 0, 2]], np.uint8)
    consistency = TemporalConsistency(3)
    assert consistency.update(prediction[0], truth[0]) is None
    # Column 0 stays, 1 flips, 2 changes with the truth, 3 is void.
    assert consistency.update(prediction[1], truth[1]) == 0.5
    assert consistency.scores() == {'truth': {'flip_rate': 0.5, 'pixels': 2, 'pairs': 1}}


def test_a_gap_compares_nothing():
    consistency = TemporalConsistency(3)
    labels = np.zeros((4, 4), np.uint8)
    consistency.update(labels, labels)
    consistency.reset()
    assert consistency.update(labels + 1, labels) is None
    assert consistency.scores() == {}


def test_labels_are_carried_with_the_image():
    image = textured()
    labels = np.zeros(image.shape, np.uint8)
    labels[30:80, 40:100] = 1
    carried, trusted = carry(labels, image, np.roll(image, 5, 1))
    expected = np.roll(labels, 5, 1)
    assert trusted.mean() > 0.8
    assert (carried != expected)[trusted].mean() < 0.01
    assert (labels != expected)[trusted].mean() > 0.02     # without the flow it would look like flicker


def test_motion_is_no_flicker_but_flicker_is():
    image = textured()
    labels = np.zeros(image.shape, np.uint8)
    labels[30:80, 40:100] = 1
    moving, flickering = TemporalConsistency(2), TemporalConsistency(2)
    for step in range(4):
        moved = rgb(np.roll(image, 3 * step, 1))
        moving.update(np.roll(labels, 3 * step, 1), image=moved)
        flickering.update(np.roll(labels if step % 2 else 1 - labels, 3 * step, 1), image=moved)
    assert moving.scores()['flow']['flip_rate'] < 0.02
    assert flickering.scores()['flow']['flip_rate'] > 0.95
    assert moving.scores()['flow']['pairs'] == 3


def test_truth_is_preferred_and_flow_fills_in():
    image, labels = rgb(textured()), np.zeros((120, 160), np.uint8)
    consistency = TemporalConsistency(2)
    for truth in (labels, labels, None, labels):
        consistency.update(labels, truth, image)
    scores = consistency.scores()
    assert (scores['truth']['pairs'], scores['flow']['pairs']) == (1, 2)


@pytest.mark.parametrize('shape', [(1, 1), (15, 40), (16, 16), (17, 300)])
def test_small_images_do_not_break_the_flow(shape):
    consistency = TemporalConsistency(2)
    for value in range(2):
        consistency.update(np.zeros(shape, np.uint8), image=np.full(shape + (3,), value * 90, np.uint8))
    assert consistency.scores()['flow']['flip_rate'] in (0, pytest.approx(np.nan, nan_ok=True))


def test_merge_and_sizes():
    first, second = TemporalConsistency(2), TemporalConsistency(2)
    zeros = np.zeros((2, 2), np.uint8)
    for consistency in (first, second):
        consistency.update(zeros, zeros)
        consistency.update(zeros + 1, zeros)
    assert first.merge(second).scores()['truth'] == {'flip_rate': 1, 'pixels': 8, 'pairs': 2}
    with pytest.raises(InputError, match='same size'):
        first.update(zeros, zeros[:1])
    # Another camera size cannot follow: it starts anew.
    assert first.update(np.zeros((3, 3), np.uint8), np.zeros((3, 3), np.uint8)) is None
