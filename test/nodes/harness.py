"""Nodes as processes of their own, watched from a node in the test; everything waits for events."""

import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from sensor_msgs.msg import Image

PATIENCE = 100.0    # seconds; never waited for unless something is wrong
ROOT = Path(__file__).resolve().parent.parent.parent


def environment(domain: int, profile: Optional[str] = None) -> Dict[str, str]:
    """Return the environment of a process alone in its domain; `profile` is a Fast DDS file or None."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(('FASTRTPS_', 'FASTDDS_', 'ROS_'))}
    env.update(ROS_DOMAIN_ID=str(domain), ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST', OMP_NUM_THREADS='1',
               PYTHONUNBUFFERED='1', RCUTILS_LOGGING_USE_STDOUT='0')
    env['PYTHONPATH'] = os.pathsep.join([str(ROOT)] + env.get('PYTHONPATH', '').split(os.pathsep))
    if profile:
        env.update(FASTRTPS_DEFAULT_PROFILES_FILE=profile, FASTDDS_DEFAULT_PROFILES_FILE=profile)
    return env


class Process:
    """A running executable of the package and what it has said so far."""

    def __init__(self, name: str, domain: int, parameters: Sequence[str] = (), remaps: Sequence[str] = (),
                 env: Optional[Dict[str, str]] = None, command: Sequence[str] = ()) -> None:
        """Start ``python -m enet_ros <name>`` or `command`; parameters 'name:=value', remaps 'from:=to'."""
        arguments = list(command) or [sys.executable, '-m', 'enet_ros', name, '--ros-args']
        for parameter in parameters:
            arguments += ['-p', parameter]
        for remap in remaps:
            arguments += ['-r', remap]
        self._said: List[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            arguments, env=env or environment(domain), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True, cwd=str(ROOT))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._said.append(line.rstrip())
                self._changed.notify_all()
        self.process.wait()
        with self._changed:
            self._changed.notify_all()

    @property
    def said(self) -> str:
        """All output up to now."""
        with self._changed:
            return '\n'.join(self._said)

    def wait_for(self, pattern: str, timeout: float = PATIENCE, count: int = 1) -> str:
        """Wait for the count-th line that matches; AssertionError with all that was said where none comes."""
        def found() -> Optional[str]:
            return next(iter([line for line in self._said if re.search(pattern, line)][count - 1:]), None)
        with self._changed:
            self._changed.wait_for(lambda: found() or self.process.poll() is not None, timeout)
            line = found()
        assert line, f'{pattern!r} was not said:\n{self.said}'
        return line

    def ends(self, timeout: float = PATIENCE) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(timeout)
        self._thread.join(timeout)
        return code

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """Send Ctrl-C (or another signal) and return the exit code."""
        self.process.send_signal(number)
        return self.ends()

    def close(self) -> None:
        """End it, whatever its state; the test may have failed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._thread.join(5)

    def __enter__(self) -> 'Process':
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


