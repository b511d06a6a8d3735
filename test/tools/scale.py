"""Measure evaluate_bag on many bags: one pool against one process, with the targets.

python test/tools/scale.py [--bags 20] [--frames 30] [--jobs CORES]

Prints wall time and processor time a frame of one job on all cores, of one job held to one core, and of
--jobs; exit code 1 where the pool is slower than the first, less than 1.6 times as fast as the second, or
takes more than 1.1 times the processor time of the cheaper one.
"""

import argparse
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Dict, List, NamedTuple, Optional, Set

FASTER, PROCESSOR = 1.6, 1.1


class Cost(NamedTuple):
    """Seconds of a run."""

    wall: float
    processor: float


def measure(folder: Path, bags: List[str], jobs: int, cores: Optional[Set[int]] = None) -> Cost:
    """Run the tool once, on `cores` where given."""
    command = [sys.executable, '-m', 'enet_ros', 'evaluate_bag', *bags, '--weights', 'synthetic',
               '--jobs', str(jobs), '--json', str(folder / 'r.json')]
    with open(os.devnull, 'w') as nowhere:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere,
                                   preexec_fn=lambda: cores and os.sched_setaffinity(0, cores))
        _, status, usage = os.wait4(process.pid, 0)     # with the workers, which it has waited for
        wall = time.perf_counter() - started
    assert status == 0, f'{command} ended with {status}'
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def main() -> int:
    """Measure in turns; return the exit code."""
    every = os.sched_getaffinity(0)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (('bags', 20), ('frames', 30), ('jobs', len(every)), ('rounds', 2)):
        parser.add_argument(f'--{name}', type=int, default=value)
    options = parser.parse_args()
    runs = {'one job, all cores': (1, None), 'one job, one core': (1, {min(every)}),
            f'{options.jobs} jobs': (options.jobs, None)}
    with tempfile.TemporaryDirectory() as name:
        folder, bags = Path(name), []
        for seed in range(options.bags):
            bags.append(str(folder / f'bag{seed}'))
            subprocess.run([sys.executable, '-m', 'enet_ros', 'record_bag', 'synthetic', bags[-1], '--seed',
                            str(seed), '--frames', str(options.frames), '--start', str(1 + 100 * seed)],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print('recorded', flush=True)
        found: Dict[str, Cost] = {}
        for _ in range(options.rounds):
            for name, how in runs.items():
                cost = measure(folder, bags, *how)
                found[name] = Cost(*map(min, zip(found.get(name, cost), cost)))
        frames = json.loads((folder / 'r.json').read_text())['frames_evaluated']
    for name, cost in found.items():
        print(f'{name:20} {cost.wall:6.1f} s, {frames / cost.wall:5.1f} frames a second, '
              f'{1000 * cost.processor / frames:5.1f} ms of processor a frame')
    whole, single, pool = found.values()
    dearer = pool.processor / min(whole.processor, single.processor)
    checks = [('the speed of one job on all cores', whole.wall / pool.wall, whole.wall / pool.wall >= 1),
              ('the speed of one job on one core', single.wall / pool.wall,
               single.wall / pool.wall >= FASTER),
              ('the processor time', dearer, dearer <= PROCESSOR)]
    for name, ratio, met in checks:
        print(f'{ratio:.2f} times {name}: {"met" if met else "NOT met"}')
    return int(not all(met for _, _, met in checks))


if __name__ == '__main__':
    sys.exit(main())
