"""What a soak run says of delay, memory and threads."""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ...metrics.percentiles import percentiles
from ...timing import FrameTiming
from ..processes import Usage

SETTLED_FRAMES = 1000       # of a phase, after which memory is compared


def latency(timings: Sequence[FrameTiming], period_s: float) -> Dict[str, Any]:
    """Return the labels' age, and whether it kept within its bound under overload, for a camera's period.

    The bound is twice the engine's 99th percentile and one period.
    """
    # Stamps moved by faults lie outside.
    kept = [timing for timing in timings if timing.stamp_ns and 0 < (timing.age_ns or 0) < 4 * 10**9]
    ages = percentiles([(timing.age_ns or 0) / 1e6 for timing in kept])
    engine = percentiles([(timing.duration_ns('taken', 'published') or 0) / 1e6 for timing in kept])
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
        settled = [usage for frames, usage in phase_samples if frames >= SETTLED_FRAMES]
        if len(settled) < 2:
            frames = phase_samples[-1][0] if phase_samples else 0
            result['unknown'][name] = (f'the last life of the node had {frames} frames under {phase}, and '
                                       f'memory is compared after {SETTLED_FRAMES}: take a longer --duration')
            continue
        first, last = settled[0], settled[-1]
        result.update({
            name: last.memory_mb / first.memory_mb - 1, 'memory_mb': last.memory_mb,
            'threads': last.threads, 'threads_growth': last.threads - first.threads,
            'frames_under_' + phase: phase_samples[-1][0], 'memory_series_mb_' + phase: [
                usage.memory_mb for usage in settled[::max(1, len(settled) // 30)]]})
    return result


def in_words(summary: Mapping[str, Any]) -> str:
    """Return the result as a person reads it in a terminal."""
    keys = ('frames_published', 'frames_in', 'frames_segmented', 'dropped_by', 'lost_in_transport',
            'lost_in_outages', 'lost_without_reason', 'faults_injected', 'disturbances', 'errors_survived',
            'memory_growth', 'memory_growth_under_faults', 'threads', 'wrong_count')
    return '\n'.join([f'{key}: {summary[key]}' for key in keys]
                     + ['p99: {} ms'.format(summary['latency_ms']['p99'])]
                     + [f'{name} is unknown: {why}' for name, why in summary['unknown'].items()]
                     + summary['wrong'][:10])
