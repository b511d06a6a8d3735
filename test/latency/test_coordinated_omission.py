"""Missing frames are found on the camera's schedule and wait for the next label."""

import random

from hdrh.histogram import HdrHistogram
import pytest

from enet_ros.latency.coordinated_omission import Answer, corrected_delays, estimate_period, find_missing

MS = 10**6


def _camera(period: float, count: int, loss: float, wobble: float, seed: int) -> 'tuple':
    """Return (stamps that arrived, how many did not)."""
    chance = random.Random(seed)
    stamps = [int(10**18 + (index + chance.uniform(-wobble, wobble)) * period)
              for index in range(count) if index in (0, count - 1) or chance.random() >= loss]
    return stamps, count - len(stamps)


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('loss', [0.0, 0.1, 0.5, 0.85])
@pytest.mark.parametrize('wobble', [0.0, 0.05])
def test_random_loss_is_counted_exactly(seed: int, loss: float, wobble: float) -> None:
    """Whatever share is lost, the period is found in the rest and every missing frame is counted."""
    stamps, lost = _camera(33.366e6, 800, loss, wobble, seed)
    period = estimate_period(stamps)
    assert period == pytest.approx(33.366e6, rel=2e-3)
    assert len(find_missing(stamps, period, 10**10).missing) == lost


def test_late_stamps_are_no_loss() -> None:
    """A camera that stamps one frame in ten late by up to two thirds of a period loses nothing."""
    chance = random.Random(4)
    stamps = [int((index + (chance.uniform(0, 0.66) if chance.random() < 0.1 else 0)) * 33.3e6)
              for index in range(2000)]
    assert len(find_missing(stamps, 33.3e6, 10**10).missing) == 0


def test_schedule_follows_a_period_that_is_a_little_wrong() -> None:
    """A thousandth of error over 3000 frames is three periods, and no missing frame."""
    assert find_missing([int(index * 33.3e6) for index in range(3000)], 33.2667e6, 10**10).missing == []
    assert find_missing([int(index * 33.3e6) for index in range(3000)], 33.3333e6, 10**10).missing == []


def test_one_long_run_of_loss() -> None:
    """Five hundred frames in one gap are five hundred frames, not about that."""
    stamps, _ = _camera(100e6, 1000, 0.0, 0.04, 1)
    period = estimate_period(stamps[:300] + stamps[800:])
    assert len(find_missing(stamps[:300] + stamps[800:], period, 60 * 10**9).missing) == 500


def test_pause_is_told_apart() -> None:
    """A gap over the limit is a pause with its length, and no missing frame."""
    schedule = find_missing([0, 100 * MS, 12100 * MS, 12200 * MS], 100e6, 10 * 10**9)
    assert schedule == ([], 1, 12000 * MS)


def test_too_little_to_tell() -> None:
    """Eight gaps are needed before a period is believed."""
    assert estimate_period([]) is None and estimate_period(list(range(0, 800, 100))) is None
    assert estimate_period(list(range(0, 900, 100))) == 100


def test_a_stall_weighs_what_it_hid() -> None:
    """Hand-computed: three missing frames wait for the label of the fourth; the last has none."""
    answers = [Answer(0, 20), Answer(100, None), Answer(200, None), Answer(300, None), Answer(400, 430),
               Answer(500, None)]
    assert corrected_delays(answers) == ([20, 330, 230, 130, 30], 1)


def test_same_values_as_hdr_histograms_correction() -> None:
    """The library's correction for a sender that waits gives the same delays as missing frames do."""
    period, delays = 100, [20, 20, 950, 20, 430, 20]
    histogram = HdrHistogram(1, 10**6, 3)
    answers, slot = [], 0
    for delay in delays:
        histogram.record_corrected_value(delay, period)
        # The frame stamped `slot` was the newest one when the stall ended; those before it, which
        # nobody asked for, had to wait for the same label.
        hidden = [Answer(slot + index * period, None) for index in range(len(range(period, delay, period)))]
        slot += len(hidden) * period
        answers += hidden + [Answer(slot, slot + delay - len(hidden) * period)]
        slot += period
    expected = [value for item in histogram.get_recorded_iterator()
                for value in [item.value_iterated_to] * item.count_added_in_this_iter_step]
    assert sorted(corrected_delays(answers)[0]) == sorted(expected)
