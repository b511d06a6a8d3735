"""The delay as an operator sees it: one level, one sentence, and the figures."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..severity import ERROR, OK, WARN
from . import stamp_checks


class Limits(NamedTuple):
    """Beyond which a figure becomes a warning: shares 0..1, times in seconds."""

    drop_share: float = 0.5
    delay: float = 0.5
    silence: float = 2.0


class Recording(NamedTuple):
    """The state of the recorder itself. `silent_s` is None before the first frame."""

    path: str
    written: int
    lost: int
    error: Optional[str]
    silent_s: Optional[float]
    publishers: int
    timing_topic: str


class Health(NamedTuple):
    """`level` is OK, WARN or ERROR; `message` leads with the gravest trouble."""

    level: int
    message: str
    values: Dict[str, str]


def judge(window: Dict[str, Any], recording: Recording, limits: Limits) -> Health:
    """Judge a LatencyWindow's description and the recorder's state."""
    troubles = _recorder_troubles(recording, limits) + _delay_troubles(window, limits)
    level = max((level for level, _ in troubles), default=OK)
    findings = [text for rank in (ERROR, WARN) for found, text in troubles if found == rank]
    if not findings:
        latency = window['latency_ms']
        findings = ['p50 {} ms, max {} ms'.format(_text(latency['p50']), _text(latency['max']))]
    return Health(level, '; '.join(findings), _values(window, recording))


def _recorder_troubles(recording: Recording, limits: Limits) -> List[Tuple[int, str]]:
    troubles = []
    if recording.error:
        troubles.append((ERROR, f'{recording.path}: {recording.error}; {recording.lost} rows not recorded: '
                                'free some space, or start it again'))
    if recording.publishers == 0:
        troubles.append((WARN, f'nothing publishes {recording.timing_topic}: is the segmentation node up '
                               'and of that name?'))
    elif recording.silent_s is None:
        troubles.append((WARN, 'no frame yet: is the camera up and the segmentation node active?'))
    elif recording.silent_s > limits.silence:
        troubles.append((WARN, f'no frame for {recording.silent_s:.1f} s: has the camera stopped?'))
    return troubles


def _delay_troubles(window: Dict[str, Any], limits: Limits) -> List[Tuple[int, str]]:
    troubles = [(WARN, '{} of {} frames: {}'.format(count, window['frames'], stamp_checks.ADVICE[trouble]))
                for trouble, count in sorted(window['clock'].items())]
    share = window['drop_share']
    if share is not None and share > limits.drop_share:
        troubles.append((WARN, f'{share:.0%} of the frames dropped: the camera outruns the engine'))
    p50 = window['latency_ms']['p50']
    if p50 is not None and p50 > 1e3 * limits.delay:
        troubles.append((WARN, f'labels are late: p50 {p50:.0f} ms'))
    return troubles


def _values(window: Dict[str, Any], recording: Recording) -> Dict[str, str]:
    latency, queue = window['latency_ms'], window['queue_wait_ms']
    values = {f'latency {name} (ms)': latency[name] for name in ('p50', 'p90', 'p99', 'max')}
    values.update({'samples': latency['count'], 'jitter (ms)': window['jitter_ms'],
                   'rate (Hz)': window['rate_hz'], 'frames': window['frames'],
                   'drop share': window['drop_share'], 'queue wait p50 (ms)': queue['p50'],
                   'queue wait p99 (ms)': queue['p99']})
    shown = {key: _text(value) for key, value in values.items()}
    for name in latency['insufficient']:
        if f'latency {name} (ms)' in shown:
            shown[f'latency {name} (ms)'] = 'insufficient samples'
    shown.update(recording=recording.path, rows=str(recording.written), **{'rows lost': str(recording.lost)})
    return shown


def _text(value: Any) -> str:
    if value is None:
        return '-'
    if isinstance(value, int):
        return str(value)
    return f'{value:.3g}' if value < 1 else f'{value:.1f}'
