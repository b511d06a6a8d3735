"""Ratios that matter, from the rows of one run, beside what is aimed at."""

from typing import Any, Dict, List, NamedTuple, Optional

from .contestants import PEERS
from .speed import MAIN_SIZE, SIZES

Rows = List[Dict[str, Any]]


class Target(NamedTuple):
    """A measured figure and the bound it should keep."""

    what: str
    bound: float
    at_least: bool      # else at most
    measured: Optional[float]
    unit: str = 'times'

    @property
    def met(self) -> Optional[bool]:
        """Whether the bound is kept; None where nothing was measured."""
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def assess(result: Dict[str, Any]) -> List[Target]:
    """Return the targets of the sections that were measured."""
    return _time_targets(result) + _node_targets(result.get('node', []))


def _time_targets(result: Dict[str, Any]) -> List[Target]:
    rows: Rows = result.get('times', [])
    if not rows:
        return []
    best = fastest(rows, 'enet', MAIN_SIZE)
    targets = [
        Target('ENet 640x360, best engine: faster than ' + peer, bound, True,
               _ratio(_row(rows, 'enet', MAIN_SIZE, peer), best))
        for peer, bound in zip(PEERS, (3.5, 2.2, 15.0, 15.0))]
    return targets + [
        Target("ENet 640x360 over the arithmetic's floor", 2.0, False, _floor_ratio(result, best)),
        Target('SegNet over ENet, 640x360, same engine', 18.0, True, _segnet_ratio(rows)),
        Target('ENet, time a pixel from 480x320 to 1920x1080: off the mean', 15.0, False,
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
