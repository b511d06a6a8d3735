"""Ten cameras where one was expected."""

import pytest

pytest.importorskip('rclpy')

from enet_ros.nodes.segmentation.camera_checks import WARN, CameraState, judge_camera  # noqa: E402
from enet_ros.nodes.segmentation.camera_statistics import CameraStatistics  # noqa: E402


def test_several_cameras_on_one_topic_are_no_loss() -> None:
    """Their stamps interleave like those of one fast camera that loses most; it must not be told so."""
    record = CameraStatistics('camera')
    for index in range(100):
        now = index // 10 * 100000000 + index % 10 * 1000
        record.received(now, now + 1, now + 2, None, True)
        record.settled('superseded', now)
    state = CameraState('/image', 60.0, 10, True, True, 0.0, '/share/fastdds.xml')
    level, message = judge_camera(record.snapshot(10**9), state)
    assert level == WARN and 'lost on the way' not in message and '10 publishers send on /image' in message
