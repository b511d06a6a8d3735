"""Crops: image and label move together, every draw is the generator's, and each switch does its work."""

import numpy as np
import pytest

from enet_ros.training.augmentation import Frame, augment, rare_pixels
from enet_ros.training.recipe import Augmentation


def _frame(height: int = 48, width: int = 64) -> Frame:
    """Return a frame whose colour tells its label: the label is the red channel over 16."""
    label = np.add.outer(np.arange(height) // 16, np.arange(width) // 16).astype(np.uint8)
    image = np.stack([label * 16, 100 + 0 * label, 255 - label * 8], 2).astype(np.uint8)
    return Frame(image, label, rare_pixels(label, [0, 5]))


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_nothing_switched_on_changes_nothing() -> None:
    """A crop of the frame's own size is the frame."""
    frame = _frame()
    image, label, _ = augment(frame, (48, 64), Augmentation(), _rng())
    assert (image == frame.image).all() and (label == frame.label).all()


@pytest.mark.parametrize('seed', range(8))
def test_image_and_label_stay_together(seed: int) -> None:
    """Whatever the scale, place and flip: where the image is clear of edges, its colour fits its label."""
    options = Augmentation(scale=(0.5, 2.0), stretch=0.2, flip=0.5, rare=0.5)
    image, label, _ = augment(_frame(), (40, 48), options, _rng(seed))
    assert image.shape == (40, 48, 3) and label.shape == (40, 48)
    inside = label != 255
    difference = np.abs(image[..., 0].astype(int) - label.astype(int) * 16)[inside]
    assert inside.any() and np.median(difference) <= 1 and (difference > 1).mean() < 0.35


def test_a_flip_mirrors() -> None:
    """Flipped at full size, the frame is its own mirror image."""
    frame = _frame()
    image, label, _ = augment(frame, (48, 64), Augmentation(flip=1.0), _rng())
    assert (image == frame.image[:, ::-1]).all() and (label == frame.label[:, ::-1]).all()


def test_outside_the_frame_is_ignored() -> None:
    """A crop larger than the scaled frame holds all of it; the rest has no label."""
    frame = _frame()
    _, label, _ = augment(frame, (96, 128), Augmentation(), _rng())
    assert (label != 255).sum() == frame.label.size


def test_rare_crops_hold_a_rare_pixel() -> None:
    """Asked for always, every crop shows one of the rare classes; otherwise most do not."""
    label = np.zeros((96, 128), np.uint8)
    label[5:8, 120:124] = 9
    frame = Frame(np.zeros((96, 128, 3), np.uint8), label, rare_pixels(label, [9]))
    shown = [sum((augment(frame, (32, 32), Augmentation(rare=rare), _rng(seed))[1] == 9).any()
                 for seed in range(30)) for rare in (0.0, 1.0)]
    assert shown[1] == 30 and shown[0] < 15


def test_rare_pixels_follow_what_is_pasted() -> None:
    """A rare object that was pasted draws crops to itself; one that was covered no longer does."""
    road = np.zeros((96, 128), np.uint8)
    pole, sign, cover = road.copy(), road.copy(), road.copy()
    pole[5:8, 120:124], sign[80:90, 4:10], cover[0:20, 100:128] = 2, 3, 4
    frame, donor, covering = (Frame(np.zeros((96, 128, 3), np.uint8), label, rare_pixels(label, [2, 3]))
                              for label in (pole, sign, cover))
    options = Augmentation(rare=1.0)
    crops = [augment(frame, (32, 32), options, _rng(seed), donor, [2, 3]).label for seed in range(30)]
    assert 8 < sum((crop == 3).any() for crop in crops) < 22
    assert all((crop == 3).any() or (crop == 2).any() for crop in crops)
    crops = [augment(frame, (32, 32), options, _rng(seed), covering, [2, 3, 4]).label for seed in range(30)]
    assert all((crop == 4).any() for crop in crops)


def test_pasted_objects_move_along_the_ground() -> None:
    """Scaled about the horizon and shifted: the object keeps its colours, and its foot the ground."""
    label = np.zeros((100, 200), np.uint8)
    label[40:80, 95:105] = 9
    donor = Frame(np.where(label[..., None] == 9, np.uint8(200), np.uint8(0)) * np.ones(3, np.uint8), label,
                  rare_pixels(label, [9]))
    frame = Frame(np.full((100, 200, 3), 50, np.uint8), np.zeros_like(label), np.zeros((0, 2), np.int16))
    options = Augmentation(paste_scale=(0.5, 2.0), paste_shift=0.3)
    feet, places = [], []
    for seed in range(20):
        image, found, _ = augment(frame, (100, 200), options, _rng(seed), donor, [9])
        y, x = np.nonzero(found == 9)
        scale = (y.max() + 1 - y.min()) / 40.0
        feet.append(abs(min(y.max(), 98) - min(40 + 40 * scale, 98)) <= 2)
        places.append(x.mean())
        assert (image[..., 0][found == 9] > 150).mean() > 0.8 and (image[found == 0] == 50).mean() > 0.95
    assert all(feet) and max(places) - min(places) > 40


def test_a_teacher_s_answer_moves_with_its_frame() -> None:
    """Probabilities at half size follow the same scale, place, flip and paste as the label."""
    label = np.kron(np.arange(12).reshape(3, 4) % 3, np.ones((16, 16), int)).astype(np.uint8)
    soft = (255 * np.eye(3, dtype=np.uint8))[label[::2, ::2]]
    donor_label = np.full((48, 64), 1, np.uint8)
    donor_label[8:24, 16:40] = 2
    frame, donor = (Frame(np.zeros((48, 64, 3), np.uint8), truth, rare_pixels(truth, [2]),
                          (255 * np.eye(3, dtype=np.uint8))[truth[::2, ::2]])
                    for truth in (label, donor_label))
    assert (frame.soft == soft).all()
    options = Augmentation(scale=(0.6, 2.0), stretch=0.2, flip=0.5)
    for seed in range(10):
        crop = augment(frame, (40, 48), options, _rng(seed), donor if seed % 2 else None, [2])
        assert crop.soft.shape == (20, 24, 3)
        truth = crop.label[::2, ::2]
        inside = (truth != 255) & (crop.soft.sum(2) > 250)
        assert (crop.soft.argmax(2) == truth)[inside].mean() > 0.9 and inside.mean() > 0.2
    outside = augment(frame, (96, 128), Augmentation(), _rng())     # the frame is a quarter of it
    assert 0.2 < (outside.soft.sum(2) > 0).mean() < 0.3


def test_pasting_takes_image_and_label_of_the_named_classes() -> None:
    """Of the donor only the named class arrives, with its colours, at its place."""
    frame, donor = _frame(), _frame()
    donor.image[:] = 7
    image, label, _ = augment(frame, (48, 64), Augmentation(), _rng(), donor, [5])
    taken = donor.label == 5
    assert (image[taken] == 7).all() and (image[~taken] == frame.image[~taken]).all()
    assert (label == frame.label).all() and (frame.image != 7).any()


@pytest.mark.parametrize(
    'name', ['brightness', 'contrast', 'saturation', 'channels', 'gamma', 'noise', 'blur'])
def test_each_colour_switch_changes_the_image_and_not_the_label(name: str) -> None:
    """Colours change, within bytes; labels and shapes do not; the same seed gives the same crop."""
    frame = _frame()
    options = Augmentation(**{name: 5.0 if name == 'noise' else 1.0 if name == 'blur' else 0.4})
    first, second = augment(frame, (48, 64), options, _rng(1)), augment(frame, (48, 64), options, _rng(1))
    assert (first[0] == second[0]).all() and (first[1] == frame.label).all()
    assert (first[0] != frame.image).any() and first[0].dtype == np.uint8


def test_rare_pixels_are_even() -> None:
    """Each rare class is offered equally often, however many pixels it has; absent ones not at all."""
    label = np.zeros((20, 20), np.uint8)
    label[0, 0], label[5:15, 5:15] = 3, 4
    pixels = rare_pixels(label, [3, 4, 8], 10)
    found = label[pixels[:, 1], pixels[:, 0]]
    assert sorted(found.tolist()) == [3] * 10 + [4] * 10
