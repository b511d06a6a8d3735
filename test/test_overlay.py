"""Overlays: the right colour at the right share, in either order of channels."""

import numpy as np
import pytest

from enet_ros.errors import InputError
from enet_ros.overlay import Overlay, colourise

LABELS = np.array([[0, 8], [255, 3]], np.uint8)


def test_colours_are_the_palettes(camvid_classes):
    colours = colourise(LABELS, camvid_classes.palette())
    np.testing.assert_array_equal(colours[0, 1], camvid_classes.colours[8])
    np.testing.assert_array_equal(colours[1, 0], [0, 0, 0])


@pytest.mark.parametrize('alpha', [0.0, 0.3, 1.0])
def test_blend(camvid_classes, alpha):
    image = np.random.RandomState(0).randint(0, 256, (2, 2, 3)).astype(np.uint8)
    overlay = Overlay(camvid_classes.palette(), alpha)
    wanted = (1 - alpha) * image + alpha * colourise(LABELS, camvid_classes.palette())
    blended = overlay(image, LABELS).copy()
    assert np.abs(blended - wanted).max() <= 0.5 + 1e-6
    np.testing.assert_array_equal(overlay(image[..., ::-1], LABELS, 'bgr')[..., ::-1], blended)


def test_size_may_change_and_must_match(camvid_classes):
    overlay = Overlay(camvid_classes.palette())
    for size in ((2, 2), (4, 6), (2, 2)):
        assert overlay(np.zeros(size + (3,), np.uint8), np.zeros(size, np.uint8)).shape == size + (3,)
    with pytest.raises(ValueError, match='do not match'):
        overlay(np.zeros((2, 3, 3), np.uint8), LABELS)


def test_alpha_out_of_range(camvid_classes):
    overlay = Overlay(camvid_classes.palette())
    for alpha in (-0.1, 1.1, float('nan')):
        with pytest.raises(InputError, match='between 0 and 1'):
            overlay.alpha = alpha
    assert overlay.alpha == 0.5
