"""Large images over the real transport: best effort with and without the profile."""

from pathlib import Path
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from harness import Observer, Process, diagnostics, environment, values_of, verdict
import numpy as np
from sensor_msgs.msg import Image

from enet_ros.resources import find

NODE = '/segmentation_node'
PARAMETERS = ['engine:=openvino', 'threads:=1', 'max_rate:=2']


def test_best_effort_images_arrive_from_a_camera_under_the_profile(
        domain_id: int, random_weights: Path) -> None:
    count = 30
    with Observer(domain_id) as observer:
        statuses = observer.listen(DiagnosticArray, '/diagnostics')
        observer.listen(Image, NODE + '/labels')
        with Process('segmentation_node', domain_id,
                     PARAMETERS + [f'weights:={random_weights}']) as node:
            node.wait_for('active on')
            with Process('playback_node', domain_id, [
                    'source:=synthetic', 'width:=640', 'height:=360', 'best_effort:=true', 'rate:=10',
                    f'max_frames:={count}']) as camera:
                assert camera.ends() == 0, camera.said
                assert f'published {count} frames' in camera.said
            values = observer.wait(lambda: settled(statuses), 'diagnostics')
            assert values['reliability'] == 'best_effort'
            assert int(values['frames_in']) >= 0.9 * count, values
            assert node.interrupt() == 0
            assert 'lost on the way' not in node.said


def test_a_best_effort_camera_without_the_profile_brings_advice(
        domain_id: int, random_weights: Path, tmp_path: Path) -> None:
    images = tmp_path / 'images'
    images.mkdir()
    for index in range(2):
        cv2.imwrite(str(images / f'{index}.png'), np.full((90, 160, 3), 99, np.uint8))
    defaults = tmp_path / 'defaults.xml'    # a profile of the user's own, which changes nothing
    defaults.write_text('<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"></profiles>')
    with Observer(domain_id) as observer:
        statuses = observer.listen(DiagnosticArray, '/diagnostics')
        with Process('segmentation_node', domain_id,
                     PARAMETERS + [f'weights:={random_weights}']) as node:
            node.wait_for('active on')
            with Process('playback_node', domain_id, [
                    f'source:={tmp_path}', 'loop:=true', 'rate:=30', 'width:=1920', 'height:=1080',
                    'best_effort:=true'], env=environment(domain_id, str(defaults))) as camera:
                camera.wait_for('left as it is')
                node.wait_for(r'lost on the way \(best effort\).*FASTRTPS_DEFAULT_PROFILES_FILE')
                observer.wait(lambda: str(find('config', 'fastdds.xml')) in verdict(statuses, 'camera'),
                              'the advice')
                assert camera.interrupt() == 0 and 'Traceback' not in camera.said


def settled(statuses: Any) -> Any:
    """Return the camera's values once its publisher has gone, None before."""
    values = values_of(diagnostics(statuses)['camera']) if 'camera' in diagnostics(statuses) else {}
    return values if values.get('publishers') == '0' and values['frames_in'] != '0' else None
