"""A camera for benchmarks: frames made in advance, sent on schedule, raw or as JPEG."""

import argparse
from contextlib import suppress
import json
import signal
import time
from typing import Any, List, Optional

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from ...images import encode_jpeg
from ..node_thread import camera_node, wait_for_listener

_FRAMES = 4
_LISTENER_SECONDS = 60.0


def messages(height: int, width: int, compressed: bool) -> List[Any]:
    """Return a few different bgr8 images of smooth shapes and some noise, as a street compresses."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    made: List[Any] = []
    for number in range(_FRAMES):
        smooth = 127 + 80 * np.sin(rows / 37.0 + number) * np.cos(columns / 53.0)
        noisy = smooth[..., None] + rng.normal(0, 6, (height, width, 3))
        image = np.clip(noisy, 0, 255).astype(np.uint8)
        if compressed:
            message = CompressedImage(format='bgr8; jpeg compressed bgr8')
            message.data.frombytes(encode_jpeg(image, 'bgr').data)
        else:
            message = Image(height=height, width=width, step=3 * width, encoding='bgr8')
            message.data.frombytes(image.data)
        message.header.frame_id = 'camera'
        made.append(message)
    return made


def send(node: Node, publisher: Any, frames: List[Any], rate: float, seconds: float) -> int:
    """Publish on a fixed schedule until the time is over or Ctrl-C; return how many were sent.

    A slot that was missed is left out.
    """
    start, sent, slot = time.monotonic(), 0, 0
    with suppress(KeyboardInterrupt):
        while slot < rate * seconds:
            wait = start + slot / rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            message = frames[sent % len(frames)]
            message.header.stamp = node.get_clock().now().to_msg()
            sent += 1
            publisher.publish(message)
            slot = max(slot + 1, int((time.monotonic() - start) * rate))
    return sent


def main(argv: Optional[List[str]] = None) -> int:
    """Wait for a subscriber of `image`, send, print ``{"sent": N}``; started by the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('height', type=int)
    parser.add_argument('width', type=int)
    parser.add_argument('rate', type=float)
    parser.add_argument('seconds', type=float)
    parser.add_argument('--compressed', action='store_true')
    options = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.default_int_handler)    # a shell's background job inherits 'ignore'
    frames = messages(options.height, options.width, options.compressed)
    kind, topic = (CompressedImage, 'image/compressed') if options.compressed else (Image, 'image')
    with camera_node('benchmark_camera') as node, suppress(KeyboardInterrupt):
        publisher = node.create_publisher(kind, topic, QoSProfile(depth=1))
        wait_for_listener(publisher, _LISTENER_SECONDS)
        print(json.dumps({'sent': send(node, publisher, frames, options.rate, options.seconds)}), flush=True)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
