"""The summary of a latency recording: delays with and without omission, stages, drops, clock trouble."""

from collections import Counter
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ..metrics.percentiles import jitter, percentiles
from ..timing import DROP_REASONS, SEGMENTED
from . import stamp_checks
from .coordinated_omission import Answer, corrected_delays, estimate_period, find_missing
from .rows import FrameRow

# How long each stage took: (name, mark at its beginning, mark at its end), monotonic clock.
DURATIONS = (('waited', 'received', 'taken'), ('decoded', 'taken', 'decoded'),
             ('preprocessed', 'decoded', 'preprocessed'), ('inferred', 'preprocessed', 'inferred'),
             ('postprocessed', 'inferred', 'postprocessed'), ('published', 'postprocessed', 'published'))
STAGE_NAMES = ('arrived',) + tuple(name for name, _, _ in DURATIONS) + ('delivered',)
MEANING = {
    'latency_ms': 'uncorrected: header stamp to label in a subscriber, of the frames that got a label',
    'latency_corrected_ms': 'corrected for coordinated omission: every frame of the camera schedule counts, '
                            'a missing one until the next label',
}


class _Camera(NamedTuple):
    """What one camera contributes; times in ns."""

    delays: List[int]
    corrected: List[int]
    counts: Dict[str, int]
    period_ns: Optional[float]
    labels: Tuple[int, int]     # intervals between labels: how many, and their sum
    jitter_ns: Optional[float]


def stage_times(row: FrameRow) -> Dict[str, int]:
    """Return what each stage of a segmented frame took, ns.

    'arrived' (stamp to reception) and 'delivered' (publication to the subscriber) are on the ROS
    clock and missing where that cannot be trusted; the others are monotonic.
    """
    timing = row.timing
    times: Dict[str, int] = {}
    if row.clock == stamp_checks.OK:
        times['arrived'] = timing.received_ros_ns - timing.stamp_ns
        if row.delivered_ros_ns is not None and timing.published_ros_ns is not None:
            times['delivered'] = row.delivered_ros_ns - timing.published_ros_ns
    for name, first, last in DURATIONS:
        duration = timing.duration_ns(first, last)
        if duration is not None:
            times[name] = duration
    return times


def summarise(rows: Iterable[FrameRow], camera_rate: Optional[float] = None,
              longest_gap: float = 10.0) -> Dict[str, Any]:
    """Summarise a recording; delays in ms, rates per second, shares 0..1.

    `camera_rate` (Hz) is the schedule that cameras keep; without it, it is found in the stamps. A
    gap of more than `longest_gap` seconds is a camera that paused, not a run of lost frames.
    """
    cameras = _by_camera(rows)
    parts = _measure_each(cameras, camera_rate, longest_gap)
    everything = [row for camera in cameras.values() for row in camera]
    summary = _block(everything, list(parts.values()))
    summary['meaning'] = dict(MEANING)
    summary['notes'] = _notes(summary)
    if len(parts) > 1:
        summary['cameras'] = {name: _block(cameras[name], [part]) for name, part in parts.items()}
    return summary


def all_delays(rows: Iterable[FrameRow], camera_rate: Optional[float] = None,
               longest_gap: float = 10.0) -> Dict[str, List[float]]:
    """Return the delays behind `summarise`'s percentiles, ms: 'uncorrected' and 'corrected'."""
    parts = _measure_each(_by_camera(rows), camera_rate, longest_gap).values()
    return {'uncorrected': [delay / 1e6 for part in parts for delay in part.delays],
            'corrected': [delay / 1e6 for part in parts for delay in part.corrected]}


def _by_camera(rows: Iterable[FrameRow]) -> Dict[str, List[FrameRow]]:
    cameras: Dict[str, List[FrameRow]] = {}
    for row in rows:
        cameras.setdefault(row.timing.camera, []).append(row)
    return cameras


def _measure_each(cameras: Dict[str, List[FrameRow]], camera_rate: Optional[float],
                  longest_gap: float) -> Dict[str, _Camera]:
    return {name: _measure(_in_order(rows), camera_rate, longest_gap)
            for name, rows in sorted(cameras.items())}


def _in_order(rows: List[FrameRow]) -> List[FrameRow]:
    """Sort by reception, so that a row that came late is where it belongs."""
    return sorted(rows, key=lambda row: row.timing.marks.get('received', row.timing.received_ros_ns))


def _measure(rows: List[FrameRow], camera_rate: Optional[float], longest_gap: float) -> _Camera:
    segments = _segments(rows)
    stamps_ns = [[row.timing.stamp_ns for row in segment] for segment in segments]
    period = 1e9 / camera_rate if camera_rate else _period(stamps_ns)
    counts: Counter = Counter()
    corrected: List[int] = []
    intervals = spans = 0
    for segment, stamps_of in zip(segments, stamps_ns):
        answers = [Answer(row.timing.stamp_ns, row.delivered_ros_ns) for row in segment]
        if period:
            schedule = find_missing(stamps_of, period, int(longest_gap * 1e9))
            answers += [Answer(stamp, None) for stamp in schedule.missing]
            counts.update(missing=len(schedule.missing), pauses=schedule.pauses, paused_ns=schedule.paused_ns)
        delays, unanswered = corrected_delays(sorted(answers, key=lambda answer: answer.stamp_ns))
        corrected += delays
        counts['unanswered'] += unanswered
        arrivals = [row.delivered_ros_ns for row in segment if row.delivered_ros_ns is not None]
        if len(arrivals) > 1:
            intervals, spans = intervals + len(arrivals) - 1, spans + max(arrivals) - min(arrivals)
    counts['timings_lost'], counts['restarts'] = _sequence_gaps(rows)
    counts['missing'] = max(0, counts['missing'] - counts['timings_lost'])
    delays = [delay for delay in (row.delay_ns for row in rows) if delay is not None]
    return _Camera(delays, corrected, dict(counts), period, (intervals, spans), jitter(delays))


