"""Data-parallel training on the CPU: processes of few threads that average their gradients once a step.

Threads wait for one another at every layer, these processes once a step, which matters where other work
keeps the cores busy.
"""

import multiprocessing
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
import threading
from typing import Any, Callable, Iterable, List, Tuple

import torch
from torch import nn

_WAIT_SECONDS = 3600.0      # the leader validates meanwhile
_RANDOM_BYTES = 5056        # of torch's CPU generator


class Group:
    """The processes of one training; rank 0 leads: it validates, logs and saves."""

    def __init__(self, size: int, parameters: int) -> None:
        """Prepare shared memory for `size` processes and networks of up to `parameters` parameters."""
        self.size, self.rank = size, 0
        self._values = torch.zeros(size, parameters + 2).share_memory_()
        self._random = torch.zeros(size, _RANDOM_BYTES, dtype=torch.uint8).share_memory_()
        self._barrier = multiprocessing.get_context('spawn').Barrier(size)

    def average(self, parameters: Iterable[nn.Parameter], share: float, loss: float) -> Tuple[float, float]:
        """Replace every gradient by the mean over the processes; return the leader's share, the mean loss."""
        used = [p for p in parameters if p.grad is not None]
        flat = torch.cat([p.grad.flatten() for p in used])
        row = self._values[self.rank]
        row[:len(flat)] = flat
        row[-2], row[-1] = share, loss
        self._barrier.wait(_WAIT_SECONDS)
        mean = self._values[:, :len(flat)].mean(0)
        leaders, losses = float(self._values[0, -2]), float(self._values[:, -1].mean())
        self._barrier.wait(_WAIT_SECONDS)
        for parameter, gradient in zip(used, mean.split([p.numel() for p in used])):
            parameter.grad.copy_(gradient.view_as(parameter.grad))
        return leaders, losses

    def agree(self, value: float) -> float:
        """Return the leader's `value` in every process."""
        self._values[self.rank, -2] = value
        self._barrier.wait(_WAIT_SECONDS)
        leaders = float(self._values[0, -2])
        self._barrier.wait(_WAIT_SECONDS)
        return leaders

    def random_states(self) -> torch.Tensor:
        """Return the random states of all processes, (size, bytes) uint8."""
        self._random[self.rank] = torch.get_rng_state()
        self._barrier.wait(_WAIT_SECONDS)
        states = self._random.clone()
        self._barrier.wait(_WAIT_SECONDS)
        return states

    def leave(self) -> None:
        """Tell the others not to wait any longer: this process ends early."""
        self._barrier.abort()


def follow(group: Group, work: Callable[[Group, Any], None], argument: Any) -> List[SpawnProcess]:
    """Start the processes of rank 1 and up, each running `work(group, argument)`."""
    context = multiprocessing.get_context('spawn')
    followers = [context.Process(target=_run, args=(group, rank, work, argument), daemon=True)
                 for rank in range(1, group.size)]
    for process in followers:
        process.start()
    threading.Thread(target=_watch, args=(group, followers), daemon=True).start()
    return followers


def _watch(group: Group, followers: List[SpawnProcess]) -> None:
    """End the others' waiting when a process dies, killed for memory for example."""
    waiting = list(followers)
    while waiting:
        connection.wait([process.sentinel for process in waiting])
        for process in waiting:
            process.join(0)
        if any(process.exitcode for process in waiting):
            group.leave()
            return
        waiting = [process for process in waiting if process.exitcode is None]


def _run(group: Group, rank: int, work: Callable[[Group, Any], None], argument: Any) -> None:
    group.rank = rank
    try:
        work(group, argument)
    except (KeyboardInterrupt, threading.BrokenBarrierError):
        pass        # the leader ended, and says why
    except BaseException:
        group.leave()
        raise
