"""Every kind of clock trouble is recognised, and only that."""

from latency_samples import EPOCH, MS, timing
import pytest

from enet_ros.latency import stamp_checks
from enet_ros.latency.stamp_checks import StampCheck
from enet_ros.timing import FrameTiming


def test_good_stamps() -> None:
    """A steady camera gives no trouble."""
    check = StampCheck()
    judged = {check.judge(timing(i, 33 * i), EPOCH + (33 * i + 20) * MS) for i in range(50)}
    assert judged == {stamp_checks.OK}


@pytest.mark.parametrize('change, verdict', [
    ({'received_ros_ns': 0}, stamp_checks.NO_CLOCK),
    ({'stamp_ns': 0}, stamp_checks.UNSTAMPED),
    ({'stamp_ns': EPOCH + 200 * MS}, stamp_checks.NEGATIVE_AGE),
    ({'stamp_ns': EPOCH - 61000 * MS}, stamp_checks.STALE),
    ({'stamp_ns': EPOCH - 1 * MS}, stamp_checks.BACKWARD),
    ({'stamp_ns': EPOCH}, stamp_checks.REPEATED),
])
def test_trouble(change, verdict) -> None:
    """One bad frame is told, and the frames around it are still believed."""
    check = StampCheck(sim_time=True)
    assert check.judge(timing(0, 0)) == stamp_checks.OK
    assert check.judge(timing(1, 33)._replace(**change)) == verdict
    assert check.judge(timing(2, 66)) == stamp_checks.OK


def test_age_limit_is_a_minute() -> None:
    """Sixty seconds are believed, more are not."""
    assert StampCheck().judge(timing(0, 0), EPOCH + 60000 * MS) == stamp_checks.OK
    assert StampCheck().judge(timing(0, 0), EPOCH + 60001 * MS) == stamp_checks.STALE


def _later(made: FrameTiming, ms: int) -> FrameTiming:
    """Return the timing as a ROS clock tells it that is `ms` ahead."""
    return made._replace(received_ros_ns=made.received_ros_ns + ms * MS,
                         published_ros_ns=made.published_ros_ns + ms * MS)


def test_clock_set_while_recording() -> None:
    """The ROS clock against the monotonic one shows a step, between frames and within one."""
    check = StampCheck()
    check.judge(timing(0, 0))
    assert check.judge(_later(timing(1, 33), 5000)) == stamp_checks.CLOCK_STEP
    following = _later(timing(2, 66), 5000)
    assert check.judge(following._replace(stamp_ns=following.stamp_ns + 5000 * MS)) == stamp_checks.OK
    within = timing(3, 5066)
    within = within._replace(published_ros_ns=within.published_ros_ns + 60 * MS)
    assert StampCheck().judge(within) == stamp_checks.CLOCK_STEP
    assert StampCheck(sim_time=True).judge(within) == stamp_checks.OK
