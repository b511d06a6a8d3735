"""From counts to a verdict that an operator can act on; no ROS in here."""

import os
import sys
from typing import Dict, List, NamedTuple, Optional, Tuple

from ...severity import ERROR, OK, WARN
from .camera_statistics import Snapshot

START_SECONDS = 3.0         # patience with a camera of which nothing was ever seen
SILENT_PERIODS = 5          # camera periods without an image that make a warning; ten times as many an error
SILENT_LEAST = 0.5          # seconds; below that, a fast camera's hiccup
LATE, TOO_LATE = 0.5, 2.0   # seconds between stamp and label
CLOCKS_APART = 60.0         # an age beyond that, or a negative one, is two clocks and no age
SLOWER = 0.9                # labels per camera image, below which the camera is told to be too fast
AT_ONCE = 2                 # frames of a camera that are not settled: one waits, one is worked on
LOSS = 0.02                 # share of a best-effort camera's images lost that is worth a word
PROFILE_ADVICE = ('start the camera with FASTRTPS_DEFAULT_PROFILES_FILE and FASTDDS_DEFAULT_PROFILES_FILE '
                  'set to {}, or let it publish reliable')
SMALL_BYTES = 512 << 10     # what fits Fast DDS's own shared memory
SLOW_ARRIVAL = 0.008        # seconds that a large image takes on its way there
_GPU_DEVICES = ('/dev/nvidia0', '/dev/nvhost-gpu')
_GPU_ENGINES = ('tensorrt', 'cuda')

Verdict = Tuple[int, str]


class CameraState(NamedTuple):
    """What the verdict on a camera needs beside its snapshot."""

    topic: str
    active_seconds: float
    publishers: int
    reliable: bool
    listened: bool
    max_rate: float
    profile: str


def judge_camera(snapshot: Snapshot, state: CameraState) -> Verdict:
    """Return the level and all findings in one line, the worst first."""
    findings = _silence(snapshot, state)
    if snapshot.frames_waiting > AT_ONCE:
        findings.append((ERROR, f'{snapshot.frames_waiting} frames are unaccounted for: a defect, please '
                                'report it'))
    if not findings:
        findings = _ages(snapshot) + _rates(snapshot, state) + _losses(snapshot, state)
    findings.sort(key=lambda finding: -finding[0])
    if findings:
        return findings[0][0], '; '.join(text for _, text in findings)
    if not state.listened:
        return OK, 'nobody listens: images are not segmented'
    if snapshot.rate is None:
        return OK, 'waiting for images'
    return OK, f'labels at {snapshot.rate:.1f} Hz'


def camera_values(snapshot: Snapshot, state: CameraState) -> Dict[str, str]:
    """Return what is shown below the verdict, under the names that the tools' JSON uses."""
    values = {
        'topic': state.topic, 'publishers': str(state.publishers),
        'reliability': 'reliable' if state.reliable else 'best_effort',
        'listened': 'yes' if state.listened else 'no',
        'camera_rate_hz': _shown(snapshot.camera_rate), 'rate_hz': _shown(snapshot.rate),
        'image_age_ms': _shown(snapshot.image_age, 1e3), 'age_ms': _shown(snapshot.age, 1e3),
        'frames_in': str(snapshot.frames_in), 'frames_segmented': str(snapshot.frames_segmented),
        'frames_dropped': str(snapshot.frames_dropped), 'frames_waiting': str(snapshot.frames_waiting)}
    values.update(('dropped_by.' + reason, str(count)) for reason, count in snapshot.dropped_by.items())
    values.update({
        'lost_in_transport': str(snapshot.lost),
        'lost_in_transport_unknown': str(snapshot.untold),
        'lost_in_transport_share': f'{snapshot.lost_share:.4f}',
        'stamps_back': str(snapshot.stamps_back), 'last_error': snapshot.last_error})
    return values


def judge_engine(engine: str, label: str, reason: str) -> Verdict:
    """Say whether the engine is the one that this machine deserves; `engine` is what was asked for."""
    gpu = any(os.path.exists(device) for device in _GPU_DEVICES)
    if gpu and label not in _GPU_ENGINES:
        return WARN, f'a GPU is there, but the network runs on the CPU: {reason}'
    if engine == 'auto' and label in ('torch', 'opencv'):
        return WARN, f'fell back to {label} on the CPU, which is slow: {reason}'
    return OK, f'{label} runs'


