"""Timing and labels meet whatever order they come in."""

import random

from latency_samples import EPOCH, MS, timing
import pytest

from enet_ros.errors import InputError
from enet_ros.latency import stamp_checks
from enet_ros.latency.join import MAX_CAMERAS, VANISHED_NS, FrameJoin

SECOND = 10**9


@pytest.mark.parametrize('seed', range(5))
def test_any_order_within_a_few_frames(seed: int) -> None:
    """Two cameras, shuffled within eight events: every frame once, in order, with its own label."""
    chance = random.Random(seed)
    events = []
    for index in range(200):
        for camera in ('front', 'rear'):
            dropped = chance.random() < 0.3
            made = timing(index, index * 33.0, camera, 'superseded' if dropped else 'segmented')
            events.append((index + chance.uniform(0, 4), 'timing', made))
            if not dropped:
                events.append((index + chance.uniform(0, 4), 'label', made))
    join, rows = FrameJoin(), []
    for when, kind, made in sorted(events, key=lambda event: event[0]):
        now = int(when * 33 * MS)
        if kind == 'timing':
            rows += join.timing(made, now)
        else:
            rows += join.label(made.camera, made.stamp_ns, made.stamp_ns + 20 * MS, now)
    rows += join.flush()
    for camera in ('front', 'rear'):
        own = [row for row in rows if row.timing.camera == camera]
        assert [row.timing.sequence for row in own] == list(range(200))
        assert all(row.clock == stamp_checks.OK for row in own)
        assert all((row.delay_ns == 20 * MS) == (row.timing.outcome == 'segmented') for row in own)
    assert join.labels_without_timing == 0


def test_waits_for_a_label_but_not_for_ever() -> None:
    """A label that never comes holds its row for the wait, and later rows behind it."""
    join = FrameJoin(wait_ns=SECOND)
    assert join.label('front', EPOCH, EPOCH + MS, 0) == []
    rows = join.timing(timing(0, 0), 0)
    assert [row.timing.sequence for row in rows] == [0] and rows[0].delivered_ros_ns == EPOCH + MS
    assert join.timing(timing(1, 33), SECOND) == [] == join.timing(timing(2, 66, outcome='refused'), SECOND)
    assert join.expire(2 * SECOND - 1) == []
    rows = join.expire(2 * SECOND)
    assert [row.timing.sequence for row in rows] == [1, 2] and rows[0].delivered_ros_ns is None


def test_lost_timing_is_skipped() -> None:
    """A hole in the numbering is waited for, then passed; so are frames before the first one heard."""
    join = FrameJoin(wait_ns=SECOND)
    for index in (20, 21, 23):
        assert join.timing(timing(index, 33 * index, outcome='superseded'), 0) == []
    assert [row.timing.sequence for row in join.expire(SECOND)] == [20, 21, 23]


def test_restarted_node_counts_anew() -> None:
    """Numbers that begin again are a restart: nothing held is lost, nothing is mixed up."""
    join = FrameJoin()
    rows = []
    for index in range(5):
        rows += join.timing(timing(index, 33 * index, outcome='superseded'), 0)
    rows += join.timing(timing(5, 165), 0)              # segmented, its label died with the node
    for index in range(3):
        rows += join.timing(timing(index, 3000 + 33 * index, outcome='superseded'), SECOND)
    rows += join.flush()
    assert [row.timing.sequence for row in rows] == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert {row.clock for row in rows} == {stamp_checks.OK}


def test_timing_after_its_turn_is_kept() -> None:
    """An engine slower than the wait still gets its rows, without a false alarm about its stamp."""
    join = FrameJoin(wait_ns=SECOND)
    join.timing(timing(0, 0, outcome='superseded'), 0)
    join.timing(timing(2, 66, outcome='superseded'), 0)
    join.expire(SECOND)
    join.label('front', EPOCH + 33 * MS, EPOCH + 2000 * MS, 2 * SECOND)
    rows = join.timing(timing(1, 33), 2 * SECOND)
    assert [row.timing.sequence for row in rows] == [1]
    assert rows[0].clock == stamp_checks.OK and rows[0].delay_ns == 1967 * MS


def test_repeated_stamps_take_turns() -> None:
    """Two frames of one stamp get their own labels, first come first served."""
    join = FrameJoin()
    rows = join.timing(timing(0, 0), 0) + join.timing(timing(1, 0), 0)
    for delay in (20, 50):
        rows += join.label('front', EPOCH, EPOCH + delay * MS, 0)
    assert [row.delivered_ros_ns for row in rows] == [EPOCH + 20 * MS, EPOCH + 50 * MS]
    assert [row.clock for row in rows] == [stamp_checks.OK, stamp_checks.REPEATED]


def test_memory_is_bounded() -> None:
    """Labels and images that no timing explains are forgotten, and counted."""
    join = FrameJoin(wait_ns=SECOND)
    for index in range(1000):
        join.label('front', index, index, index * 10 * MS)
        join.image('front', index, index, index * 10 * MS)
    join.expire(100 * SECOND)
    assert join.labels_without_timing == 1000
    assert not join._cameras


def test_cameras_that_vanished_are_forgotten() -> None:
    """Whoever publishes timings may name as many cameras as it likes: memory does not grow with them."""
    join, now_ns = FrameJoin(), 0
    for number in range(MAX_CAMERAS):
        join.timing(timing(0, 0.0, f'camera{number}', 'refused'), now_ns)
    with pytest.raises(InputError, match='cameras at once'):
        join.timing(timing(0, 0.0, 'another', 'refused'), now_ns)
    join.expire(now_ns + VANISHED_NS // 2)
    with pytest.raises(InputError, match='cameras at once'):
        join.timing(timing(0, 0.0, 'another', 'refused'), now_ns)
    join.expire(now_ns + VANISHED_NS + 10 * SECOND)
    assert not join._cameras
    join.timing(timing(0, 0.0, 'another', 'refused'), now_ns)