class Observer:
    """A node in the test's process: publishes cameras, keeps what it receives, waits for conditions."""

    def __init__(self, domain: int) -> None:
        """Join a domain with an executor thread of its own."""
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node('observer', context=self._context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._changed = threading.Condition()
        self._received: Dict[str, List[Any]] = {}
        self._subscriptions: List[Any] = []
        self._clients: Dict[str, Any] = {}
        self._stop = False
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stop:
            self._executor.spin_once(timeout_sec=0.05)
            with self._changed:     # the graph changes without a callback
                self._changed.notify_all()

    def close(self) -> None:
        """Leave the domain."""
        self._stop = True
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def __enter__(self) -> 'Observer':
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def listen(self, kind: Any, topic: str, depth: int = 200, reliable: bool = True) -> List[Any]:
        """Subscribe; return the list that fills with messages."""
        messages: List[Any] = self._received.setdefault(topic, [])
        qos = QoSProfile(depth=depth, reliability=(
            ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT))

        def received(message: Any) -> None:
            with self._changed:
                messages.append(message)
                self._changed.notify_all()
        self._subscriptions.append(self.node.create_subscription(kind, topic, received, qos))
        return messages

    def wait(self, condition: Callable[[], Any], what: str = '', timeout: float = PATIENCE) -> Any:
        """Wait until a condition holds and return its value; AssertionError where it never does."""
        with self._changed:
            value = self._changed.wait_for(condition, timeout)
        assert value, f'waited {timeout:.0f} s in vain for {what or condition}'
        return value

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service and return its response.

        A service that has not discovered its new client yet answers nobody, although the client has
        discovered it: what only asks is therefore asked again.
        """
        client = self._clients.get(name) or self.node.create_client(kind, name)
        self._clients[name] = client
        self.wait(client.service_is_ready, 'service ' + name)
        times = 10 if kind.__name__.startswith('Get') else 1
        for _ in range(times):
            future = client.call_async(request)
            with self._changed:
                if self._changed.wait_for(future.done, PATIENCE / times):
                    return future.result()
        raise AssertionError(f'waited {PATIENCE:.0f} s in vain for an answer of {name}')

    def camera(self, topic: str = '/image', reliable: bool = True, kind: Any = Image, depth: int = 10) -> Any:
        """Return a publisher of images, once it has a listener."""
        publisher = self.node.create_publisher(kind, topic, QoSProfile(depth=depth, reliability=(
            ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT)))
        self.wait(lambda: publisher.get_subscription_count() > 0, 'a listener on ' + topic)
        return publisher


def image_message(pixels: np.ndarray, stamp_ns: int, encoding: str = '', frame_id: str = 'front_camera',
                  padding: int = 0) -> Image:
    """(H, W) or (H, W, 3) uint8 -> sensor_msgs/Image; `padding` bytes of noise follow every row."""
    height = pixels.shape[0]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    if padding:
        noise = np.random.RandomState(0).randint(0, 256, (height, padding), dtype=np.uint8)
        rows = np.ascontiguousarray(np.hstack((rows, noise)))
    message = Image(height=height, width=pixels.shape[1], step=rows.shape[1],
                    encoding=encoding or ('rgb8' if pixels.ndim == 3 else 'mono8'))
    message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    message.header.frame_id = frame_id
    message.data.frombytes(rows)
    return message


def pixels_of(message: Image) -> np.ndarray:
    """Return a label image's (H, W) uint8 or an rgb8 image's (H, W, 3) uint8."""
    channels = {'mono8': 1, '8UC1': 1, 'rgb8': 3}[message.encoding]
    array = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    array = array[:, :message.width * channels]
    return array if channels == 1 else array.reshape(message.height, message.width, 3)


def stamp_ns(message: Any) -> int:
    """Return the header's stamp in ns."""
    return message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec


def outcomes(timings: Sequence[DiagnosticArray]) -> List[Tuple[str, int, str]]:
    """Return (camera, sequence, outcome) of timing messages, in the order of the sequence."""
    found = []
    for message in timings:
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            found.append((status.name, int(values['sequence']), status.message))
    return sorted(found)


def diagnostics(messages: Sequence[DiagnosticArray]) -> Dict[str, Any]:
    """Return the newest status of each name, what stands before its colon left out."""
    newest: Dict[str, Any] = {}
    for message in messages:
        for status in message.status:
            newest[status.name.split(': ')[-1]] = status
    return newest


def verdict(messages: Sequence[DiagnosticArray], name: str) -> str:
    """Return the newest message of a status, '' before the first."""
    status = diagnostics(messages).get(name)
    return status.message if status else ''


def values_of(status: Any) -> Dict[str, str]:
    """Return a status's key-value pairs."""
    return {value.key: value.value for value in status.values}


def stamps(count: int, rate: float = 15.0, first_ns: int = 10 ** 18) -> Iterator[int]:
    """Yield evenly spaced stamps."""
    return (first_ns + int(index * 1e9 / rate) for index in range(count))


def newest_wins(timing: List[DiagnosticArray]) -> None:
    """Check that at no frame's start a newer one had been waiting."""
    records = [values_of(message.status[0]) for message in timing]
    boxed = {int(record['sequence']): int(record['received_ns']) for record in records}
    for message, record in zip(timing, records):
        if message.status[0].message == 'segmented':
            # Within a millisecond of the start, the newer one may have been on its way into the box.
            newer = [sequence for sequence, received in boxed.items()
                     if received < int(record['taken_ns']) - 10 ** 6 and sequence > int(record['sequence'])]
            assert not newer, (record['sequence'], newer)
