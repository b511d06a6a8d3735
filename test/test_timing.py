"""A frame's record crosses a topic and comes back the same."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from enet_ros.errors import InputError
from enet_ros.timing import DROP_REASONS, SEGMENTED, STAGES, FrameTiming, monotonic_ns

NS = st.integers(0, (1 << 63) - 1)


@given(st.text(max_size=5).filter(str.isprintable), NS, NS, st.sampled_from((SEGMENTED,) + DROP_REASONS),
       st.dictionaries(st.sampled_from(STAGES), NS), NS, st.none() | NS)
def test_round_trip(camera, sequence, stamp, outcome, marks, received, published):
    timing = FrameTiming(camera, sequence, stamp, outcome, marks, received, published)
    assert FrameTiming.from_items(camera, outcome, timing.to_items()) == timing


def test_durations_and_age():
    timing = FrameTiming('front', 1, 50, SEGMENTED, {'received': 100, 'taken': 130}, 60, 90)
    assert timing.duration_ns('received', 'taken') == 30
    assert timing.duration_ns('taken', 'inferred') is None
    assert timing.age_ns == 40
    assert timing._replace(published_ros_ns=None).age_ns is None


@pytest.mark.parametrize('items', [[], [('sequence', 'x')], [('sequence', '1'), ('stamp_ns', '2')]])
def test_broken_records_are_told(items):
    with pytest.raises(InputError, match="timing of camera 'front' cannot be read"):
        FrameTiming.from_items('front', SEGMENTED, items)


@pytest.mark.parametrize('camera, outcome, number', [
    ('a\nb', SEGMENTED, '1'), ('x' * 257, SEGMENTED, '1'), ('a', 'x' * 10**6, '1'), ('a', '', '1'),
    ('a', SEGMENTED, '-1'), ('a', SEGMENTED, '9' * 19), ('a', SEGMENTED, '9' * 5000),
    ('\x1b[2J', SEGMENTED, '1')])
def test_what_a_stranger_sends_is_refused_in_one_short_line(camera, outcome, number):
    with pytest.raises(InputError) as error:
        FrameTiming.from_items(camera, outcome, [
            (key, number) for key in ('sequence', 'stamp_ns', 'received_ros_ns')] + [('x', '1')] * 10**6)
    assert str(error.value).isprintable() and len(str(error.value)) < 200


def test_the_clock_runs_forward():
    assert monotonic_ns() <= monotonic_ns()
