"""The plan of faults, the ledger's arithmetic, and a short run of the whole."""

import json
from pathlib import Path
import subprocess
import sys
from typing import Any, List

import numpy as np
import pytest

from enet_ros.errors import InputError
from enet_ros.images import to_array
from enet_ros.latency.rows import FrameRow, RowWriter
from enet_ros.rigs.processes import Usage
from enet_ros.rigs.soak import faults
from enet_ros.rigs.soak.ledger import Ledger, Published
from enet_ros.rigs.soak.summary import flatness, recount
from enet_ros.timing import FrameTiming


def _frames(count: int) -> List[Published]:
    return [Published(('front', number), float(number), '', 96, 128, True) for number in range(count)]


def _ledger(told: 'dict') -> Ledger:
    ledger = Ledger()
    for number, (outcome, sequence) in told.items():
        ledger.report(('front', number), outcome, sequence, float(number))
    return ledger


def test_plan_says_truly_what_can_be_decoded() -> None:
    """The converter itself agrees with the plan on 3000 frames; the same seed gives the same plan."""
    frames = faults.plan(3, share=0.5)
    planned = [next(frames) for _ in range(3000)]
    again = faults.plan(3, share=0.5)
    assert planned[:100] == [next(again) for _ in range(100)]
    assert {frame.fault for frame in planned} == set(faults.KINDS) | {''}
    for frame in planned:
        data = np.zeros(frame.size, np.uint8)
        try:
            array, _ = to_array(data, frame.height, frame.width, frame.encoding, frame.step)
            assert frame.decodable and array.shape == (frame.height, frame.width, 3)
        except InputError:
            assert not frame.decodable, frame


def test_all_is_told() -> None:
    """Segmented and dropped, nothing lost."""
    told = {number: ('segmented' if number % 2 else 'superseded', number) for number in range(10)}
    balance = _ledger(told).balance(_frames(10))
    assert (balance['frames_in'], balance['frames_segmented'], balance['frames_dropped']) == (10, 5, 5)
    assert balance['lost_without_reason'] == balance['lost_in_transport'] == balance['wrong_count'] == 0


def test_lost_in_transport_against_kept_silent() -> None:
    """Consecutive numbers around a hole: it never arrived. A skipped number: the node kept silent."""
    transport = _ledger({0: ('segmented', 0), 3: ('segmented', 1)}).balance(_frames(4))
    assert transport['lost_in_transport'] == 2 and transport['lost_without_reason'] == 0
    silent = _ledger({0: ('segmented', 0), 3: ('segmented', 2)}).balance(_frames(4))
    assert silent['lost_in_transport'] == 1 and silent['lost_without_reason'] == 1
    tail = _ledger({0: ('segmented', 0)}).balance(_frames(2))
    assert tail['lost_without_reason'] == 1


def test_what_a_killed_node_held_went_with_it() -> None:
    """A frame at work when the process ends, later ones told already; a mere pause explains nothing."""
    told = {0: ('segmented', 0), 1: ('superseded', 1), 3: ('superseded', 3), 5: ('segmented', 0)}
    for ended, lost in ((True, 0), (False, 1)):
        ledger = _ledger(told)
        ledger.outage(1.5, 4.5, ended)
        assert ledger.balance(_frames(6))['lost_without_reason'] == lost


def test_memory_is_compared_within_a_phase_once_it_has_settled() -> None:
    """What a phase starts with does not count, what it gains after 1,000 frames does."""
    def phase(*memory: float) -> 'list':
        return [(500 * index, Usage(value, 20 + index)) for index, value in enumerate(memory)]

    told = flatness({'faults': phase(50, 90, 100, 104, 110), 'overload': phase(120, 115, 100, 100, 103)})
    assert told['memory_growth'] == pytest.approx(0.03) and told['threads_growth'] == 2
    assert told['memory_growth_under_faults'] == pytest.approx(0.10)
    assert told['memory_first_mb'] == 100 and told['memory_mb_per_1000_frames'] == pytest.approx(3.0)
    assert told['memory_series_mb_overload'] == [100, 100, 103] and told['frames_under_overload'] == 2000
    assert flatness({'overload': phase(100, 101, 102)})['memory_growth'] is None     # settled only at its end


def test_outage_explains_only_its_own_time() -> None:
    """Frames around a restart are explained, a restart that nobody ordered is not."""
    told = {0: ('segmented', 0), 1: ('segmented', 1), 6: ('segmented', 0), 7: ('segmented', 1)}
    ledger = _ledger(told)
    ledger.outage(1.5, 4.0)
    balance = ledger.balance(_frames(8))
    assert balance['lost_in_outages'] == 4 and balance['lost_without_reason'] == balance['wrong_count'] == 0
    balance = _ledger(told).balance(_frames(8))
    assert balance['lost_without_reason'] == 4 and balance['wrong_count'] == 1
    ended = _ledger({0: ('segmented', 0)})
    ended.outage(0.5, 2.0)
    assert ended.balance(_frames(3))['lost_in_outages'] == 2


def _counts(received: int, lost: int, unknown: int = 0) -> 'dict':
    return {'frames_in': str(received), 'lost_in_transport': str(lost),
            'lost_in_transport_unknown': str(unknown)}


@pytest.mark.parametrize('counts, wrong', [
    ((3, 2), 0), ((3, 0), 1), ((3, 3), 1), ((2, 2), 1), ((4, 2), 1)])
