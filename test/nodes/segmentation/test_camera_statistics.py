"""What is counted of a camera: fates, rates, ages and losses on the way."""

from typing import List, Optional

from hypothesis import given
from hypothesis import strategies as st
import pytest

from enet_ros.nodes.segmentation.camera_statistics import CameraStatistics, LossEstimate
from enet_ros.timing import DROP_REASONS

SECOND = 10 ** 9


@given(st.lists(st.sampled_from(('received', 'segmented') + DROP_REASONS), max_size=100))
def test_the_account_always_adds_up(events: List[str]) -> None:
    record, received, settled = CameraStatistics('a'), 0, 0
    fates: List[str] = []
    for index, event in enumerate(events):
        if event == 'received' or settled == received:
            assert record.received(index, index, index, None)[0] == received
            received += 1
        else:
            record.settled(event, index)
            fates.append(event)
            settled += 1
        snapshot = record.snapshot(index)
        assert snapshot.frames_in == snapshot.frames_segmented + snapshot.frames_dropped == settled
        assert snapshot.frames_waiting == received - settled
        assert snapshot.dropped_by == {reason: fates.count(reason) for reason in DROP_REASONS}


def test_rates_and_ages_of_the_last_seconds() -> None:
    record = CameraStatistics('a')
    for index in range(300):
        now = index * SECOND // 30
        record.received(now, now - 20 * 10 ** 6, now, None)
        if index % 2:
            record.settled('segmented', now, 0.05)
        else:
            record.settled('superseded', now)
    snapshot = record.snapshot(10 * SECOND)
    assert snapshot.camera_rate == pytest.approx(30, rel=0.01)
    assert snapshot.rate == pytest.approx(15, rel=0.01)
    assert (snapshot.age, snapshot.image_age) == (0.05, pytest.approx(0.02))
    assert snapshot.silence == pytest.approx(1 / 30, abs=1e-6)
    late = record.snapshot(100 * SECOND)
    assert (late.camera_rate, late.rate, late.age) == (None, None, None)
    assert late.silence == pytest.approx(90, abs=0.1)


def test_stamps_that_go_back_are_counted() -> None:
    record = CameraStatistics('a')
    backs = [record.received(0, stamp, 0, None)[1] for stamp in (5, 5, 9, 2, 3)]
    assert backs == [0, 0, 0, 7, 0]
    assert record.snapshot(0).stamps_back == 1


@pytest.mark.parametrize('numbered', [True, False])
@pytest.mark.parametrize('every, share', [(1, 0.0), (2, 0.5), (10, 0.9)])
def test_losses_from_numbers_and_from_stamps(numbered: bool, every: int, share: float) -> None:
    estimate = LossEstimate()
    kept = [index for index in range(300) if index % every == 0 or index % 50 in (0, 1)]
    for index in kept:
        at = index * SECOND // 60
        number: Optional[int] = index + 1 if numbered else None
        estimate.add(at, at + (index * 7919) % 3 * 10 ** 6, number)
    truly = 1 - len(kept) / (kept[-1] + 1)
    assert estimate.share(5 * SECOND) == pytest.approx(truly, abs=0.03)
    assert truly == pytest.approx(share, abs=0.05)
    assert estimate.lost == (300 - len(kept) - (299 - kept[-1]) if numbered else 0)


def test_a_camera_started_anew_has_lost_nothing() -> None:
    record = CameraStatistics('a')
    for number in (100, 101, 103):
        record.received(0, number, 0, number)
    record.camera_changed()
    for number in (1, 2):
        record.received(0, 200 + number, 0, number)
    assert record.snapshot(0).lost == 1


def test_a_camera_started_while_we_listen_has_sent_all_for_us() -> None:
    """Its first numbers are lost, whether the graph tells of it before its first message or after."""
    record = CameraStatistics('a')
    record.received(0, 1, 0, 100)
    record.camera_changed(fresh=True)
    record.received(0, 2, 0, 5)
    assert record.snapshot(0).lost == 4
    record.received(0, 3, 0, 2)         # the next one, of which the graph has not told yet
    record.camera_changed(fresh=True)
    record.received(0, 4, 0, 3)
    assert record.snapshot(0).lost == 5


def test_what_several_publishers_lose_is_unknown_and_told() -> None:
    """No number of theirs says anything; how many frames that was is counted."""
    record = CameraStatistics('a')
    for number in (1, 2):
        record.received(0, number, 0, number)
    record.camera_changed()
    for number in range(40):
        record.received(0, number, 0, None, several=True)
    snapshot = record.snapshot(0)
    assert snapshot.lost == 0 and snapshot.untold == 40
