"""Interleaved timing: who is compared runs in turns, so that a busy moment meets everyone."""

import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Tuple

import numpy as np

Runner = Callable[[], Any]


class Timing(NamedTuple):
    """Repeated measurements of one contestant: milliseconds a run."""

    median_ms: float
    minimum_ms: float
    p10_ms: float
    p90_ms: float
    cpu_ms: float       # median of the processor time of all threads
    rounds_ms: Tuple[float, ...]    # mean of each round, to compare with others of the same round
    count: int  # type: ignore[assignment]  # hides tuple.count

    @property
    def rate_hz(self) -> float:
        """Runs a second at the median."""
        return 1e3 / self.median_ms


def race(contestants: Mapping[str, Runner], rounds: int = 20, budget_s: float = 10.0, bout: int = 2,
         rest_s: float = 0.003,
         progress: Callable[[Iterable[int]], Iterable[int]] = iter) -> Dict[str, Timing]:
    """Time every contestant `bout` times in each of `rounds` rounds.

    Before each bout come a rest and one run that is not counted: threads of the one before stop
    spinning and caches fill. After the first round, whose results are dropped where there are
    others, a contestant that has used `budget_s` seconds sits out.
    """
    wall: Dict[str, List[float]] = {name: [] for name in contestants}
    cpu: Dict[str, List[float]] = {name: [] for name in contestants}
    names = list(contestants)
    spent = dict.fromkeys(names, 0.0)
    for number in progress(range(rounds)):
        for name in names[number % len(names):] + names[:number % len(names)]:
            if number > 1 and spent[name] > budget_s:
                continue
            run = contestants[name]
            time.sleep(rest_s)
            began = time.perf_counter()
            run()
            for _ in range(bout):
                processor, start = time.process_time(), time.perf_counter()
                run()
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - processor)
            spent[name] += time.perf_counter() - began
    return {name: summarise(wall[name][bout:] or wall[name], cpu[name][bout:] or cpu[name], bout)
            for name in names}


def summarise(wall_s: List[float], cpu_s: List[float], bout: int = 1) -> Timing:
    """Return medians, the minimum and the spread of runs given in seconds."""
    wall = np.asarray(wall_s) * 1e3
    low, middle, high = np.percentile(wall, (10, 50, 90))
    return Timing(float(middle), float(wall.min()), float(low), float(high),
                  float(np.median(cpu_s)) * 1e3,
                  tuple(wall.reshape(-1, bout).mean(1).tolist()), len(wall))