def test_the_nodes_own_counts_are_checked(counts: Any, wrong: int) -> None:
    """A node that says nothing of lost images, or counts too many, is found out."""
    ledger = _ledger({0: ('segmented', 0), 3: ('segmented', 1), 4: ('superseded', 2)})
    ledger.count('front', _counts(*counts))
    assert ledger.balance(_frames(5))['wrong_count'] == wrong


def test_the_nodes_counts_are_those_of_its_last_life() -> None:
    """What was before a restart is counted no longer; what got lost while it was down never was."""
    ledger = _ledger({0: ('segmented', 0), 2: ('segmented', 1), 6: ('segmented', 1), 8: ('segmented', 2)})
    ledger.outage(2.5, 4.5, ended=True)
    ledger.count('front', _counts(3, 1))       # the one with number 0 was reported before anybody listened
    balance = ledger.balance(_frames(9))
    assert balance['wrong_count'] == balance['lost_without_reason'] == 0, balance['wrong']


@pytest.mark.parametrize('lost, unknown, wrong', [(0, 0, 1), (0, 2, 0), (2, 2, 0), (3, 2, 1)])
def test_losses_of_two_publishers_are_unknown_and_said_to_be(lost: int, unknown: int, wrong: int) -> None:
    """They are received in another order than sent; a node that says it knows all of them is wrong."""
    ledger = Ledger()
    for sequence, number in enumerate([0, 2, 1, 5]):        # 3 and 4 never arrived
        ledger.report(('front', number), 'segmented', sequence, float(sequence))
    ledger.several('rear', 0.5, 4.5)
    assert ledger.balance(_frames(6))['wrong_count'] == 0
    ledger.several('front', 0.5, 4.5)
    ledger.count('front', _counts(4, lost, unknown))
    balance = ledger.balance(_frames(6))
    assert balance['lost_in_transport'] == 2 and balance['lost_without_reason'] == 0
    assert balance['wrong_count'] == wrong


def test_recount_finds_what_the_summary_hides(tmp_path: Path) -> None:
    """Files of three frames; a summary that agrees with them, and several that do not."""
    camera, reports, recording = (tmp_path / name for name in ('front.txt', 'reports.txt', 'latency.csv'))
    camera.write_text(''.join(f'{number} {number} - 96 128 1\n' for number in range(3)) + '3 12')
    reports.write_text('front 0 segmented 0 10\nfront 2 superseded 1 30\n')
    writer = RowWriter(recording)
    for sequence, received in ((0, 10), (1, 30)):
        writer.write([FrameRow(FrameTiming('front', sequence, 5, 'superseded', {'received': received}, 7))])
    truth = {'frames_published': 3, 'frames_in': 2, 'frames_segmented': 1, 'dropped_by': {'superseded': 1},
             'lost_in_transport': 1, 'lost_in_outages': 0, 'lost_without_reason': 0}
    lies = [{'frames_published': 4}, {'frames_in': 3}, {'frames_segmented': 2}, {'dropped_by': {}},
            {'lost_in_transport': 0}]
    for lie in [{}] + lies:     # type: List[Any]
        summary = dict(truth, **lie, wrong=[], wrong_count=0)
        recount([camera], reports, recording, summary)
        assert summary['wrong_count'] == len(summary['wrong']) == len(lie), summary['wrong']
    assert summary['recount']['lost'] == 1 and summary['recount']['recorded'] == 2
    writer.write([FrameRow(FrameTiming('front', 2, 5, 'superseded', {'received': 40}, 7))])
    writer.close()
    summary = dict(truth, wrong=[], wrong_count=0)
    recount([camera], reports, recording, summary)
    assert 'nobody else knows' in summary['wrong'][0]


@pytest.mark.parametrize('outcome, decodable', [
    ('segmented', False), ('refused', True), ('engine_error', True)])
def test_wrong_outcomes_are_found(outcome: str, decodable: bool) -> None:
    """Garbage that was segmented, and good frames that were refused."""
    frames = [frame._replace(decodable=decodable) for frame in _frames(1)]
    assert _ledger({0: (outcome, 0)}).balance(frames)['wrong_count'] == 1


def test_wrong_labels_are_found() -> None:
    """Labels of another size than the image, or with too little data; frames told twice or never sent."""
    ledger = _ledger({0: ('segmented', 0)})
    ledger.label(('front', 0), 96, 127, 96 * 127 - 1)
    ledger.report(('front', 0), 'superseded', 0, 0.0)
    ledger.report(('front', 9), 'superseded', 1, 1.0)
    assert ledger.balance(_frames(1))['wrong_count'] == 4


def test_a_short_run(ros_env: Any, random_weights: Path, tmp_path: Path) -> None:
    """Eleven seconds of everything at once: no frame is lost without a reason."""
    pytest.importorskip('rclpy')
    done = subprocess.run(
        [sys.executable, '-m', 'enet_ros', 'soak', '--duration', '11', '--share', '0.2', '--seed', '1',
         '--weights', str(random_weights), '--engine', 'torch', '--output', str(tmp_path)],
        stdout=subprocess.PIPE, timeout=240)
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert done.returncode == 0, (done.stdout, summary['wrong'])
    assert summary['lost_without_reason'] == summary['wrong_count'] == 0
    assert summary['frames_in'] == summary['frames_segmented'] + summary['frames_dropped']
    assert summary['frames_segmented'] > 20 and summary['dropped_by']['superseded'] > 0
    assert summary['errors_survived'] > 0 and sum(summary['faults_injected'].values()) > 20
    assert sum(summary['disturbances'].values()) >= 1
    assert summary['recount']['frames_in'] == summary['frames_in'] and summary['recount']['recorded'] > 0
    assert json.loads((tmp_path / 'latency.json').read_text())['frames_in'] > 0
