"""A segmentation_node that tests share, one camera after the other, and what they do with it."""

from typing import Any, List, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from harness import Observer, Process, values_of
from sensor_msgs.msg import Image


class Stage(NamedTuple):
    """One running node, and the test's own node beside it."""

    process: Process
    observer: Observer
    labels: List[Image]
    timing: List[DiagnosticArray]
    diagnostics: List[DiagnosticArray]


def met_camera(stage: Stage, **options: Any) -> Any:
    """Return a publisher of images that has met the node, and the node it."""
    publisher = stage.observer.camera(**options)
    del stage.diagnostics[:]
    stage.observer.wait(lambda: any(
        values_of(status).get('publishers') == '1' for message in stage.diagnostics
        for status in message.status), 'the node to meet the camera')
    return publisher


def play(stage: Stage, camera: Any, messages: List[Image]) -> List[Image]:
    """Publish one image after the other, each once the one before is labelled."""
    first = len(stage.labels)
    for count, message in enumerate(messages, 1):
        camera.publish(message)
        stage.observer.wait(lambda: len(stage.labels) >= first + count, f'labels {count}')
    return stage.labels[first:]


def gain(before: Any, after: Any, key: str) -> int:
    """Return by how much a count has grown."""
    return int(after[key]) - int(before[key])
