"""The file that a container's health check looks at: there while the node is active, and only then."""

from pathlib import Path
from typing import Any

from harness import Observer, Process
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import pytest

PARAMETERS = ('engine:=openvino', 'input_height:=96', 'input_width:=128')


@pytest.fixture
def heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / 'heartbeat'
    monkeypatch.setenv('ENET_HEARTBEAT', str(path))
    return path


def test_it_beats_while_the_node_is_active(domain_id: int, random_weights: Path, heartbeat: Path) -> None:
    def change(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert observer.call(ChangeState, '/segmentation_node/change_state', request).success

    def last() -> Any:
        return heartbeat.exists() and heartbeat.stat().st_mtime_ns

    parameters = [f'weights:={random_weights}', 'autostart:=false', *PARAMETERS]
    with Process('segmentation_node', domain_id, parameters) as process, Observer(domain_id) as observer:
        change(Transition.TRANSITION_CONFIGURE)
        assert not heartbeat.exists()
        change(Transition.TRANSITION_ACTIVATE)
        first = observer.wait(last, 'a heartbeat')
        observer.wait(lambda: last() > first, 'the next heartbeat')
        change(Transition.TRANSITION_DEACTIVATE)
        assert not heartbeat.exists()
        change(Transition.TRANSITION_ACTIVATE)
        observer.wait(last, 'a heartbeat again')
        assert process.interrupt() == 0
        assert not heartbeat.exists()


def test_a_file_that_cannot_be_written_is_told_and_survived(
        domain_id: int, random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'file').touch()
    monkeypatch.setenv('ENET_HEARTBEAT', str(tmp_path / 'file' / 'below'))
    with Process('segmentation_node', domain_id, [f'weights:={random_weights}', *PARAMETERS]) as process:
        process.wait_for('ENET_HEARTBEAT=.*: Not a directory')
        process.wait_for('active on /image')
        assert process.interrupt() == 0
