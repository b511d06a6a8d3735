"""How nodes start and end: signals in every state, and bad input in one line."""

import os
from pathlib import Path
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import List

from harness import PATIENCE, ROOT, Process, environment
import pytest

from enet_ros.errors import InputError
from enet_ros.nodes.common import fastdds, main


@pytest.mark.parametrize('parameters, words', [
    (['weights:=5'], "'weights'"),
    (['input_height:=100', 'input_width:=128'], 'input_height'),
    (['overlay_alpha:=2.0'], 'overlay_alpha'),
    (['engine:=quantum'], 'auto, tensorrt, torch, openvino'),
    (['weights:=/nowhere.npz'], '/nowhere.npz'),
])
def test_a_bad_parameter_is_one_line_and_code_2(domain_id: int, parameters: List[str], words: str) -> None:
    with Process('segmentation_node', domain_id, parameters) as process:
        assert process.ends() == 2
        assert 'Traceback' not in process.said
        [line] = [line for line in process.said.splitlines() if '[INFO]' not in line]
        assert words in line


def test_playback_refuses_what_it_cannot_play(domain_id: int, tmp_path: Path) -> None:
    with Process('playback_node', domain_id, [f'source:={tmp_path}', 'pase:=step']) as process:
        assert process.ends() == 2
        assert 'there is no parameter pase; is pace meant?' in process.said
        assert 'Traceback' not in process.said and str(tmp_path) in process.said


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('autostart, line', [('true', 'loading'), ('false', '')])
def test_a_signal_while_loading_or_unconfigured_ends_well(
        domain_id: int, random_weights: Path, number: int, autostart: str, line: str) -> None:
    parameters = [f'weights:={random_weights}', 'engine:=torch', 'autostart:=' + autostart]
    env = environment(domain_id)
    env['FASTDDS_DEFAULT_PROFILES_FILE'] = '/dev/null/none'     # told in the first line, whatever the state
    with Process('segmentation_node', domain_id, parameters, env=env) as process:
        process.wait_for(line or 'left as it is')
        assert process.interrupt(number) == 0
        assert 'Traceback' not in process.said and '[ERROR]' not in process.said


# Takes the terminal on its standard input for its own, as a shell does, before it becomes the node.
IN_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == 'nohup' else signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, '-m', 'enet_ros'] + sys.argv[2:])
"""


def read_until(terminal: int, word: bytes) -> None:
    """Read what a terminal shows up to a word; AssertionError where it does not come."""
    said, end = b'', time.monotonic() + PATIENCE
    while word not in said:
        assert select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0], said
        said += os.read(terminal, 4096)


@pytest.mark.parametrize('how', ['plain', 'nohup'])
def test_a_closed_terminal_ends_a_recording_well_but_not_under_nohup(
        domain_id: int, tmp_path: Path, how: str) -> None:
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, '-c', IN_TERMINAL, how, 'latency_node', '--ros-args', '-p',
         f'output:={tmp_path}'], cwd=str(ROOT), env=environment(domain_id), start_new_session=True,
        stdin=inside, stdout=inside, stderr=inside)
    os.close(inside)
    read_until(terminal, b'recording ')
    ignored = re.search(r'SigIgn:\s*(\w+)', Path(f'/proc/{process.pid}/status').read_text())
    assert ignored and int(ignored.group(1), 16) & 1 == (how == 'nohup')
    os.close(terminal)
    if how == 'nohup':
        process.terminate()
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / 'latency.json').is_file()


def test_the_profile_is_the_users_if_he_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in fastdds.PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    environment_, text = fastdds.transport_profile()
    assert 'FASTDDS_DEFAULT_PROFILES_FILE' in environment_ and not text
    assert Path(environment_['FASTDDS_DEFAULT_PROFILES_FILE']).name == 'fastdds.xml'
    monkeypatch.setattr('shutil.disk_usage', lambda path: _Disk(2 ** 26))
    environment_, text = fastdds.transport_profile()
    assert not environment_ and '--shm-size' in text
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', '/mine.xml')
    environment_, text = fastdds.transport_profile()
    assert not environment_ and '/mine.xml' in text


@pytest.mark.parametrize('package, names', [
    ('fastrtps', ['FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE']),
    ('fastdds', ['FASTDDS_DEFAULT_PROFILES_FILE'])])    # Kilted's, which warns of the other
def test_the_profile_goes_by_the_name_that_this_fast_dds_reads(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, names: List[str]) -> None:
    for name in fastdds.PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / 'share' / package).mkdir(parents=True)
    monkeypatch.setattr('sys.prefix', str(tmp_path / 'none'))
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    assert sorted(fastdds.transport_profile()[0]) == names


class _Disk:
    def __init__(self, free: int) -> None:
        self.free = free


def test_the_first_wish_to_end_stands() -> None:
    stop = main.Stop()
    woken: List[int] = []
    stop.wakes(lambda: woken.append(1))
    assert not stop.is_set() and not stop.wait(0.0)
    stop.request(2)
    stop.request(0)
    assert stop.is_set() and stop.wait(0.0) and stop.code == 2 and len(woken) == 2


@pytest.mark.parametrize('takes_rest', [True, False])
def test_what_had_arrived_is_served_before_the_end(
        domain_id: int, takes_rest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder takes it, at most for REST_SECONDS; a node that acts does not."""
    from rclpy.node import Node
    from std_msgs.msg import String
    heard: List[str] = []

    class Recorder(Node):
        def __init__(self, stop: main.Stop) -> None:
            super().__init__('recorder')
            self.takes_rest = takes_rest
            self.create_subscription(String, 'words', lambda message: heard.append(message.data), 100)
            self._publisher = self.create_publisher(String, 'words', 100)
            self._stop = stop
            self.create_timer(0.01, self._flood)

        def _flood(self) -> None:
            if self._publisher.get_subscription_count() and not self._stop.is_set():
                for number in range(50):
                    self._publisher.publish(String(data=str(number)))
                self._publisher.wait_for_all_acked(Duration(seconds=PATIENCE))
                self._stop.request()

    from rclpy.duration import Duration
    monkeypatch.setattr(main, 'REST_SECONDS', PATIENCE)
    for name, value in environment(domain_id).items():
        monkeypatch.setenv(name, value)
    assert main.spin_main(Recorder, []) == 0
    assert heard == [str(number) for number in range(50)][:50 * takes_rest]


def test_help_needs_no_ros(capsys: pytest.CaptureFixture) -> None:
    def create(stop: main.Stop) -> None:
        raise InputError('never')
    assert main.spin_main(create, ['--help'], 'what it does') == 0
    assert 'what it does' in capsys.readouterr().out
