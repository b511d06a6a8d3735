"""Ratios that matter, from the rows of one run, beside what is aimed at."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from .contestants import PEERS
from .speed import MAIN_SIZE, SIZES

BUSY_CORES = 0.1
NAME = 'segmentation_node'
Rows = List[Dict[str, Any]]


class Target(NamedTuple):
    """A measured figure and the bound it should keep."""

    what: str
    bound: float
    at_least: bool      # else at most
    measured: Optional[float]
    unit: str = 'times'
    spread: Optional[Tuple[float, float]] = None    # 10 % and 90 % of the rounds' own figures
    met: Optional[bool] = None      # None where nothing was measured, or the machine was busy


def assess(result: Dict[str, Any]) -> List[Target]:
    """Return the targets of the sections that were measured."""
    targets = (_time_targets(result) + _node_targets(result.get('node', []))
               + _rival_targets(result.get('rivals', [])))
    return [target._replace(met=_met(target, busy(result.get('machine', {})))) for target in targets]


def busy(described: Dict[str, Any]) -> bool:
    """Whether others took so much of the processor during the run that it judges nothing."""
    return float(described.get('others_cores', 0.0)) > BUSY_CORES


def _met(target: Target, was_busy: bool) -> Optional[bool]:
    if target.measured is None or was_busy:
        return None
    return target.measured >= target.bound if target.at_least else target.measured <= target.bound


def _rival_targets(rows: Rows) -> List[Target]:
    """Compare the node with the plain one, and with its engine alone."""
    duels: Dict[Any, Dict[str, Any]] = {}
    for row in rows:
        duel = ('{}x{} {:g} Hz, engine {}, '.format(*row['size'], row['rate'], row['engine'])
                + ('config/fastdds.xml: ' if row['profile'] else 'own transport: '))
        duels.setdefault(duel, {})[row['node']] = row
    targets = []
    for duel, found in duels.items():
        own, naive, alone = found[NAME], found['naive node'], found.get('the engine alone')
        for key, what in (('p50', 'delay, median,'), ('processor_ms', 'processor time')):
            targets.append(Target(f'{duel}{what} over the naive node', 1.0, False, own[key] / naive[key]))
        if alone is not None:
            targets += [
                Target(duel + 'p50 over the engine alone', 6.0, False, own['p50'] - alone['p50'], 'ms'),
                Target(duel + 'p99 over the engine alone', 15.0, False, own['p99'] - alone['p99'], 'ms'),
                Target(duel + 'processor time over the engine alone', 1.15, False,
                       own['processor_ms'] / alone['processor_ms'])]
        elif own['profile']:
            delay, processor = (3.0, 2.0) if tuple(own['size']) == MAIN_SIZE else (8.0, 4.0)
            targets += [Target(duel + 'delay, median', delay, False, own['p50'], 'ms'),
                        Target(duel + 'processor time a label', processor, False, own['processor_ms'], 'ms')]
    return targets


def _time_targets(result: Dict[str, Any]) -> List[Target]:
    rows: Rows = result.get('times', [])
    if not rows:
        return []
    best = fastest(rows, 'enet', MAIN_SIZE)
    targets = [
        Target('ENet 360x640, best engine: faster than ' + peer, bound, True,
               _ratio(_row(rows, 'enet', MAIN_SIZE, peer), best), 'times',
               _spread(_row(rows, 'enet', MAIN_SIZE, peer), best))
        for peer, bound in zip(PEERS, (3.5, 2.2, 15.0, 15.0, 1.0, 1.0))]
    return targets + [
        Target("ENet 360x640 over the arithmetic's floor", 2.0, False, _floor_ratio(result, best)),
        Target('SegNet over ENet, 360x640, same engine', 18.0, True, _segnet_ratio(rows)),
        Target('ENet, time a pixel from 320x480 to 1080x1920: off the mean', 15.0, False,
               _departure(rows, best), '%')]


def _node_targets(runs: Rows) -> List[Target]:
    """Own work is that of the first runs without and with an overlay listener."""
    if not runs:
        return []
    without, overlaid = [next((run for run in runs if run['overlay'] is heard), None)
                         for heard in (False, True)]
    more = overlaid['own_ms'] - without['own_ms'] if without and overlaid else None
    return [
        Target("the node's own work over the engine's, no overlay listener", 15.0, False,
               100 * without['own_ms'] / without['engine_ms'] if without else None, '%'),
        Target('an overlay listener adds', 6.0, False, more, 'ms'),
        # The first run fills the cache of engines.
        Target('from the start of the process to the first label', 5.0, False,
               min(run['first_label_s'] for run in runs), 's'),
        Target('resident memory of the node', 600.0, False, max(run['memory_mb'] for run in runs), 'MB')]


def fastest(rows: Rows, network: str, size: Any) -> Optional[Dict[str, Any]]:
    """Return the row of the package's fastest engine for a network at (height, width)."""
    own = [row for row in rows if row['network'] == network and not row['peer']
           and (row['height'], row['width']) == tuple(size)]
    return min(own, key=lambda row: row['median_ms']) if own else None


def _row(rows: Rows, network: str, size: Any, engine: str) -> Optional[Dict[str, Any]]:
    found = [row for row in rows if (row['network'], row['engine'], row['height'], row['width'])
             == (network, engine) + tuple(size)]
    return found[0] if found else None


def _ratio(slower: Optional[Dict[str, Any]], faster: Optional[Dict[str, Any]]) -> Optional[float]:
    return slower['median_ms'] / faster['median_ms'] if slower and faster else None


def _spread(slower: Optional[Dict[str, Any]],
            faster: Optional[Dict[str, Any]]) -> Optional[Tuple[float, float]]:
    """Return 10 % and 90 % of the ratios within the same round."""
    if not (slower and faster):
        return None
    ratios = [one / other for one, other in zip(slower['rounds_ms'], faster['rounds_ms'])]
    low, high = np.percentile(ratios, (10, 90))
    return float(low), float(high)


def _segnet_ratio(rows: Rows) -> Optional[float]:
    segnet = fastest(rows, 'segnet', MAIN_SIZE)
    return _ratio(segnet, _row(rows, 'enet', MAIN_SIZE, segnet['engine'])) if segnet else None


def _floor_ratio(result: Dict[str, Any], best: Optional[Dict[str, Any]]) -> Optional[float]:
    """Time over what 2 operations a multiply-accumulate take at the matrix product's rate."""
    cost = [row for row in result.get('costs', []) if (row['network'], row['classes']) == ('enet', 11)]
    gflops = result.get('roofline', {}).get('gflops')
    if not (best and cost and gflops):
        return None
    return float(best['median_ms'] / (2 * cost[0]['macs'] / gflops / 1e6))


def _departure(rows: Rows, best: Optional[Dict[str, Any]]) -> Optional[float]:
    if best is None:
        return None
    times = [_row(rows, 'enet', size, best['engine']) for size in SIZES]
    per_pixel = [row['median_ms'] / (row['height'] * row['width']) for row in times if row]
    if len(per_pixel) < 2:
        return None
    mean = sum(per_pixel) / len(per_pixel)
    return float(100 * max(abs(value / mean - 1) for value in per_pixel))
