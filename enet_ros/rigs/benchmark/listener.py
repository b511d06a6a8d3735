"""A subscriber to overlays during a benchmark: it receives every image and drops it."""

import argparse
from typing import Any, List, Optional

from ...nodes.common.main import Stop, spin_main


def main(argv: Optional[List[str]] = None) -> int:
    """Listen to the image topic named until it is interrupted; started by the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('topic')
    topic = parser.parse_args(argv).topic

    def create(stop: Stop) -> Any:
        from rclpy.node import Node
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import Image
        node = Node('benchmark_listener')
        node.create_subscription(Image, topic, lambda message: None, QoSProfile(depth=1))
        return node
    return spin_main(create, [])


if __name__ == '__main__':
    raise SystemExit(main())
