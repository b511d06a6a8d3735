"""Every engine's second head: the labels it always gives, and their probability by the calibrated softmax."""

from functools import lru_cache

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

torch = pytest.importorskip('torch')

import exact_networks  # noqa: E402

from enet_ros import weights  # noqa: E402
from enet_ros.classes import IGNORE, ClassTable  # noqa: E402
from enet_ros.deploy.confidence import Calibration, labels_and_confidence  # noqa: E402
from enet_ros.deploy.factory import open_engine  # noqa: E402
from enet_ros.deploy.torch_layers import best_and_probability  # noqa: E402
from enet_ros.segmenter import Segmenter  # noqa: E402

GROUPS = (0, 0, 255, 1, 1, 1, 255, 0, 1, 0, 2)
SIZES = {'enet': (48, 80), 'segnet': (40, 72)}


def truth(logits, calibration):
    """Labels and their (H, W) probabilities times 255, not rounded, in float64."""
    shares = torch.from_numpy(np.asarray(logits, np.float64) / calibration.temperature).softmax(0).numpy()
    labels = np.asarray(logits).argmax(0)
    groups = np.array(calibration.groups or range(len(logits)))
    return labels, 255 * (shares * (groups[:, None, None] == groups[labels])).sum(0)


def agrees(found, expected):
    labels, confidence = found
    assert labels.dtype == confidence.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected[0])
    assert np.abs(confidence - expected[1]).max() < 0.501      # a byte is rounded to the nearest


@given(arrays.arrays(np.float32, (11, 2, 3), elements=st.floats(-1e4, 1e4, width=32)),
       st.floats(0.1, 10), st.sampled_from([None, GROUPS]))
def test_softmax_of_anything(logits, temperature, groups):
    calibration = Calibration(temperature, groups)
    expected = truth(logits, Calibration(float(np.float32(temperature)), groups))
    agrees(labels_and_confidence(logits, calibration), expected)
    agrees(best_and_probability(torch.from_numpy(logits)[None], calibration), expected)


@lru_cache(maxsize=1)
def exact(name):
    """Return a network whose arithmetic is exact, and frames with its logits."""
    network, size = exact_networks.build(name), SIZES[name]
    return network, [(exact_networks.frame(kind, *size),
                      exact_networks.truth(network, exact_networks.image(kind, *size))[0].numpy())
                     for kind in exact_networks.IMAGES[:2]]


@pytest.mark.parametrize('engine, name', [('openvino', 'enet'), ('torch', 'enet'), ('opencv', 'enet'),
                                          ('openvino', 'segnet')])
@pytest.mark.parametrize('groups', [None, GROUPS])
def test_engines(engine, name, groups, camvid_classes):
    """On networks whose arithmetic is exact, so that no rounding decides a label."""
    if engine == 'openvino':
        pytest.importorskip('openvino')
    network, answers = exact(name)
    checkpoint = exact_networks.checkpoint(network, camvid_classes, name, 'authors', SIZES[name])
    calibration = Calibration(8.0, groups)
    with open_engine(checkpoint, engine, threads=1, calibration=calibration) as opened:
        for frame, logits in answers:
            labels, confidence = (x.copy() for x in opened.labels_and_confidence(frame))
            agrees((labels, confidence), truth(logits, calibration))
            assert len(np.unique(confidence)) > 1 or np.ptp(frame) == 0
            np.testing.assert_array_equal(opened.labels(frame), labels)


def test_strips_and_the_cache_give_the_same(random_checkpoint, tmp_path, monkeypatch):
    """The network's rest in strips, as of large images; a model kept for other groups is not taken."""
    pytest.importorskip('openvino')
    from enet_ros.deploy import openvino_network
    monkeypatch.setattr(openvino_network, '_CACHED_BYTES', 0)
    size = (128, 96)
    frame = np.random.RandomState(0).randint(0, 256, size + (3,), dtype=np.uint8)
    for calibration in (Calibration(2.0), Calibration(2.0), Calibration(0.5, GROUPS)):
        with open_engine(random_checkpoint, 'openvino', input_size=size, cache=tmp_path,
                         calibration=calibration) as engine:
            labels, confidence = engine.labels_and_confidence(frame)
            expected_labels, expected = truth(engine.logits(frame), calibration)
            assert (labels == expected_labels).mean() > 0.9999
            assert np.abs(confidence - expected)[labels == expected_labels].max() < 0.51
    assert len(list(tmp_path.glob('*.plan'))) == 4     # labels, logits, and two forms of confidence


def test_an_engine_that_was_not_asked_says_so(random_checkpoint):
    with open_engine(random_checkpoint, 'torch', threads=1) as engine:
        with pytest.raises(ValueError, match='not opened for confidence'):
            engine.labels_and_confidence(np.zeros((96, 128, 3), np.uint8))


@pytest.mark.parametrize('upsample', ['labels', 'logits'])
@pytest.mark.parametrize('resize', ['stretch', 'crop', 'letterbox'])
def test_the_segmenter_brings_both_to_the_images_size(upsample, resize, random_checkpoint):
    checkpoint = weights.Checkpoint(random_checkpoint.arrays,
                                    dict(random_checkpoint.metadata, temperature=0.1))
    image = np.random.RandomState(0).randint(0, 256, (150, 300, 3), dtype=np.uint8)
    mask = np.zeros((150, 300), np.uint8)
    mask[140:] = 1
    with Segmenter.open(checkpoint, engine='torch', threads=1, resize=resize, upsample=upsample,
                        ego_mask=mask, confidence=True) as segmenter:
        assert segmenter.engine.calibration == Calibration(0.1)
        labels, confidence, _ = segmenter.confidence(image)
        np.testing.assert_array_equal(labels, segmenter(image))
    unknown = labels == IGNORE
    assert unknown[140:].all() and unknown[:140].any() == (resize == 'crop')
    assert (confidence[unknown] == 0).all() and (confidence[~unknown] >= 255 // 11).all()
    assert confidence.shape == image.shape[:2] and len(np.unique(confidence)) > 20


def test_groups_are_those_of_the_labels_given(random_checkpoint, camvid_classes):
    groups = ClassTable.from_dict({
        'name': 'costmap', 'classes': [{'name': 'all', 'colour': [1, 2, 3]}],
        'mappings': {'camvid': dict.fromkeys(camvid_classes.names, 'all')}})
    with Segmenter.open(random_checkpoint, engine='torch', threads=1, output_classes=groups,
                        confidence=True) as segmenter:
        labels, confidence, _ = segmenter.confidence(np.zeros((96, 128, 3), np.uint8))
    assert (labels == 0).all() and (confidence == 255).all()
