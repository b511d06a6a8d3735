"""The paper's Table 2 on this machine: time of a frame by network, size and engine, peers beside them."""

from functools import partial
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

import numpy as np

from ... import networks, weights
from ...networks.cost import measure
from . import contestants, machine
from .race import Timing, race

Size = Tuple[int, int]
Progress = Callable[[Iterable[Any], str], Iterable[Any]]

SIZES = ((320, 480), (360, 640), (720, 1280), (1080, 1920))     # (height, width), as in Table 2
MAIN_SIZE = (360, 640)
PAPER_MS = {    # on a Jetson TX1 and a Titan X
    'TX1': {('enet', (320, 480)): 47, ('enet', (360, 640)): 69, ('enet', (720, 1280)): 262,
            ('segnet', (320, 480)): 757, ('segnet', (360, 640)): 1251},
    'Titan X': {('enet', (360, 640)): 7, ('enet', (720, 1280)): 21, ('enet', (1080, 1920)): 46,
                ('segnet', (360, 640)): 69, ('segnet', (720, 1280)): 289, ('segnet', (1080, 1920)): 637}}


class Plan(NamedTuple):
    """Who runs where, and for how long."""

    sizes: Tuple[Size, ...] = SIZES
    segnet_sizes: Tuple[Size, ...] = SIZES
    peer_sizes: Tuple[Size, ...] = SIZES
    segnet_peers: bool = True
    rounds: int = 20
    budget_s: float = 15.0      # for each contestant at each size


QUICK = Plan(segnet_sizes=SIZES[:2], peer_sizes=(MAIN_SIZE,), segnet_peers=False, rounds=10, budget_s=6.0)


def run(plan: Plan, checkpoint: Optional[weights.Checkpoint], threads: Optional[int],
        progress: Progress) -> Dict[str, Any]:
    """Measure everything in `plan`; return 'times' (rows), 'roofline' and 'missing' (name -> why).

    `checkpoint` stands in for the network it is of; the others are untrained.
    """
    result: Dict[str, Any] = {'times': [], 'roofline': {}, 'missing': {}}
    for network, sizes in (('enet', plan.sizes), ('segnet', plan.segnet_sizes)):
        given = checkpoint if checkpoint and checkpoint.network == network else contestants.untrained(network)
        for size in sizes:
            found, missing = contestants.engines(given, size, threads)
            peers = _peers_of(plan, network, size)
            more, absent = contestants.peers(given, size, peers)
            found.update(more)
            result['missing'].update(missing, **absent)
            limited = network == 'enet' and size == MAIN_SIZE
            timings = _race(found, size, plan, limited, progress, network)
            if limited:
                result['roofline'] = machine.roofline(timings)._asdict()
            result['times'] += _rows(network, size, found, timings)
    return result


def _peers_of(plan: Plan, network: str, size: Size) -> Tuple[str, ...]:
    if size not in plan.peer_sizes:
        return ()
    if network == 'enet':
        return contestants.PEERS
    return contestants.PEERS[:1] if plan.segnet_peers else ()


def _race(found: Dict[str, contestants.Labeller], size: Size, plan: Plan, limited: bool, progress: Progress,
          network: str) -> Dict[str, Timing]:
    frame = _frame(size)
    runners: Dict[str, Callable[[], Any]] = {name: partial(labels, frame) for name, labels in found.items()}
    if limited:
        runners.update(machine.roofline_runners())
    title = f'{network} {size[1]}x{size[0]}'
    return race(runners, plan.rounds, plan.budget_s, progress=lambda rounds: progress(rounds, title))


def _rows(network: str, size: Size, found: Dict[str, contestants.Labeller],
          timings: Dict[str, Timing]) -> List[Dict[str, Any]]:
    """Return a row for each contestant, with the share of pixels on which it agrees with eager PyTorch."""
    frame, eager = _frame(size), contestants.PEERS[0]
    truth = found[eager](frame) if eager in found else None
    rows = []
    for name, labels in found.items():
        row: Dict[str, Any] = dict(network=network, height=size[0], width=size[1], engine=name,
                                   peer=name in contestants.PEERS, rate_hz=timings[name].rate_hz)
        row.update(timings[name]._asdict())
        if truth is not None:
            row['agreement'] = float(np.mean(labels(frame) == truth))
        rows.append(row)
    return rows


def _frame(size: Size) -> np.ndarray:
    """Return a frame of smooth shapes and noise, in which no two pixels of a pooling cell are equal."""
    rows, columns = np.mgrid[:size[0], :size[1]]
    smooth = 127 + 80 * np.sin(rows[..., None] / np.array([37, 29, 41.])) * np.cos(columns[..., None] / 53)
    noise = np.random.default_rng(0).normal(0, 6, size + (3,))
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def costs() -> List[Dict[str, Any]]:
    """Return the paper's Table 3 (at 360x640) from the layers: 11 classes, and 20 as the paper counts."""
    import torch

    from ...deploy import traffic
    from ...deploy.graph import rewrite
    paper = {'enet': 3.83, 'segnet': 286.03}
    rows = []
    for name, classes in (('enet', 11), ('enet', 20), ('segnet', 11), ('segnet', 20), ('segnet-basic', 11)):
        with torch.device('meta'):      # no weights are drawn
            network = networks.build(name, classes)
        cost = measure(network, MAIN_SIZE, False if name == 'segnet' else None)
        rows.append({
            'network': name, 'classes': classes, 'parameters': cost.parameters,
            'model_mb_fp16': cost.model_bytes() / 2 ** 20, 'macs': cost.macs, 'flops': cost.flops,
            'mb_moved_fp16': traffic.of_graph(rewrite(network.eval()), MAIN_SIZE).megabytes(),
            'paper_gflop': paper.get(name) if classes == 20 else None})
    return rows
