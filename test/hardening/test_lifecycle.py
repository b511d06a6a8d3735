"""Transitions of a real segmentation_node in every order, while images never stop coming in."""

import gc
from pathlib import Path
import random
import threading
import time
from typing import Any, Callable, Dict, Iterator
import weakref

import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
import numpy as np  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from enet_ros.nodes.common.main import Stop  # noqa: E402
from enet_ros.nodes.segmentation.node import SegmentationNode  # noqa: E402
from enet_ros.segmenter import Segmenter  # noqa: E402

CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE = 1, 2, 3, 4
LEGAL = {('unconfigured', CONFIGURE): 'inactive', ('inactive', CLEANUP): 'unconfigured',
         ('inactive', ACTIVATE): 'active', ('active', DEACTIVATE): 'inactive'}


class Bench:
    """A node, a camera that never rests, and a listener, on one executor."""

    def __init__(self, weights: Path, segmenters: 'weakref.WeakSet[Segmenter]') -> None:
        self.segmenters = segmenters
        rclpy.init(args=['--ros-args', '-p', f'weights:={weights}', '-p', 'engine:=torch',
                         '-p', 'threads:=1', '-p', 'autostart:=false'])
        self.node = SegmentationNode(Stop())
        self.peer = Node('peer')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.peer)
        self.camera = self.peer.create_publisher(Image, 'image', 10)
        self.outcomes: Dict[str, int] = {}
        self.labels = 0
        self.peer.create_subscription(DiagnosticArray, 'segmentation_node/timing', self._timing, 1000)
        self.peer.create_subscription(Image, 'segmentation_node/labels', self._label, 10)
        self.image = Image(height=48, width=64, encoding='bgr8', step=192)
        self.image.data.frombytes(np.zeros(48 * 192, np.uint8).data)
        self.client = self.peer.create_client(ChangeState, 'segmentation_node/change_state')
        assert self.client.wait_for_service(20.0)

    def _timing(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.outcomes[status.message] = self.outcomes.get(status.message, 0) + 1

    def _label(self, message: Image) -> None:
        self.labels += 1
        assert (message.height, message.width) == (self.image.height, self.image.width)

    def send(self, count: int = 3) -> None:
        """Publish a few images and let everything happen that waits."""
        for _ in range(count):
            self.image.header.stamp = self.peer.get_clock().now().to_msg()
            self.camera.publish(self.image)
            self.executor.spin_once(timeout_sec=0.02)

    def change(self, transition: int) -> bool:
        """Ask for a transition as a lifecycle manager does."""
        request = ChangeState.Request()
        request.transition.id = transition
        future = self.client.call_async(request)
        self.executor.spin_until_future_complete(future, timeout_sec=30.0)
        return future.result().success

    def holds(self) -> Dict[str, int]:
        """Count what may leak."""
        gc.collect()
        return {'threads': threading.active_count(), 'publishers': len(list(self.node.publishers)),
                'subscriptions': len(list(self.node.subscriptions)), 'timers': len(list(self.node.timers)),
                'services': len(list(self.node.services)),
                'segmenters': len(self.segmenters)}

    def send_until(self, condition: Callable[[], bool]) -> None:
        """Send until a condition holds."""
        deadline = time.monotonic() + 60.0
        while not condition():
            assert time.monotonic() < deadline, self.outcomes
            self.send(1)

    def until_labels(self) -> None:
        """Send until labels flow again."""
        before = self.labels
        self.send_until(lambda: self.labels > before)

    def close(self) -> None:
        self.node.close()
        self.executor.shutdown()
        self.node.destroy_node()
        self.peer.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture
def bench(ros_env: Dict[str, str], random_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Return an unconfigured node under fire, which knows every segmenter that is alive."""
    alive: 'weakref.WeakSet[Segmenter]' = weakref.WeakSet()

    def made_known(self: Segmenter, *arguments: Any, made: Any = Segmenter.__init__, **options: Any) -> None:
        alive.add(self)
        made(self, *arguments, **options)

    monkeypatch.setattr(Segmenter, '__init__', made_known)
    made = Bench(random_weights, alive)
    yield made
    made.close()


def _memory_mb() -> float:
    return next(int(line.split()[1]) for line in Path('/proc/self/status').read_text().splitlines()
                if line.startswith('VmRSS')) / 1024


def test_every_order_a_hundred_times(bench: Bench) -> None:
    """Legal transitions succeed, others are refused, nothing leaks, and labels flow at the end."""
    chance, state = random.Random(1), 'unconfigured'
    for transition in (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP):     # what is made once and kept
        assert bench.change(transition)
    held: Dict[str, Dict[str, int]] = {}
    memory = 0.0
    for step in range(100):
        transition = chance.choice([CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE])
        expected = LEGAL.get((state, transition))
        bench.send()
        assert bench.change(transition) == (expected is not None), (state, transition)
        state = expected or state
        assert bench.node.state == state
        if expected:
            now = bench.holds()
            assert held.setdefault(state, now) == now, (step, state)
        memory = memory or (_memory_mb() if step == 30 else 0.0)
    assert set(held) == {'unconfigured', 'inactive', 'active'}
    assert held['active']['segmenters'] == 1 and held['unconfigured']['segmenters'] == 0
    assert _memory_mb() < memory * 1.1
    while state != 'active':
        transition = CONFIGURE if state == 'unconfigured' else ACTIVATE
        assert bench.change(transition)
        state = bench.node.state
    bench.until_labels()


def test_engine_that_raises_is_survived(bench: Bench) -> None:
    """An engine that fails on every other frame: those frames are counted, the others get labels."""
    assert bench.change(CONFIGURE) and bench.change(ACTIVATE)
    engine = bench.node._worker.segmenter.engine
    real, calls = engine.labels, [0]

    def failing(frame: Any) -> Any:
        calls[0] += 1
        if calls[0] % 2:
            raise RuntimeError('CUDA error: an illegal\nmemory access was encountered')
        return real(frame)

    engine.labels = failing
    bench.send_until(lambda: min(bench.outcomes.get(name, 0) for name in ('engine_error', 'segmented')) >= 5)
    camera = bench.node._cameras['camera'].statistics.snapshot(0)
    assert 'illegal memory access' in camera.last_error and '\n' not in camera.last_error
    engine.labels = real
    bench.until_labels()
