"""Verdicts that an operator can act on."""

from typing import Any

import pytest

from enet_ros.nodes.segmentation.camera_checks import (
    ERROR,
    OK,
    WARN,
    CameraState,
    camera_values,
    judge_camera,
    judge_engine,
    resources,
    transport_advice,
)
from enet_ros.nodes.segmentation.camera_statistics import Snapshot
from enet_ros.timing import DROP_REASONS

WELL = Snapshot('front', 300, dict.fromkeys(DROP_REASONS, 0), 0, 30.0, 29.5, 0.06, 0.02, 0.01, 0, 0.0, 0,
                0, 0, '')
STATE = CameraState('/front/image', 60.0, 1, True, True, 0.0, '/share/fastdds.xml')


@pytest.mark.parametrize('snapshot, state, level, words', [
    ({}, {}, OK, '29.5 Hz'),
    ({}, {'listened': False}, OK, 'nobody listens'),
    ({'silence': None}, {'active_seconds': 1.0}, OK, ''),
    ({'silence': None}, {'publishers': 0}, WARN, 'nobody publishes /front/image'),
    ({'silence': None}, {}, ERROR, 'QoS'),
    ({'frames_waiting': 3}, {}, ERROR, '3 frames are unaccounted for'),
    ({}, {'publishers': 2}, WARN, 'what is lost is unknown'),
    ({'silence': 0.45}, {}, OK, 'Hz'),
    ({'silence': 0.6}, {}, WARN, 'no image for 0.6 s'),
    ({'silence': 6.0}, {}, ERROR, 'still there'),
    ({'silence': 0.6}, {'publishers': 0}, ERROR, 'gone'),
    ({'silence': 0.9, 'camera_rate': 5.0}, {}, OK, ''),
    ({'silence': 1.1, 'camera_rate': 5.0}, {}, WARN, 'no image'),
    ({'age': 0.7}, {}, WARN, 'engine is too slow'),
    ({'age': 2.5}, {}, ERROR, 'engine is too slow'),
    ({'age': 0.7, 'image_age': 0.6}, {}, WARN, 'camera and network'),
    ({'age': -0.2, 'image_age': -0.3}, {}, WARN, 'synchronise clocks'),
    ({'age': 1e9, 'image_age': 1e9}, {}, WARN, 'use_sim_time'),
    ({'rate': 12.0}, {}, WARN, 'labels at 12.0 Hz, camera at 30.0 Hz'),
    ({'rate': 12.0}, {'max_rate': 12.0}, OK, '12.0 Hz'),
    ({'rate': 12.0, 'recent_errors': 3, 'last_error': 'step is 5'}, {}, WARN, 'step is 5'),
    ({'rate': None, 'recent_errors': 3, 'last_error': 'step is 5'}, {}, ERROR, 'step is 5'),
    ({'lost_share': 0.01}, {'reliable': False}, OK, ''),
    ({'lost_share': 0.9}, {'reliable': False}, WARN, 'FASTRTPS_DEFAULT_PROFILES_FILE'),
    ({'lost_share': 0.9}, {'reliable': False}, WARN, '/share/fastdds.xml'),
    ({'lost_share': 0.9}, {}, WARN, 'overloaded'),
])
def test_verdict_on_a_camera(snapshot: Any, state: Any, level: int, words: str) -> None:
    found, message = judge_camera(WELL._replace(**snapshot), STATE._replace(**state))
    assert found == level and words in message, message


def test_the_worst_comes_first() -> None:
    level, message = judge_camera(WELL._replace(age=2.5, lost_share=0.5, rate=5.0), STATE)
    assert level == ERROR and message.startswith('labels are 2.50 s old')
    assert 'lost' in message and '5.0 Hz' in message


def test_values_add_up_and_carry_the_names_of_the_json() -> None:
    dropped = dict(WELL.dropped_by, superseded=4, refused=1)
    values = camera_values(WELL._replace(dropped_by=dropped), STATE)
    assert (values['frames_in'], values['frames_segmented'], values['frames_dropped']) == ('305', '300', '5')
    assert values['dropped_by.superseded'] == '4'
    assert values['age_ms'] == '60.000'
    assert all(isinstance(value, str) for value in values.values())


@pytest.mark.parametrize('age, size, told', [
    (0.021, 2764800, True), (0.004, 2764800, False), (0.021, 400000, False), (None, 2764800, False),
    (-5.0, 2764800, False), (100.0, 2764800, False)])
def test_a_large_image_that_takes_long_on_this_machine_is_told(age: Any, size: int, told: bool) -> None:
    advice = transport_advice(age, size, '/etc/fastdds.xml')
    assert (advice is not None) == told
    if advice:
        assert 'arrive 21 ms after' in advice and 'PROFILES_FILE set to /etc/fastdds.xml' in advice


def test_a_slow_engine_by_fallback_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('os.path.exists', lambda path: False)
    assert judge_engine('auto', 'openvino', 'openvino: first that works')[0] == OK
    assert judge_engine('torch', 'torch', 'torch: asked for')[0] == OK
    level, message = judge_engine('auto', 'torch', 'torch: first that works; openvino: not installed')
    assert level == WARN and 'openvino: not installed' in message
    monkeypatch.setattr('os.path.exists', lambda path: path == '/dev/nvhost-gpu')
    assert judge_engine('auto', 'openvino', 'why')[0] == WARN
    assert judge_engine('auto', 'tensorrt', 'why')[0] == OK


def test_resources_of_this_process() -> None:
    values = resources()
    assert float(values['memory_mb']) > 10 and int(values['threads']) >= 1
