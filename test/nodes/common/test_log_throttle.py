"""ThrottledLogger over a real ROS logger."""

from rclpy.logging import get_logger

from enet_ros.nodes.common.log_throttle import ThrottledLogger


def test_warns_and_errors_through_one_ros_logger(capfd):
    """Rclpy refuses two severities from one source line; each severity has its own here."""
    now = [0.0]
    log = ThrottledLogger(get_logger('telling_test'), lambda: now[0])
    log.warn('frame 1 is late')
    log.error('the engine failed')
    log.warn('frame 2 is late')
    now[0] = 61.0
    log.warn('frame 3 is late')
    said = [line.split(': ', 1)[1] for line in capfd.readouterr().err.splitlines()]
    assert said == ['frame 1 is late', 'the engine failed', 'frame 3 is late (1 more times in between)']
