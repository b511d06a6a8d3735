"""Mailbox and rate limit: the newest frame wins, nobody starves, nothing is lost without a word."""

import threading
from typing import Dict, List, Tuple

from hypothesis import given
from hypothesis import strategies as st
import pytest

from enet_ros.nodes.segmentation.mailbox import (
    LONGEST_PERIOD_NS,
    REORDERING_NS,
    Frame,
    LatestFrameMailbox,
    RateLimit,
)

STEP = 10 ** 7


def frame(camera: str, sequence: int, stamp_ns: int = 0) -> Frame:
    return Frame(camera, sequence, None, stamp_ns or STEP * (sequence + 1), sequence, 0)


@given(st.lists(st.one_of(st.sampled_from('abc'), st.just('take')), max_size=60))
def test_any_order_of_arrivals_and_takes(actions: List[str]) -> None:
    mailbox = LatestFrameMailbox()
    waiting: Dict[str, Frame] = {}      # in the order in which the cameras began to wait
    fate: List[int] = []
    for sequence, action in enumerate(actions):
        if action != 'take':
            loser = mailbox.put(frame(action, sequence))
            assert loser == waiting.get(action)
            if loser:
                fate.append(loser.sequence)
            waiting[action] = frame(action, sequence)
        elif waiting:
            oldest = next(iter(waiting))
            taken = mailbox.take()
            assert taken == waiting.pop(oldest)
            fate.append(taken.sequence)
    fate += [left.sequence for left in mailbox.clear()]
    assert sorted(fate) == [index for index, action in enumerate(actions) if action != 'take']


@pytest.mark.parametrize('back, newcomer_wins', [
    (-STEP, True), (0, True), (1, False), (REORDERING_NS - 1, False), (REORDERING_NS, True),
    (10 ** 12, True)])
def test_an_overtaken_frame_loses_and_a_clock_set_back_does_not(back: int, newcomer_wins: bool) -> None:
    mailbox = LatestFrameMailbox()
    old, new = frame('a', 0, 10 ** 18), frame('a', 1, 10 ** 18 - back)
    assert mailbox.put(old) is None
    assert mailbox.put(new) is (old if newcomer_wins else new)
    assert mailbox.take() is (new if newcomer_wins else old)


def test_a_waiting_worker_is_woken_and_idle_is_told() -> None:
    mailbox = LatestFrameMailbox()
    taken: List[Frame] = []
    working, finish = threading.Event(), threading.Event()

    def work() -> None:
        while True:
            next_frame = mailbox.take()
            if next_frame is None:
                return
            taken.append(next_frame)
            working.set()
            finish.wait(10)
    worker = threading.Thread(target=work)
    worker.start()
    mailbox.put(frame('a', 0))
    assert working.wait(10)
    assert not mailbox.wait_idle(0.01)
    assert mailbox.put(frame('a', 1)) is None
    assert mailbox.close() == [frame('a', 1)]
    assert mailbox.put(frame('a', 2)) == frame('a', 2)
    finish.set()
    worker.join(10)
    assert not worker.is_alive() and taken == [frame('a', 0)]
    assert mailbox.wait_idle(10)


@pytest.mark.parametrize('camera_hz, limit_hz, expected', [
    (30, 0, 300), (30, 15, 150), (30, 20, 200), (30, 30, 300), (30, 60, 300), (30, 7, 70), (100, 1, 10)])
def test_a_limit_gives_its_rate_whatever_the_cameras(camera_hz: int, limit_hz: int, expected: int) -> None:
    limit = RateLimit(limit_hz)
    admitted = sum(limit.admits(int(index * 1e9 / camera_hz)) for index in range(10 * camera_hz))
    assert abs(admitted - expected) <= 1


@given(st.lists(st.tuples(st.integers(0, 3 * 10 ** 8), st.floats(0, 100)), min_size=2, max_size=100))
def test_no_second_ever_holds_more_than_the_limit(arrivals: List[Tuple[int, float]]) -> None:
    limit, now = RateLimit(10.0), 0
    admitted: List[int] = []
    for step, _ in arrivals:
        now += step
        if limit.admits(now):
            admitted.append(now)
    for start in admitted:      # one more than 10 for either end, and half a period of jitter
        assert sum(start <= at < start + 10 ** 9 for at in admitted) <= 12


def test_a_limit_that_is_raised_acts_at_once() -> None:
    limit = RateLimit(0.1)
    assert limit.admits(0) and not limit.admits(10 ** 8)
    limit.rate = 10.0
    assert limit.admits(3 * 10 ** 8)


@pytest.mark.parametrize('rate', [1e-300, 5e-324, 1e-290, 1e-9, 1e9, 1e308])
def test_a_limit_of_any_size_is_a_limit(rate: float) -> None:
    """It neither overflows nor waits for ever: after the longest period the next frame goes through."""
    limit = RateLimit(rate)
    assert limit.admits(0) and limit.admits(LONGEST_PERIOD_NS)
