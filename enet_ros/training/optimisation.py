"""Optimisers, learning rates over time, and the running average of the weights."""

import copy
import math
from typing import Any, Callable, Dict, Iterable, List, Tuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .recipe import Optimiser


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised (Jordan et al., 2024), for kernels seen as matrices.

    A kernel (out, in, h, w) is taken as a matrix (out, in h w). Five Newton-Schulz iterations bring
    its singular values near one; the step is scaled by 0.2 sqrt(max(rows, columns)), which gives it
    the size of AdamW's.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(parameters, {'lr': lr, 'momentum': momentum, 'weight_decay': weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            momentum = group['momentum']
            for parameter in group['params']:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state['average'] = torch.zeros_like(parameter)
                state['average'].lerp_(parameter.grad, 1 - momentum)
                ahead = torch.lerp(parameter.grad, state['average'], momentum)
                matrix = ahead.reshape(len(ahead), -1)
                update = orthogonalise(matrix).reshape(parameter.shape)
                parameter.mul_(1 - group['lr'] * group['weight_decay'])
                parameter.add_(update, alpha=-group['lr'] * 0.2 * math.sqrt(max(matrix.shape)))


def orthogonalise(matrix: Tensor) -> Tensor:
    """Bring the singular values of a matrix to about one (0.7..1.2) by five iterations."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.t() if tall else matrix
    x = x / (x.norm() + 1e-12)
    for _ in range(5):
        gram = x @ x.t()
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.t() if tall else x


def build(options: Optimiser, network: nn.Module) -> List[torch.optim.Optimizer]:
    """Return the recipe's optimiser(s); biases, batch norms and slopes are not decayed, but by 'adam'."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups: List[Dict[str, Any]] = [{'params': matrices}, {'params': vectors, 'weight_decay': 0.0}]
    if options.kind == 'adam':
        return [torch.optim.Adam(network.parameters(), options.lr, weight_decay=options.weight_decay)]
    if options.kind == 'adamw':
        return [torch.optim.AdamW(groups, options.lr, weight_decay=options.weight_decay)]
    if options.kind == 'sgd':
        return [torch.optim.SGD(groups, options.lr, momentum=options.momentum,
                                weight_decay=options.weight_decay)]
    outputs = {id(p) for name, p in network.named_parameters()
               if name.endswith(('last.weight', 'classifier.weight'))}
    hidden = [p for p in matrices if id(p) not in outputs]
    rest = [p for p in network.parameters() if p.ndim <= 1 or id(p) in outputs]
    return [Muon(hidden, options.lr, options.momentum, options.weight_decay),
            torch.optim.AdamW(rest, options.vector_lr, weight_decay=0.0)]


def rate_factor(options: Optimiser, progress: float) -> float:
    """Return what the learning rate is multiplied by at `progress` (0..1) of the stage."""
    progress = min(max(progress, 0.0), 1.0)
    rise = min(1.0, progress / options.warmup) if options.warmup else 1.0
    if options.schedule == 'poly':
        return rise * (1 - progress) ** options.power
    if options.schedule == 'trapezoid':
        return rise * min(1.0, (1 - progress) / options.cooldown)
    return rise


def set_rates(optimisers: List[torch.optim.Optimizer], factor: float) -> None:
    """Set every group's learning rate to its first one times `factor`."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group.setdefault('first_lr', group['lr'])
            group['lr'] = group['first_lr'] * factor


def average(network: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a network's parameters and statistics.

    In the first steps, when the network is still far off, it follows faster than `decay`.
    """
    def follow(own: Any, its: Any, steps: Any) -> None:
        if own[0].is_floating_point():
            kept = min(decay, (1 + float(steps)) / (10 + float(steps)))
            torch._foreach_lerp_(own, its, 1 - kept)

    return AveragedModel(network, multi_avg_fn=follow, use_buffers=True).eval().requires_grad_(False)


@torch.no_grad()
def recalibrate(network: nn.Module, images: Iterable[Tensor]) -> int:
    """Take every batch norm's statistics again as plain means over `images`; return how many were seen.

    What averaged weights need (Izmailov et al., 2018), and what SegNet's recipe does after training.
    Dropout stays off meanwhile.
    """
    norms: List[Tuple[Any, Any]] = []
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            norms.append((module, module.momentum))
            module.reset_running_stats()
            module.momentum = None      # a cumulative mean
            module.train()
    seen = 0
    for batch in images:
        network(batch)
        seen += len(batch)
    for module, momentum in norms:
        module.momentum = momentum
    network.eval()
    return seen


def recalibrate_if_better(network: nn.Module, images: Callable[[], Iterable[Tensor]],
                          score: Callable[[], float]) -> bool:
    """Recalibrate, and undo it where the `score` falls, as it may; return whether it was kept."""
    before, earlier = copy.deepcopy(network.state_dict()), score()
    recalibrate(network, images())
    if score() >= earlier:
        return True
    network.load_state_dict(before)
    return False
