"""A subscriber to images during a benchmark: it says how old they were, and drops them."""

import argparse
import json
from typing import Any, List, Optional

from ...nodes.common.main import Stop, spin_main

WARM_UP = 15        # images that are not counted
WARM = 'warm'       # is printed once they have come


def main(argv: Optional[List[str]] = None) -> int:
    """Listen until interrupted, then print p50 and p99 of the ages, ms; started by the benchmark.

    With the id of the process that sends, also its processor time an image, ms.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('topic')
    parser.add_argument('--sender', type=int)
    options = parser.parse_args(argv)

    def create(stop: Stop) -> Any:
        import numpy as np
        from rclpy.node import Node
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import Image

        from ...nodes.common.stamps import nanoseconds
        from ..processes import processor_seconds

        class Listener(Node):
            ages: List[float] = []
            spent: List[float] = []

            def received(self, message: Image) -> None:
                now_ns = self.get_clock().now().nanoseconds
                self.ages.append((now_ns - nanoseconds(message.header.stamp)) / 1e6)
                if options.sender and len(self.ages) >= WARM_UP:
                    self.spent.append(processor_seconds(options.sender))
                if len(self.ages) == WARM_UP:
                    print(WARM, flush=True)

            def close(self) -> None:
                p50, p99 = np.percentile(self.ages[WARM_UP:] or [np.nan], (50, 99))
                each = np.mean(np.diff(self.spent or [np.nan] * 2)) * 1e3
                print(json.dumps({'p50': p50, 'p99': p99, 'processor_ms': each, 'count': len(self.ages)}),
                      flush=True)
        node = Listener('benchmark_listener')
        node.create_subscription(Image, options.topic, node.received, QoSProfile(depth=1))
        return node
    return spin_main(create, [])


if __name__ == '__main__':
    raise SystemExit(main())