def _segments(rows: List[FrameRow]) -> List[List[FrameRow]]:
    """Split where stamps cannot be compared across: after a loop, or around a stamp in trouble."""
    segments: List[List[FrameRow]] = [[]]
    for row in rows:
        if row.clock == stamp_checks.REPEATED:
            continue
        newest = segments[-1][-1].timing.stamp_ns if segments[-1] else row.timing.stamp_ns - 1
        if row.clock != stamp_checks.OK or row.timing.stamp_ns <= newest:
            segments.append([])
        if row.clock == stamp_checks.OK:
            segments[-1].append(row)
    return [segment for segment in segments if segment]


def _period(segments: List[List[int]]) -> Optional[float]:
    return estimate_period(max(segments, key=len)) if segments else None


def _sequence_gaps(rows: List[FrameRow]) -> Tuple[int, int]:
    """Return how many timings are missing from the numbering, and how often it restarted."""
    lost = restarts = 0
    for before, after in zip(rows, rows[1:]):
        step = after.timing.sequence - before.timing.sequence
        lost += max(0, step - 1)
        restarts += step <= 0
    return lost, restarts


def _block(rows: List[FrameRow], parts: List[_Camera]) -> Dict[str, Any]:
    dropped = Counter(row.timing.outcome for row in rows if row.timing.outcome != SEGMENTED)
    total: Counter = Counter()
    for part in parts:
        total.update(part.counts)
    segmented = [row for row in rows if row.timing.outcome == SEGMENTED]
    frames_dropped = sum(dropped.values())
    offered = len(rows) + total['missing']
    rates = [part.labels[0] * 1e9 / part.labels[1] for part in parts if part.labels[1]]
    periods = [part.period_ns for part in parts if part.period_ns]
    jitters = [part.jitter_ns for part in parts if part.jitter_ns is not None]
    return {
        'frames_in': len(rows), 'frames_segmented': len(segmented), 'frames_dropped': frames_dropped,
        'dropped_by': {reason: dropped[reason] for reason in DROP_REASONS + tuple(
            sorted(set(dropped) - set(DROP_REASONS)))},
        'frames_missing': total['missing'],
        'drop_share': (frames_dropped + total['missing']) / offered if offered else None,
        'labels_lost': sum(row.delivered_ros_ns is None for row in segmented),
        'timings_lost': total['timings_lost'], 'restarts': total['restarts'],
        'pauses': total['pauses'], 'paused_s': total['paused_ns'] / 1e9, 'unanswered': total['unanswered'],
        'latency_ms': _ms([delay for part in parts for delay in part.delays]),
        'latency_corrected_ms': _ms([delay for part in parts for delay in part.corrected]),
        'jitter_ms': max(jitters) / 1e6 if jitters else None,
        'rate_hz': sum(rates) if rates else None,
        'camera_rate_hz': sum(1e9 / period for period in periods) if periods else None,
        'stages_ms': _stages(segmented),
        'clock': dict(Counter(row.clock for row in rows if row.clock != stamp_checks.OK)),
    }


def _stages(rows: List[FrameRow]) -> Dict[str, Any]:
    taken: Dict[str, List[int]] = {name: [] for name in STAGE_NAMES}
    for row in rows:
        for name, duration in stage_times(row).items():
            taken[name].append(duration)
    return {name: _ms(durations) for name, durations in taken.items()}


def _ms(values_ns: List[int]) -> Dict[str, Any]:
    return percentiles([value / 1e6 for value in values_ns])


def _notes(summary: Dict[str, Any]) -> List[str]:
    """Say in words what a reader must know to judge the numbers."""
    notes = ['{} of {} frames left out of every delay: {}'.format(
        count, summary['frames_in'], stamp_checks.ADVICE[trouble])
        for trouble, count in summary['clock'].items()]
    if summary['labels_lost']:
        notes.append('{} labels were published and did not reach the recorder'.format(summary['labels_lost']))
    if summary['timings_lost']:
        notes.append('{} timing messages did not reach the recorder: what became of those frames is '
                     'unknown'.format(summary['timings_lost']))
    if summary['pauses']:
        notes.append('the camera paused {} times, {:.1f} s in all: not counted as missing frames'.format(
            summary['pauses'], summary['paused_s']))
    if summary['latency_ms']['insufficient']:
        notes.append('insufficient samples for {}'.format(', '.join(summary['latency_ms']['insufficient'])))
    return notes
