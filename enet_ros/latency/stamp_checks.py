"""Stamps that cannot be trusted: delays measured against them are kept apart from the others."""

from typing import Optional

from ..timing import FrameTiming

OK = 'ok'
NO_CLOCK = 'no_clock'           # the ROS clock is at zero: sim time without /clock
UNSTAMPED = 'unstamped'         # the camera leaves the stamp at zero
NEGATIVE_AGE = 'negative_age'   # stamped after it arrived: two clocks disagree
STALE = 'stale'                 # older than a minute: clocks disagree, or a bag without /clock
CLOCK_STEP = 'clock_step'       # the ROS clock was set while the frame was under way
BACKWARD = 'backward'           # older than the frame before: a bag has looped, or a camera restarted
REPEATED = 'repeated'           # the stamp of the frame before, again

ADVICE = {
    NO_CLOCK: 'the ROS clock is at zero: use_sim_time is set and nothing publishes /clock',
    UNSTAMPED: 'the camera leaves its header stamp at zero: no delay can be measured against it',
    NEGATIVE_AGE: 'stamps lie in the future: synchronise the clocks of camera and computer (chrony, PTP)',
    STALE: 'stamps are over a minute old: clocks disagree, or a bag plays without use_sim_time and /clock',
    CLOCK_STEP: 'the clock was set while recording: let chrony or NTP settle before measuring',
    BACKWARD: 'stamps jumped back: a bag has looped, or the camera restarted',
    REPEATED: 'stamps repeat: the camera sends one frame several times',
}

STALE_NS = 60 * 10**9
STEP_NS = 50 * 10**6


class StampCheck:
    """Judges the stamps of one camera's frames, given in the order in which they were received."""

    def __init__(self, sim_time: bool = False) -> None:
        self._sim_time = sim_time
        self._previous_stamp: Optional[int] = None
        self._offset: Optional[int] = None      # ROS clock minus monotonic clock, when last seen

    def judge(self, timing: FrameTiming, delivered_ros_ns: Optional[int] = None,
              in_order: bool = True) -> str:
        """Return OK or the trouble with a frame's stamp.

        `delivered_ros_ns` is when its label arrived, ROS clock, where it did. A frame known to come
        late is not compared with the one before.
        """
        stepped = in_order and self._clock_stepped(timing)
        latest = timing.received_ros_ns
        for later in (timing.published_ros_ns, delivered_ros_ns):
            latest = latest if later is None else later
        if min(latest, timing.received_ros_ns) <= 0:
            return NO_CLOCK
        if timing.stamp_ns <= 0:
            return UNSTAMPED
        if stepped:
            return CLOCK_STEP
        if min(latest, timing.received_ros_ns) < timing.stamp_ns:
            return NEGATIVE_AGE
        if latest - timing.stamp_ns > STALE_NS:
            return STALE
        return self._against_previous(timing.stamp_ns) if in_order else OK

    def _against_previous(self, stamp_ns: int) -> str:
        previous, self._previous_stamp = self._previous_stamp, stamp_ns
        if previous is None or stamp_ns > previous:
            return OK
        return REPEATED if stamp_ns == previous else BACKWARD

    def _clock_stepped(self, timing: FrameTiming) -> bool:
        """Compare the ROS clock with the monotonic one; sim time may run at any pace."""
        if self._sim_time:
            return False
        offsets = [] if self._offset is None else [self._offset]
        if 'received' in timing.marks:
            offsets.append(timing.received_ros_ns - timing.marks['received'])
        if 'published' in timing.marks and timing.published_ros_ns is not None:
            offsets.append(timing.published_ros_ns - timing.marks['published'])
        if not offsets:
            return False
        self._offset = offsets[-1]
        return max(offsets) - min(offsets) > STEP_NS
