"""What a soak run says of delay, memory and threads, and its recount from what was written down."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ...latency.rows import RowReader
from ...metrics.percentiles import percentiles
from ...timing import SEGMENTED
from ..processes import Usage

SETTLED_FRAMES = 1000       # of a phase, after which memory is compared


class Delay(NamedTuple):
    """Of one label: its age when published, 0 where the image had no stamp, and what the engine took."""

    age_ns: int
    engine_ns: int


def latency(delays: Sequence[Delay], period_s: float) -> Dict[str, Any]:
    """Return the labels' age, and whether it kept within its bound under overload, for a camera's period.

    The bound is twice the engine's 99th percentile and one period.
    """
    # Stamps moved by faults lie outside.
    kept = [delay for delay in delays if 0 < delay.age_ns < 4 * 10**9]
    ages = percentiles([delay.age_ns / 1e6 for delay in kept])
    engine = percentiles([delay.engine_ns / 1e6 for delay in kept])
    result: Dict[str, Any] = {'latency_ms': ages, 'engine_ms': engine}
    if ages['p99'] is not None:
        bound = 2 * engine['p99'] + 1e3 * period_s
        result.update(p99_bound_ms=bound, p99_within_bound=ages['p99'] <= bound,
                      p99_over_p50=ages['p99'] / ages['p50'])
    return result


def flatness(samples: Mapping[str, List[Tuple[int, Usage]]]) -> Dict[str, Any]:
    """Compare a process's memory and threads, settled and at the end of each phase.

    `samples` holds for the phases 'faults' and 'overload' how many frames were reported and what the process
    held. Under faults its buffers grow until each has held the largest image once; under overload alone
    nothing may.
    """
    result: Dict[str, Any] = {'memory_growth': None, 'memory_growth_under_faults': None, 'threads': None,
                              'unknown': {}}
    for phase, name in (('faults', 'memory_growth_under_faults'), ('overload', 'memory_growth')):
        phase_samples = samples.get(phase, [])
        settled = [sample for sample in phase_samples if sample[0] >= SETTLED_FRAMES]
        if len(settled) < 2:
            frames = phase_samples[-1][0] if phase_samples else 0
            result['unknown'][name] = (f'the last life of the node had {frames} frames under {phase}, and '
                                       f'memory is compared after {SETTLED_FRAMES}: take a longer --duration')
            continue
        first, last = settled[0][1], settled[-1][1]
        result.update({
            name: last.memory_mb / first.memory_mb - 1, 'memory_mb': last.memory_mb,
            'memory_first_mb': first.memory_mb, 'memory_mb_per_1000_frames': 1000 * _slope(settled),
            'threads': last.threads, 'threads_growth': last.threads - first.threads,
            'frames_under_' + phase: phase_samples[-1][0], 'memory_series_mb_' + phase: [
                usage.memory_mb for _, usage in settled[::max(1, len(settled) // 30)]]})
    return result


def _slope(samples: Sequence[Tuple[int, Usage]]) -> float:
    """Return the least-squares growth of memory, MB a frame."""
    frames = [float(count) for count, _ in samples]
    middle = sum(frames) / len(frames)
    spread = sum((count - middle) ** 2 for count in frames) or 1.0
    return sum((count - middle) * usage.memory_mb for count, (_, usage) in zip(frames, samples)) / spread


def recount(cameras: Sequence[Path], reports: Path, recording: Path, summary: Dict[str, Any]) -> None:
    """Count again from the files alone, as `recount`; what contradicts the summary is wrong.

    `cameras` are the cameras' logs, `reports` is the watcher's. The `recording` is latency_node's, a
    listener of its own, whose rows must all be among the reports.
    """
    published = sum(line.count(' ') == 5 for log in cameras for line in log.read_text('ascii').splitlines())
    lines = [line.split() for line in reports.read_text('utf-8').splitlines()]
    outcomes = Counter(line[2] for line in lines)
    known = {(camera, int(received)) for camera, _, _, _, received in lines}
    recorded = [(row.timing.camera, row.timing.marks['received']) for row in RowReader(recording)]
    told = {'frames_published': published, 'frames_in': len(lines), 'frames_segmented': outcomes[SEGMENTED],
            'dropped_by': {key: count for key, count in sorted(outcomes.items()) if key != SEGMENTED}}
    wrong = [f'{key} is {value} by recount' for key, value in told.items() if value != summary[key]]
    lost = sum(summary[key] for key in ('lost_in_transport', 'lost_in_outages', 'lost_without_reason'))
    if published - len(lines) != lost:
        wrong.append(f'{published - len(lines)} frames are lost by recount, {lost} by the account')
    strangers = sum(row not in known for row in recorded)
    if strangers:
        wrong.append(f'latency_node recorded {strangers} frames that nobody else knows')
    summary['recount'] = dict(told, lost=published - len(lines), recorded=len(recorded))
    summary['wrong'] += wrong
    summary['wrong_count'] += len(wrong)


def in_words(summary: Mapping[str, Any]) -> str:
    """Return the result as a person reads it in a terminal."""
    keys = ('frames_published', 'frames_in', 'frames_segmented', 'dropped_by', 'lost_in_transport',
            'lost_in_outages', 'lost_without_reason', 'faults_injected', 'disturbances', 'errors_survived',
            'memory_growth', 'memory_growth_under_faults', 'threads', 'wrong_count', 'recount')
    return '\n'.join([f'{key}: {summary[key]}' for key in keys]
                     + ['p99: {} ms'.format(summary['latency_ms']['p99'])]
                     + [f'{name} is unknown: {why}' for name, why in summary['unknown'].items()]
                     + summary['wrong'][:10])
