"""Gates for continuous integration: what a result must reach, and a JUnit file of the outcome."""

import math
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from xml.etree import ElementTree

from ..errors import InputError
from .comparison import check, paired_intervals


class Gate(NamedTuple):
    """One requirement, whether it is met, and the figures in words."""

    name: str
    passed: bool
    text: str


def threshold(text: str) -> Tuple[str, float]:
    """Read NAME=VALUE: a key of the result's JSON (class_iou.Car for one class) and its least value."""
    name, _, value = text.partition('=')
    try:
        least = float(value)
    except ValueError:
        least = math.nan
    if not name or not 0 <= least <= 1:
        raise InputError(f"'{text}' is not a gate; write mean_iou=0.7 or class_iou.Car=0.5 (fractions)")
    return name, least


def at_least(result: Mapping[str, Any], name: str, least: float) -> Gate:
    """Compare a score with its least value; a score that the result lacks fails."""
    value: Any = result
    for key in name.split('.', 1):
        value = value.get(key) if isinstance(value, Mapping) else None
    known = isinstance(value, (int, float)) and not math.isnan(value)
    found = f'{value:.4f}' if known else 'not in the result'
    return Gate(f'{name} >= {least:g}', known and value >= least,
                f'{name} is {found}, at least {least:g} is asked')


def coverage(result: Mapping[str, Any]) -> float:
    """Return the share of the annotated frames that was evaluated, 0 where there were none."""
    evaluated = result['frames_evaluated']
    # A dropped frame that was annotated is truth without a prediction as well.
    lost = max(result.get('truth_without_prediction') or 0, result.get('frames_dropped') or 0)
    return float(evaluated / (evaluated + lost)) if evaluated else 0.0


def not_worse(result: Mapping[str, Any], baseline: Mapping[str, Any], tolerance: float,
              name: str) -> List[Gate]:
    """Compare mean IoU and every class with an earlier result.

    A score fails where it is more than `tolerance` lower and, over the same frames, the 95 % interval of the
    difference lies below zero: a drop within chance passes. InputError where nothing can be compared.
    """
    check(baseline, name)
    if list(result['class_iou']) != list(baseline['class_iou']):
        raise InputError(f'{name}: scored in other classes: it cannot be the baseline of this result')
    intervals = paired_intervals(result, baseline) or {}
    pairs = [('mean_iou', result['mean_iou'], baseline['mean_iou'])]
    pairs += [(f'class_iou.{key}', value, baseline['class_iou'][key])
              for key, value in result['class_iou'].items()]
    gates = []
    for key, mine, theirs in pairs:
        if theirs is None or math.isnan(theirs):
            continue
        if mine is None or math.isnan(mine):
            gates.append(Gate(f'{key} as in {name}', False, f'{key} is not in the result'))
            continue
        limits = intervals.get(key)
        shown = ', {:+.4f} to {:+.4f} over the same frames'.format(*limits) if limits else ', other frames'
        worse = mine - theirs < -tolerance - 1e-12 and (limits is None or limits[1] < 0)
        gates.append(Gate(f'{key} as in {name}', not worse,
                          f'{key} is {mine:.4f}, {theirs:.4f} there ({mine - theirs:+.4f}{shown})'))
    return gates


def judge(result: Mapping[str, Any], thresholds: Sequence[Tuple[str, float]] = (),
          min_coverage: Optional[float] = None, baseline: Optional[Mapping[str, Any]] = None,
          tolerance: float = 0.0, baseline_name: str = 'baseline') -> List[Gate]:
    """Return every gate that is asked for."""
    gates = [at_least(result, name, least) for name, least in thresholds]
    if min_coverage is not None:
        share = coverage(result)
        gates.append(Gate(f'coverage >= {min_coverage:g}', share >= min_coverage,
                          f'{share:.4f} of the annotated frames were evaluated, at least {min_coverage:g} '
                          'is asked'))
    if baseline is not None:
        gates += not_worse(result, baseline, tolerance, baseline_name)
    return gates


def gates_text(gates: Sequence[Gate]) -> str:
    """Return the gates for a terminal, one line each."""
    return '\n'.join('{}: {}'.format('passed' if gate.passed else 'FAILED', gate.text) for gate in gates)


def junit(gates: Sequence[Gate]) -> bytes:
    """Return the gates as a JUnit XML file, one test case each."""
    failures = sum(not gate.passed for gate in gates)
    suite = ElementTree.Element('testsuite', name='enet_ros evaluation', tests=str(len(gates)),
                                failures=str(failures), errors='0')
    for gate in gates:
        case = ElementTree.SubElement(suite, 'testcase', classname='enet_ros.evaluation', name=gate.name)
        if not gate.passed:
            ElementTree.SubElement(case, 'failure', message=gate.text)
    return bytes(ElementTree.tostring(suite, encoding='utf-8'))