def resources() -> Dict[str, str]:
    """Memory of this process, its threads, and the GPU's memory where torch drives one."""
    values = {}  # type: Dict[str, str]
    try:
        with open('/proc/self/status') as lines:
            fields = dict(line.split(':', 1) for line in lines if ':' in line)
        values['memory_mb'] = '{:.1f}'.format(int(fields['VmRSS'].split()[0]) / 1024.0)
        values['threads'] = fields['Threads'].strip()
    except (OSError, KeyError, ValueError):
        pass
    torch = sys.modules.get('torch')    # never imported for this alone
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        values['gpu_memory_mb'] = f'{torch.cuda.memory_reserved() / 2.0 ** 20:.1f}'
        if hasattr(torch.cuda, 'mem_get_info'):
            free, total = torch.cuda.mem_get_info()
            values['gpu_memory_free_mb'] = f'{free / 2.0 ** 20:.1f}'
            values['gpu_memory_total_mb'] = f'{total / 2.0 ** 20:.1f}'
    return values


def transport_advice(image_age: Optional[float], image_bytes: int, profile: str) -> Optional[str]:
    """Tell what a camera on this machine would gain by the transport's profile; None where it is fast."""
    if image_bytes <= SMALL_BYTES or image_age is None or not SLOW_ARRIVAL < image_age < CLOCKS_APART:
        return None
    return (f"images arrive {image_age * 1e3:.0f} ms after their stamp, from this machine; Fast DDS's own "
            'transport takes 10 ms more than config/fastdds.xml: unless the camera runs under it already, '
            + PROFILE_ADVICE.split(', or ')[0].format(profile))


def _silence(snapshot: Snapshot, state: CameraState) -> List[Verdict]:
    if snapshot.silence is None:
        if state.active_seconds < START_SECONDS:
            return []
        if not state.publishers:
            return [(WARN, f'no image yet: nobody publishes {state.topic}; remap `image`, or set `cameras` '
                           'or `image_transport`')]
        return [(ERROR, f'no image yet though {state.topic} publishes: a QoS override that does not match, '
                        'another message type, or a network that loses all')]
    period = 1.0 / snapshot.camera_rate if snapshot.camera_rate else 0.2
    limit = max(SILENT_LEAST, SILENT_PERIODS * period)
    if snapshot.silence <= limit:
        return []
    who = 'its publisher is gone' if not state.publishers else 'its publisher is still there'
    level = ERROR if snapshot.silence > 10 * limit or not state.publishers else WARN
    return [(level, f'no image for {snapshot.silence:.1f} s on {state.topic}: {who}')]


def _ages(snapshot: Snapshot) -> List[Verdict]:
    age, image_age = snapshot.age, snapshot.image_age
    known = age if age is not None else image_age
    if known is None:
        return []
    if known < -0.001 or known > CLOCKS_APART:
        return [(WARN, f'stamps are {known:.1f} s off this clock: synchronise clocks, or set use_sim_time '
                       'with a bag')]
    if known > LATE:
        level = ERROR if known > TOO_LATE else WARN
        if image_age is not None and image_age > LATE:
            return [(level, f'images arrive {image_age:.2f} s old: look at camera and network')]
        return [(level, f'labels are {known:.2f} s old: the engine is too slow; lower the input size')]
    return []


def _rates(snapshot: Snapshot, state: CameraState) -> List[Verdict]:
    if not state.listened or not snapshot.camera_rate:
        return []
    wanted = min(snapshot.camera_rate, state.max_rate or snapshot.camera_rate)
    rate = snapshot.rate or 0.0
    if snapshot.recent_errors:
        return [(ERROR if rate == 0 else WARN, f'{snapshot.recent_errors} of the last images failed: '
                                               f'{snapshot.last_error}')]
    if rate >= SLOWER * wanted or state.active_seconds < START_SECONDS:
        return []
    return [(WARN, f'labels at {rate:.1f} Hz, camera at {snapshot.camera_rate:.1f} Hz: lower the input '
                   'size, or set max_rate to what '
                   'suffices')]


def _losses(snapshot: Snapshot, state: CameraState) -> List[Verdict]:
    if state.publishers > 1:    # neither numbers nor stamps of several tell what is missing
        return [(WARN, f'{state.publishers} publishers send on {state.topic} and displace each other, and '
                       'what is lost is unknown: give each camera a topic of its own and name them in '
                       '`cameras`')]
    if snapshot.lost_share <= LOSS:
        return []
    text = f'{100 * snapshot.lost_share:.0f} % of the images are lost on the way'
    if state.reliable:
        return [(WARN, text + ' although the camera is reliable: this process or the network is overloaded')]
    return [(WARN, text + ' (best effort): ' + PROFILE_ADVICE.format(state.profile))]


def _shown(value: Optional[float], scale: float = 1.0) -> str:
    return '' if value is None else f'{value * scale:.3f}'
