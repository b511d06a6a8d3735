"""Percentiles against hand-counted values and numpy's own inverse of the distribution."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.metrics.percentiles import QUANTILES, floor_of, jitter, nearest_rank, percentiles, rate


def test_floors() -> None:
    """The floors of the literature: 64 samples for p90, 662 for p99."""
    floors = [floor_of(QUANTILES[name]) for name in ('p50', 'p90', 'p95', 'p99', 'p99.9')]
    assert floors == [1, 64, 130, 662, 6643]


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=300), st.sampled_from(sorted(QUANTILES.values())))
def test_nearest_rank_is_numpys_inverted_cdf(values, quantile) -> None:
    """An independent implementation of the same definition agrees on every input."""
    pytest.importorskip('numpy', '1.22')
    assert nearest_rank(sorted(values), quantile) == np.quantile(values, quantile, method='inverted_cdf')


def test_below_the_floor_nothing_is_invented() -> None:
    """One sample short of the floor the percentile is absent and named."""
    short = percentiles(list(range(661)))
    assert short['p99'] is None and 'p99' in short['insufficient'] and short['p90'] == 594
    enough = percentiles(list(range(662)))
    assert enough['p99'] == 655 and enough['insufficient'] == ['p99.9'] and enough['max'] == 661


def test_nothing_measured() -> None:
    """No sample: counts of zero, no number, no exception."""
    empty = percentiles([])
    assert empty['count'] == 0 and empty['p50'] is None and empty['max'] is None


def test_jitter_and_rate() -> None:
    """Mean absolute difference of neighbours; intervals per time between first and last."""
    assert jitter([10.0, 14.0, 12.0]) == 3.0 and jitter([1.0]) is None
    assert rate([0, 10**8, 2 * 10**8]) == pytest.approx(10.0)
    assert rate([5]) is None and rate([5, 5]) is None
