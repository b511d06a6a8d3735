"""The library's face: labels at the image's own size, whatever the size, the order and the options."""

import cv2
import numpy as np
import pytest

from enet_ros.classes import IGNORE, ClassTable
from enet_ros.deploy.engine import Engine
from enet_ros.errors import InputError
from enet_ros.geometry import fit
from enet_ros.segmenter import Segmenter


class RedEngine(Engine):
    """Says class 1 where a pixel is more red than blue, else 0: its answer can be told by looking."""

    name, precision = 'red', 'exact'

    def __init__(self, size):
        self.input_size = size

    def labels(self, frame):
        self.check(frame)
        return (frame[..., 0] > frame[..., 2]).astype(np.uint8)

    def logits(self, frame):
        return np.stack([frame[..., 2], frame[..., 0]]).astype(np.float32)


def halves(height, width, swap=False):
    """Left half red, right half blue."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :width // 2, 2 if swap else 0] = 200
    image[:, width // 2:, 0 if swap else 2] = 200
    return image


@pytest.fixture
def segmenter(camvid_classes):
    return Segmenter(RedEngine((48, 64)), camvid_classes)


@pytest.mark.parametrize('size', [(48, 64), (96, 128), (33, 47), (720, 1280), (1, 2), (360, 640)])
@pytest.mark.parametrize('order', ['rgb', 'bgr'])
def test_labels_have_the_images_size_and_sides(segmenter, size, order):
    labels, times = segmenter.timed(halves(*size, swap=order == 'bgr'), order)
    assert labels.shape == size and labels.dtype == np.uint8
    assert (labels[:, 0] == 1).all() and (labels[:, -1] == 0).all()
    assert times.started <= times.preprocessed <= times.inferred <= times.postprocessed


def test_an_edge_stays_where_it_is(segmenter):
    for width in (128, 256, 100, 640):
        labels = segmenter(halves(96, width))
        edge = int(np.argmin(labels[50]))
        assert abs(edge - width // 2) <= width / 64 / 2 + 1


def test_size_changes_between_frames_and_results_are_independent(segmenter):
    first = segmenter(halves(96, 128))
    kept = first.copy()
    segmenter(halves(48, 64)[:, ::-1].copy())
    segmenter(halves(96, 128)[:, ::-1].copy())
    np.testing.assert_array_equal(first, kept)


def test_input_is_left_alone(segmenter):
    for size in ((48, 64), (96, 128)):
        for order in ('rgb', 'bgr'):
            image = halves(*size)
            segmenter.timed(image, order)
            np.testing.assert_array_equal(image, halves(*size))


def test_padded_and_read_only_views_are_taken_as_they_are(segmenter):
    wide = halves(96, 140)
    view = np.ndarray((96, 128, 3), np.uint8, buffer=wide.tobytes(), strides=wide.strides)
    assert segmenter(view).shape == (96, 128)


def test_crop_leaves_the_sides_unlabelled(camvid_classes):
    labels = Segmenter(RedEngine((48, 64)), camvid_classes, resize='crop')(halves(96, 256))
    assert (labels[:, :64] == IGNORE).all() and (labels[:, -64:] == IGNORE).all()
    assert (labels[:, 64:128] == 1).all() and (labels[:, 128:192] == 0).all()


def test_letterbox_shows_all_of_the_image(camvid_classes):
    labels = Segmenter(RedEngine((48, 64)), camvid_classes, resize='letterbox')(halves(96, 256))
    assert (labels[:, :126] == 1).all() and (labels[:, 130:] == 0).all()


def test_letterbox_bars_are_black_after_another_size(camvid_classes):
    seen = []

    class Spy(RedEngine):
        def labels(self, frame):
            seen.append(frame.copy())
            return super().labels(frame)
    segmenter = Segmenter(Spy((48, 64)), camvid_classes, resize='letterbox')
    segmenter(np.full((96, 128, 3), 200, np.uint8))
    segmenter(np.full((96, 256, 3), 200, np.uint8))
    assert (seen[1][:12] == 0).all() and (seen[1][12:36] == 200).all() and (seen[1][36:] == 0).all()


def test_logits_are_interpolated_before_the_argmax(camvid_classes):
    labels = Segmenter(RedEngine((48, 64)), camvid_classes, upsample='logits')(halves(480, 640))
    assert labels.shape == (480, 640)
    assert (labels[:, :319] == 1).all() and (labels[:, 321:] == 0).all()


def test_argmax_takes_the_first_of_equals():
    logits = np.zeros((3, 4, 4), np.float32)
    assert (fit((8, 8), (4, 4), 'stretch').argmax(logits) == 0).all()


def test_ego_mask_and_output_classes(camvid_classes, tmp_path):
    groups = ClassTable.from_dict({
        'name': 'groups',
        'classes': [{'name': 'up', 'colour': [1, 2, 3]}, {'name': 'down', 'colour': [4, 5, 6]}],
        'mappings': {'camvid': {'Sky': 'down', 'Building': 'up'}}})
    mask = np.zeros((96, 128), np.uint8)
    mask[80:] = 255
    cv2.imwrite(str(tmp_path / 'ego.png'), mask)
    from enet_ros.segmenter import read_mask
    for upsample in ('labels', 'logits'):
        segmenter = Segmenter(RedEngine((48, 64)), camvid_classes, output_classes=groups, upsample=upsample,
                              ego_mask=read_mask(tmp_path / 'ego.png'))
        assert segmenter.classes is groups
        for scale in (1, 2):
            labels = segmenter(halves(96 * scale, 128 * scale))
            assert (labels[80 * scale:] == IGNORE).all()
            assert (labels[:80 * scale, :60 * scale] == 0).all()
            assert (labels[:80 * scale, -60 * scale:] == 1).all()


@pytest.mark.parametrize('options, message', [
    ({'resize': 'zoom'}, "resize is 'zoom'"),
    ({'upsample': 'magic'}, "upsample is 'magic'"),
    ({'engine': 'abacus'}, "engine is 'abacus'"),
    ({'precision': 'int3'}, "precision is 'int3'"),
    ({'input_size': (361, 640)}, 'input size 361x640: height and width are multiples of 8'),
    ({'threads': 0}, 'threads is 0'),
    ({'ego_mask': 'nowhere.png'}, 'ego_mask nowhere.png'),
    ({'output_classes': 'cityscapes'}, "'cityscapes' maps no class of 'camvid'"),
    ({'engine': 'torch', 'precision': 'fp16'}, 'not fp16'),
])
def test_wrong_options_are_told_in_one_line(random_checkpoint, options, message):
    with pytest.raises(InputError, match=message) as told:
        Segmenter.open(random_checkpoint, **dict({'engine': 'torch'}, **options))
    assert '\n' not in str(told.value)


@pytest.mark.parametrize('image', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32),
                                   np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 4), np.uint8)])
def test_what_is_no_image(segmenter, image):
    with pytest.raises(ValueError, match='an image is'):
        segmenter(image)


def test_torch_engine_gives_the_published_networks_labels(exact_checkpoint):
    pytest.importorskip('torch')
    import exact_networks

    from enet_ros import networks
    image = exact_networks.frame('random')
    logits = exact_networks.truth(networks.from_checkpoint(exact_checkpoint),
                                  exact_networks.image('random', 96, 128))[0].numpy()
    with Segmenter.open(exact_checkpoint, engine='torch') as segmenter:
        assert segmenter.engine.reason.startswith('torch: asked for') and segmenter.engine.precision == 'fp32'
        np.testing.assert_array_equal(segmenter.engine.logits(image), logits)
        np.testing.assert_array_equal(segmenter(image), logits.argmax(0))
        # A camera twice as large gets each label four times.
        large = cv2.resize(image, (256, 192), interpolation=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(segmenter(large)[::2, ::2], segmenter(image))
