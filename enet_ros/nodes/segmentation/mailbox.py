"""One-slot mailbox: per camera the newest frame waits, and the camera that waited longest is served first."""

import threading
from typing import Any, Dict, List, NamedTuple, Optional

# A stamp further back than this means a clock was set or a bag restarted, not that a frame was overtaken.
REORDERING_NS = 1000 * 1000 * 1000
LONGEST_PERIOD_NS = 100 * 10 ** 9     # of a limit: one frame in a hundred seconds


class Frame(NamedTuple):
    """One received image message, undecoded; times are monotonic or, where named so, of the ROS clock."""

    camera: str
    sequence: int
    message: Any
    stamp_ns: int
    received_ns: int
    received_ros_ns: int


class LatestFrameMailbox:
    """Hands frames from the receiving thread to the worker, one slot a camera, without ever queueing."""

    def __init__(self) -> None:
        """Start open and empty."""
        self._condition = threading.Condition()
        # In the order in which the cameras began to wait: a frame that replaces another keeps its place.
        self._frames: Dict[str, Frame] = {}
        self._order: List[str] = []
        self._working = False
        self._closed = False

    def put(self, frame: Frame) -> Optional[Frame]:
        """
        Put a frame into its camera's slot and return the one that lost its place, if any.

        That is the one which waited, or the new one where its stamp is older (it was overtaken on its way).
        """
        with self._condition:
            if self._closed:
                return frame
            waiting = self._frames.get(frame.camera)
            if waiting is None:
                self._order.append(frame.camera)
            elif 0 < waiting.stamp_ns - frame.stamp_ns < REORDERING_NS:
                return frame
            self._frames[frame.camera] = frame
            self._condition.notify_all()
            return waiting

    def take(self) -> Optional[Frame]:
        """Wait for a frame, the longest-waiting camera's newest; None once the mailbox is closed."""
        with self._condition:
            self._working = False
            self._condition.notify_all()
            while not self._order and not self._closed:
                self._condition.wait()
            if self._closed:
                return None
            self._working = True
            return self._frames.pop(self._order.pop(0))

    def clear(self) -> List[Frame]:
        """Empty every slot and return what waited."""
        with self._condition:
            frames = list(self._frames.values())
            self._frames.clear()
            del self._order[:]
            return frames

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing waits or is worked on; False after `timeout` seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._working and not self._order, timeout)

    def close(self) -> List[Frame]:
        """Let `take` return None for good; return what waited."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        return self.clear()


class RateLimit:
    """Lets at most `rate` frames a second through, evenly, whatever the camera's own rate (0: all)."""

    def __init__(self, rate: float = 0.0) -> None:
        """Start with the first frame due at once."""
        self.rate = rate
        self._planned_ns: Optional[int] = None     # when the last frame let through was due

    def admits(self, now_ns: int) -> bool:
        """Tell whether a frame arriving now goes through.

        The plan goes on from when a frame was due, not from when it came, so that a limit of 20 makes 20 of
        30 frames and not 15; a quarter of a period of earliness is forgiven as jitter.
        """
        if self.rate <= 0:
            self._planned_ns = None
            return True
        period = int(min(1e9 / self.rate, LONGEST_PERIOD_NS))
        due = now_ns if self._planned_ns is None else max(self._planned_ns + period, now_ns - period)
        if now_ns < due - period // 4:
            return False
        self._planned_ns = due
        return True
