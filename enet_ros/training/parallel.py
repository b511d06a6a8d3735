"""Data-parallel training on the CPU: processes of few threads that average their gradients once a step.

Threads wait for one another at every layer, these processes once a step, which matters where other work
keeps the cores busy. They speak through torch.distributed (gloo) over the loopback.
"""

import datetime
import multiprocessing
from multiprocessing.connection import Connection
import os
from pathlib import Path
import shutil
import signal
import tempfile
from typing import Any, Callable, List, Sequence

import torch
from torch import Tensor, distributed, nn

from ..errors import InputError

_PATIENCE = datetime.timedelta(hours=2)     # the leader validates, or asks a teacher, meanwhile


class _Total(torch.autograd.Function):
    """Adds a tensor up over the processes, and on the way back its gradients."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        """Return the sum."""
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    backward = forward


class Group:
    """The processes of one training; rank 0 leads: it validates, logs and saves."""

    def __init__(self, rank: int, size: int, meeting: str) -> None:
        """Join the group of `size` processes that meet at the file `meeting`, which goes once all have."""
        os.environ.setdefault('GLOO_SOCKET_IFNAME', 'lo')
        distributed.init_process_group('gloo', init_method=f'file://{meeting}', rank=rank, world_size=size,
                                       timeout=_PATIENCE)
        self.rank, self.size = rank, size
        self.agree(0.0)
        if rank == 0:
            shutil.rmtree(str(Path(meeting).parent), ignore_errors=True)

    def average(self, network: nn.Module, numbers: Sequence[float]) -> List[float]:
        """Replace gradients and batch-norm statistics by their means; return the means of `numbers`."""
        tensors = [p.grad for p in network.parameters() if p.grad is not None]
        tensors += [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        flat = torch.cat([tensor.flatten() for tensor in tensors] + [torch.tensor(numbers)])
        distributed.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors] + [len(numbers)])):
            tensor.copy_(mean.view_as(tensor))
        return [float(number) for number in flat[-len(numbers):]]

    def agree(self, value: float) -> float:
        """Return the leader's `value` in every process."""
        shared = torch.tensor(value, dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return float(shared)

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum over the processes.

        Its gradient is the sum over theirs, so that after `average` every process has the gradient of
        the whole batch's loss.
        """
        return _Total.apply(tensor)

    def random_states(self) -> Tensor:
        """Return the states of torch's generator in all processes, (size, bytes) uint8."""
        states = [torch.zeros_like(torch.get_rng_state()) for _ in range(self.size)]
        distributed.all_gather(states, torch.get_rng_state())
        return torch.stack(states)

    def leave(self) -> None:
        """End the group; processes that still wait for this one get an error."""
        distributed.destroy_process_group()


Join = Callable[[], Group]


def lead(size: int, work: Callable[[Join, Any], None], argument: Any) -> Group:
    """Start the processes of rank 1 and up, each running `work(join, argument)`; return the leader's group.

    `work` calls `join` when it is ready to train. InputError where one ends before that.
    """
    context = multiprocessing.get_context('spawn')
    meeting = str(Path(tempfile.mkdtemp(prefix='enet_ros_training_')) / 'meeting')
    waiting = []
    for rank in range(1, size):
        ours, theirs = context.Pipe(False)
        context.Process(target=_run, args=(rank, size, meeting, theirs, work, argument), daemon=True).start()
        theirs.close()
        waiting.append(ours)
    for pipe in waiting:
        try:
            pipe.recv()
        except EOFError:
            shutil.rmtree(str(Path(meeting).parent), ignore_errors=True)
            raise InputError('a process of the training ended before it began; '
                             'try without --processes') from None
    return Group(0, size, meeting)


def _run(rank: int, size: int, meeting: str, pipe: Connection, work: Callable[[Join, Any], None],
         argument: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # the leader stops all of them together

    def join() -> Group:
        pipe.send(True)
        return Group(rank, size, meeting)

    try:
        work(join, argument)
    except RuntimeError as error:
        if not lost(error):
            raise       # else the leader ended, and says why


def lost(error: RuntimeError) -> bool:
    """Tell whether an error means that another process of the group is gone."""
    return 'gloo' in str(error)
