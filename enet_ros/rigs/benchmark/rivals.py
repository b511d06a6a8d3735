"""The node beside one that anybody would write in an hour: same camera, same engine, same listener."""

import argparse
from array import array
import json
import os
from pathlib import Path
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

import cv2
import numpy as np

from ... import weights
from ...classes import ClassTable
from ...deploy.engine import Engine
from ...deploy.factory import open_engine
from ...errors import InputError
from ...nodes.common.fastdds import PROFILE_VARIABLES
from ...nodes.common.main import spin_main
from ...resources import find
from ...segmenter import Segmenter
from ..processes import Child, isolate
from .listener import WARM, WARM_UP
from .node import START_SECONDS, let_run, start
from .stages import FixedEngine

NULL = 'none'       # an engine that answers at once: what is left is the node
SIZE = (360, 640)
NAME = 'segmentation_node'


def naive(engine: Engine) -> None:
    """Spin the plain node: one callback that converts, resizes, infers and publishes."""
    import rclpy
    from rclpy.node import Node
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image
    rclpy.init()
    node = Node(NAME)
    publisher = node.create_publisher(Image, '~/labels', QoSProfile(depth=10))

    def received(message: Any) -> None:
        image: Any = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        if image.shape[:2] != engine.input_size:
            image = cv2.resize(image, engine.input_size[::-1], interpolation=cv2.INTER_AREA)
        labels: Any = engine.labels(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        if labels.shape != (message.height, message.width):
            labels = cv2.resize(labels, (message.width, message.height), interpolation=cv2.INTER_NEAREST)
        answer = Image(header=message.header, height=message.height, width=message.width,
                       encoding='mono8', step=message.width)
        answer.data = array('B', labels.tobytes())
        publisher.publish(answer)

    # Depth 1: as near as a plain subscription comes to the newest frame.
    node.create_subscription(Image, 'image', received, QoSProfile(depth=1))
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass


def own(engine: Engine) -> None:
    """Spin this package's node with an engine that is open already."""
    from ...nodes.segmentation.node import SegmentationNode

    class Node(SegmentationNode):
        def _open(self) -> Segmenter:
            return Segmenter(engine, ClassTable.load('camvid'))
    spin_main(Node, [])


class Duel(NamedTuple):
    """What both face: an engine, a camera, and how images travel."""

    engine: str
    size: Tuple[int, int]       # of the camera, (height, width)
    rate: float
    profile: bool               # under config/fastdds.xml, else on the middleware's own transport


DUELS = tuple(Duel(NULL, size, 30.0, profile) for profile in (True, False)
              for size in ((720, 1280), SIZE)) + (Duel('auto', SIZE, 10.0, True),)
QUICK_DUELS = DUELS[:2] + DUELS[-1:]
_OWN_TRANSPORT = '<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"/>'


def compare(duel: Duel, named: str, folder: Path, seconds: float) -> List[Dict[str, Any]]:
    """Return a row for each node: delay p50 and p99 and processor time a label, ms.

    Before them stands a real engine alone, called at the camera's rate. InputError where one ends early.
    """
    isolate()
    folder.mkdir(parents=True, exist_ok=True)
    plain = folder / 'own_transport.xml'
    plain.write_text(_OWN_TRANSPORT)
    path = str(find('config', 'fastdds.xml') if duel.profile else plain)
    before = {name: os.environ.get(name) for name in PROFILE_VARIABLES}
    os.environ.update(dict.fromkeys(PROFILE_VARIABLES, path))
    try:
        measured = {} if duel.engine == NULL else {'the engine alone': alone(duel, named, seconds)}
        measured.update((name, _run(name, duel, named, folder, seconds)) for name in RIVALS)
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value else {})
    return [dict(duel._asdict(), node=name, **figures) for name, figures in measured.items()]


def alone(duel: Duel, named: str, seconds: float) -> Dict[str, Any]:
    """Call the engine in a loop at the camera's rate; return the same figures as for a node."""
    frame = np.random.default_rng(0).integers(0, 256, SIZE + (3,), np.uint8)
    wall, processor = [], []
    with open_engine(weights.load(named), duel.engine, input_size=SIZE) as engine:
        start_s = time.monotonic()
        for slot in range(int(duel.rate * seconds)):
            time.sleep(max(0.0, start_s + slot / duel.rate - time.monotonic()))
            began, spent = time.perf_counter(), time.process_time()
            engine.labels(frame)
            wall.append(1e3 * (time.perf_counter() - began))
            processor.append(1e3 * (time.process_time() - spent))
    p50, p99 = np.percentile(wall, (50, 99))
    return {'p50': p50, 'p99': p99, 'processor_ms': float(np.median(processor)), 'count': len(wall)}


def _run(name: str, duel: Duel, named: str, folder: Path, seconds: float) -> Dict[str, Any]:
    children: List[Child] = []
    try:
        node = start(children, __name__, [name, duel.engine, '--weights', named], folder)
        listener = start(children, __package__ + '.listener',
                         [f'/{NAME}/labels', '--sender', str(node.pid)], folder)
        camera = start(children, __package__ + '.camera', [
            str(side) for side in duel.size] + [str(duel.rate), str(START_SECONDS + seconds)], folder)
        _wait_until_warm(listener, node)
        let_run(camera, node, seconds)
        listener.end()
        said: Dict[str, Any] = json.loads(listener.log.read_text('utf-8', 'replace').splitlines()[-1])
        if said['count'] <= WARM_UP:
            raise InputError(f'no labels came after the first {WARM_UP}; see {node.log}')
        return said
    finally:
        for child in reversed(children):
            child.end()


def _wait_until_warm(listener: Child, node: Child) -> None:
    """Wait for labels to arrive, however long nodes take to find each other; InputError where none do."""
    deadline = time.monotonic() + START_SECONDS
    while WARM not in listener.log.read_text('utf-8', 'replace').splitlines():
        if time.monotonic() > deadline or node.returncode is not None or listener.returncode is not None:
            raise InputError(f'no labels came; see {node.log}')
        time.sleep(0.05)


RIVALS: Dict[str, Callable[[Engine], None]] = {NAME: own, 'naive node': naive}


def main(argv: Optional[List[str]] = None) -> int:
    """Run one of the two until it is interrupted; started by the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('rival', choices=sorted(RIVALS))
    parser.add_argument('engine', help=f"'{NULL}', or as the node's parameter")
    parser.add_argument('--weights', default='camvid', help='as the parameter')
    options = parser.parse_args(argv)
    engine: Union[Engine, FixedEngine] = FixedEngine(SIZE, 11) if options.engine == NULL else open_engine(
        weights.load(options.weights), options.engine, input_size=SIZE)
    RIVALS[options.rival](engine)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
