"""
What segmentation_node has to hold, measured: not a test of `make test`, for it wants a machine of its own.

    python test/nodes/acceptance.py transport           # 1280x720 at 30 Hz, reliable and best effort
    ENET_CAMVID=... python test/nodes/acceptance.py camvid      # 200 frames at 15 Hz

Prints JSON and ends with 1 where something does not hold.
"""

import json
import os
from pathlib import Path
import sys
import threading
import time
from typing import Any, Dict, List

from diagnostic_msgs.msg import DiagnosticArray
from harness import (
    Observer,
    Process,
    diagnostics,
    environment,
    image_message,
    newest_wins,
    outcomes,
    stamp_ns,
    values_of,
)
import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from enet_ros.datasets import open_dataset
from enet_ros.resources import find

NODE = '/segmentation_node'
SECONDS = 10
DEPTH = 5       # of the camera: with 1, a reliable camera has forgotten an image when it is asked for again


def camera(kind: str) -> None:
    """Be the camera: publish 1280x720 at 30 Hz from the first listener on; run as a process of its own."""
    with Observer(int(os.environ['ROS_DOMAIN_ID'])) as observer:
        reliability = ReliabilityPolicy.RELIABLE if kind == 'reliable' else ReliabilityPolicy.BEST_EFFORT
        publisher = observer.node.create_publisher(
            Image, '/image', QoSProfile(depth=DEPTH, reliability=reliability))
        observer.wait(lambda: publisher.get_subscription_count() > 0, 'a listener')
        pixels = np.random.RandomState(0).randint(0, 256, (720, 1280, 3), dtype=np.uint8)
        message, start = image_message(pixels, 0), time.monotonic()
        for index in range(30 * SECONDS):
            time.sleep(max(0.0, start + index / 30.0 - time.monotonic()))
            message.header.stamp = observer.node.get_clock().now().to_msg()
            publisher.publish(message)
        observer.wait(lambda: publisher.get_subscription_count() == 0, 'the node to end', 60.0)


def transport(domain: int, weights: str, engine: str) -> List[Dict[str, Any]]:
    """Measure which share of the images sent since discovery the node received."""
    import subprocess
    rows = []
    profile = str(find('config', 'fastdds.xml'))
    empty = Path('/tmp/enet_ros_no_profile.xml')
    empty.write_text('<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"></profiles>')
    for kind, sender in (('reliable', str(empty)), ('best_effort', profile), ('best_effort', str(empty))):
        with Process('segmentation_node', domain, ['weights:=' + weights, 'engine:=' + engine]) as node, \
                Observer(domain) as observer:
            statuses = observer.listen(DiagnosticArray, '/diagnostics')
            timing = observer.listen(DiagnosticArray, NODE + '/timing', depth=1000)
            node.wait_for('active on')
            source = subprocess.Popen(
                [sys.executable, __file__, 'camera', kind],
                env=dict(environment(domain, sender), PYTHONPATH=os.pathsep.join(sys.path)))
            total = 30 * SECONDS
            observer.wait(lambda: settled_for(statuses, 2), 'the camera to be done', 60.0)
            node.interrupt()
            source.wait(60)
            rows.append({'camera': kind, 'profile': sender == profile, 'published': total,
                         'received': len(timing), 'share': round(len(timing) / total, 4),
                         'segmented': sum(fate == 'segmented' for *_, fate in outcomes(timing)),
                         'warned': 'lost on the way (best effort)' in node.said})
    return rows


def settled_for(statuses: List[DiagnosticArray], seconds: int) -> bool:
    """Whether the count of images has stood still for some diagnostics."""
    counts = [values_of(status)['frames_in'] for message in statuses for status in message.status
              if status.name.endswith(': camera')]
    return len(counts) > seconds and counts[-1] != '0' and len(set(counts[-1 - seconds:])) == 1


def camvid(domain: int, weights: str, engine: str) -> Dict[str, Any]:
    """Play 200 frames at 15 Hz; check header and size of every label image, the account, and the order."""
    frames = open_dataset(os.environ['ENET_CAMVID'], 'train')
    messages = [image_message(frames[index].image, 10 ** 18 + int(index * 1e9 / 15), frame_id='f%d' % index)
                for index in range(200)]
    sent = {stamp_ns(message): message for message in messages}
    with Process('segmentation_node', domain, ['weights:=' + weights, 'engine:=' + engine]) as node, \
            Observer(domain) as observer:
        labels = observer.listen(Image, NODE + '/labels', depth=300)
        timing = observer.listen(DiagnosticArray, NODE + '/timing', depth=500)
        statuses = observer.listen(DiagnosticArray, '/diagnostics')
        node.wait_for('active on')
        publisher = observer.camera('/image')
        player = threading.Thread(target=_play, args=(publisher, messages))
        player.start()
        player.join()
        observer.wait(lambda: settled_for(statuses, 2), 'the end', 60.0)
        values = values_of(diagnostics(statuses)['camera'])
        code = node.interrupt()
    newest_wins(timing)
    fates = outcomes(timing)
    exact = all(label.header == sent[stamp_ns(label)].header and (label.height, label.width) == (360, 480)
                for label in labels)
    segmented = int(values['frames_segmented'])
    return {'published': 200, 'frames_in': int(values['frames_in']), 'frames_segmented': segmented,
            'frames_dropped': int(values['frames_dropped']), 'labels': len(labels), 'exact': exact,
            'adds_up': len(fates) == int(values['frames_in']) and len(labels) == segmented,
            'newest_wins': True, 'exit_code': code}


def _play(publisher: Any, messages: List[Image]) -> None:
    start = time.monotonic()
    for index, message in enumerate(messages):
        time.sleep(max(0.0, start + index / 15.0 - time.monotonic()))
        publisher.publish(message)


def main() -> int:
    """Run one of the measurements."""
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == 'camera':
        camera(arguments[0])
        return 0
    domain = int(os.environ.get('ROS_DOMAIN_ID', '55'))
    weights, engine = (arguments + ['camvid', 'auto'][len(arguments):])[:2]
    if what == 'transport':
        rows = transport(domain, weights, engine)
        print(json.dumps(rows, indent=2))
        return int(any(row['share'] < 0.99 for row in rows[:2]) or not rows[2]['warned'])
    result = camvid(domain, weights, engine)
    print(json.dumps(result, indent=2))
    return int(not (result['exact'] and result['adds_up'] and result['exit_code'] == 0))


if __name__ == '__main__':
    sys.exit(main())
