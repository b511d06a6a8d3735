"""Reliability and expected calibration error, against the definition pixel by pixel."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

from enet_ros.metrics.calibration import BINS, CalibrationCounts

PIXELS = st.integers(1, 40)


@given(st.data(), PIXELS)
def test_against_the_definition(data, count):
    """Guo et al., equations 2 to 5, one pixel after the other; parts merge to the whole."""
    confidence = data.draw(arrays.arrays(np.uint8, (1, count)))
    prediction, truth = (data.draw(arrays.arrays(np.uint8, (1, count), elements=st.sampled_from([0, 1, 255])))
                         for _ in range(2))
    whole, parts = CalibrationCounts(), CalibrationCounts()
    whole.update(confidence, prediction, truth)
    for part in (slice(0, count // 2), slice(count // 2, None)):
        one = CalibrationCounts()
        one.update(confidence[:, part], prediction[:, part], truth[:, part])
        parts.merge(one)
    assert whole.scores() == parts.scores()

    bins = {}
    for sure, said, true in zip(confidence[0].tolist(), prediction[0], truth[0]):
        if said != 255 and true != 255:
            place = max(-(-sure * BINS // 255) - 1, 0)
            bins.setdefault(place, []).append((sure / 255, said == true))
    total = sum(len(pixels) for pixels in bins.values())
    expected = sum(abs(sum(sure - right for sure, right in pixels)) for pixels in bins.values())
    found = whole.scores()
    if not total:
        assert found == {}
        return
    assert found['expected_calibration_error'] == pytest.approx(expected / total)
    assert [entry['share'] for entry in found['reliability']] == pytest.approx(
        [len(bins[place]) / total for place in sorted(bins)])


def test_a_network_that_is_always_right_and_sure_has_no_error():
    counts = CalibrationCounts()
    counts.update(np.full((3, 4), 255, np.uint8), np.ones((3, 4), np.uint8), np.ones((3, 4), np.uint8))
    assert counts.scores() == {'expected_calibration_error': 0.0, 'reliability': [
        {'confidence': 1.0, 'accuracy': 1.0, 'share': 1.0}]}
