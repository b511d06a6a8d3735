"""ThrottledLogger over a real ROS logger."""

import random
from typing import List

import pytest
from rclpy.logging import get_logger

from enet_ros.images import ImageError, to_array
from enet_ros.nodes.common.log_throttle import MAX_KINDS, ThrottledLogger


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


class Lines:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.said: List[str] = []

    def warning(self, text: str) -> None:
        self.said.append(text)


def test_what_a_sender_writes_makes_one_line() -> None:
    """Six hundred encodings, with quotes and control characters of all kinds, are one problem."""
    lines, chance = Lines(), random.Random(1)
    log = ThrottledLogger(lines, lambda: 0.0)
    for _ in range(600):
        encoding = ''.join(chance.choice('ab\'"\\\n\x1b\x00\u202e7 ') for _ in range(chance.randrange(60)))
        with pytest.raises(ImageError) as error:
            to_array(b'', 1, 1, encoding, 3)
        log.warn(str(error.value))
    assert len(lines.said) == 1 and lines.said[0].isprintable()


def test_kinds_without_end_are_bounded() -> None:
    """Fifty kinds in a minute and one line that there are more; a minute later new ones are told again."""
    lines, now = Lines(), [0.0]
    log = ThrottledLogger(lines, lambda: now[0])
    for number in range(5000):
        log.warn(''.join(chr(97 + int(digit)) for digit in str(number)) + '\x1b[2J' + 'x' * 10000)
    assert len(lines.said) == MAX_KINDS + 1 and 'more than' in lines.said[-1]
    assert all(len(line) < 1200 and line.isprintable() for line in lines.said)
    now[0] = 61.0
    log.warn('something new')
    assert lines.said[-1] == 'something new'
