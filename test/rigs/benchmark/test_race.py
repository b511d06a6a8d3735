"""Interleaved timing: order, budget, warm-up and what is made of the numbers."""

import pytest

from enet_ros.rigs.benchmark.race import race, summarise


def test_contestants_take_turns_and_warm_up_before_each_bout():
    ran = []
    runners = {name: (lambda name=name: ran.append(name)) for name in 'ab'}
    timings = race(runners, rounds=3, bout=2, rest_s=0.0)
    assert ran == list('aaabbb' 'bbbaaa' 'aaabbb')
    assert {name: timing.count for name, timing in timings.items()} == {'a': 4, 'b': 4}  # first round dropped


def test_a_slow_contestant_sits_out_after_two_rounds():
    timings = race({'slow': lambda: sum(range(200000)), 'quick': lambda: None},
                   rounds=6, budget_s=1e-3, bout=1, rest_s=0.0)
    assert timings['slow'].count == 1
    assert timings['quick'].count == 5


def test_one_round_counts():
    assert race({'a': lambda: None}, rounds=1, bout=3, rest_s=0.0)['a'].count == 3


def test_summary():
    timing = summarise([0.001, 0.003, 0.002, 0.010], [0.002, 0.002, 0.004, 0.006])
    assert timing.median_ms == pytest.approx(2.5)
    assert timing.minimum_ms == pytest.approx(1.0)
    assert timing.p10_ms < timing.median_ms < timing.p90_ms < 10.0
    assert timing.cpu_ms == pytest.approx(3.0)
    assert timing.rate_hz == pytest.approx(400.0)
