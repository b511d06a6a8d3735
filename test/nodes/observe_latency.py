"""Compare latency_node's numbers with those of a bare subscriber in another process.

Run by hand: python test/nodes/observe_latency.py WEIGHTS.npz [SLOTS] [RATE]. A 640x360 camera walks through
SLOTS of its schedule and leaves 500 of them empty; nothing here is used by the suite.
"""

import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any, List

from enet_ros.metrics.percentiles import percentiles
from enet_ros.rigs.processes import Child

SKIPPED = 500


def observe(folder: Path, count: int) -> None:
    """Write the delay of each label, ns, as a bare subscriber sees it; the observer's own process."""
    import rclpy
    from sensor_msgs.msg import Image
    delays: List[int] = []

    def received(message: Any) -> None:
        now = time.time_ns()
        delays.append(now - message.header.stamp.sec * 10**9 - message.header.stamp.nanosec)

    rclpy.init()
    node = rclpy.create_node('bare_observer')
    node.create_subscription(Image, 'segmentation_node/labels', received, 10)
    (folder / 'ready').write_text('')
    last, heard = 0, time.monotonic()
    while len(delays) < count and (not delays or time.monotonic() - heard < 15):
        rclpy.spin_once(node, timeout_sec=1.0)
        if len(delays) != last:
            last, heard = len(delays), time.monotonic()
    (folder / 'observed.json').write_text(json.dumps(delays))


def compare(weights: str, slots: int, rate: float) -> None:
    """Run camera, segmentation_node, latency_node and observer; print both views."""
    from camera_stream import CameraStream
    folder = Path(tempfile.mkdtemp())
    empty = {int(10 + index * (slots - 20) / SKIPPED) for index in range(SKIPPED)}
    assert len(empty) == SKIPPED
    nodes = {
        'segmentation_node': ['weights:=' + weights, 'engine:=torch', 'threads:=1',
                              'qos_overrides./image.subscription.depth:=100'],
        'latency_node': [f'output:={folder}', 'plot:=false']}
    children = []
    for name, parameters in nodes.items():
        options = [option for parameter in parameters for option in ('-p', parameter)]
        children.append(Child('enet_ros', [name, '--ros-args'] + options, folder / (name + '.log')))
    observer = subprocess.Popen([sys.executable, __file__, '--observe', str(folder), str(slots - SKIPPED)])
    camera = CameraStream(rate, 360, 640, skip=lambda slot: slot in empty)
    camera.wait_for_listener()
    while not (folder / 'ready').exists():
        time.sleep(0.1)
    time.sleep(5.0)
    camera.run(slots)
    observer.wait(60)
    for child in reversed(children):
        assert child.end() == 0
    summary = json.loads((folder / 'latency.json').read_text())
    observed = percentiles([delay / 1e6 for delay in json.loads((folder / 'observed.json').read_text())])
    own = summary['latency_ms']
    print(json.dumps({
        'sent': camera.sent, 'skipped': camera.skipped, 'frames_missing': summary['frames_missing'],
        'frames_in': summary['frames_in'], 'dropped_by': summary['dropped_by'],
        'latency_node': {name: own[name] for name in ('count', 'p50', 'p99', 'max')},
        'observer': {name: observed[name] for name in ('count', 'p50', 'p99', 'max')},
        'difference_p50_ms': own['p50'] - observed['p50'],
        'difference_p99_ms': None if own['p99'] is None else own['p99'] - observed['p99']}), flush=True)
    camera.close()


if __name__ == '__main__':
    if sys.argv[1] == '--observe':
        observe(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        arguments = sys.argv[2:] + ['1200', '10'][len(sys.argv) - 2:]
        compare(sys.argv[1], int(arguments[0]), float(arguments[1]))
