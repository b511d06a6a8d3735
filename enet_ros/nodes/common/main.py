"""
What every node's ``main`` does: start ROS, spin, and end cleanly whatever happens.

A node module keeps its ``main`` to two lines and imports rclpy inside the factory, so that Ctrl-C during
the imports is heard as well::

    def create(stop):                       # stop: Stop, see below
        from .my_node import MyNode
        return MyNode(stop)

    def main(argv=None):
        return spin_main(create, argv, description='what the node does, for --help')

``create(stop)`` returns a Node. It may raise InputError: one line on stderr, exit code 2. If the node has a
method ``close()``, it is called once in the main thread while publishing still works: stop threads, write
files, say the last word there. Where its attribute ``takes_rest`` is true, what had arrived when the end was
asked for is served first. ``stop.request(code)`` ends the node from any thread (``code`` becomes the
exit code); ``stop.is_set()`` and ``stop.wait(seconds)`` let long work end early. SIGINT, SIGTERM and SIGHUP
(the terminal was closed; not under nohup) are ``stop.request(0)``; a second Ctrl-C, later than a second after
the first (a terminal and ros2 launch may both send one), ends the process at once. An exception that escapes
a callback is logged and survived.

Why not rclpy's own signal handlers: they shut the context down first, so that nothing can be published or
accounted for at the end, and SIGINT also raises KeyboardInterrupt wherever Python happens to be.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import Any, Callable, List, Optional

from ...cli import EXIT_DEFECT, EXIT_INPUT, TRACEBACK, defect
from ...errors import InputError, one_line
from ...libraries import missing_line
from .fastdds import set_transport_profile
from .memory import collect_objects, keep_freed_memory
from .shared_memory import sweep

REST_SECONDS = 2.0      # for what had arrived when the end came; launch sends SIGTERM after five


class Stop:
    """The wish to end: set by a signal or by the node itself, heard by every thread."""

    def __init__(self) -> None:
        """Start unset, with exit code 0."""
        self.code = 0
        self.exit_immediately = False      # leave without waiting for threads and without taking modules down
        self._event = threading.Event()
        self._wake: Optional[Callable[[], object]] = None

    def request(self, code: int = 0) -> None:
        """Ask the node to end with this exit code; the first request's code is kept."""
        if not self._event.is_set():
            self.code = code
            self._event.set()
        wake = self._wake
        if wake is not None:
            wake()

    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._event.is_set()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait at most `timeout` seconds for the wish to end; return whether it is there."""
        return self._event.wait(timeout)

    def wakes(self, wake: Optional[Callable[[], object]]) -> None:
        """Call `wake` on every request, so that a blocked executor notices."""
        self._wake = wake


def spin_main(create: Callable[[Stop], Any], args: Optional[List[str]] = None, description: str = '',
              sends_images: bool = False) -> int:
    """
    Run one node until it asks to stop, or a signal does; return the process's exit code.

    :param create: makes the node; called after rclpy.init, see the module's docstring.
    :param args: command line without the program's name; None takes the process's own.
    :param description: what ``--help`` prints.
    :param sends_images: give it the middleware's profile for that, which costs 70 MB of shared memory.
    """
    args = list(sys.argv[1:] if args is None else args)
    if '-h' in args or '--help' in args:
        print(f'{description.strip()}\n\nParameters: --ros-args -p NAME:=VALUE; topics: --ros-args -r '
              'FROM:=TO; see docs/nodes.md.')
        return 0
    stop = Stop()
    keep_freed_memory()
    with _Signals(stop):
        notes = _prepare_transport(sends_images)
        try:
            code = _spin(create, args, stop, notes)
        except InputError as error:
            print(f'error: {error}', file=sys.stderr)
            code = EXIT_INPUT
        except Exception as error:
            if os.environ.get(TRACEBACK) or missing_line('', error):    # the latter: __main__ says it
                raise
            print(f'error: {defect(error)}', file=sys.stderr)
            code = EXIT_DEFECT
    if stop.exit_immediately:
        # The middleware's participant, with its shared memory, goes with the last reference to the node.
        collect_objects()
        with contextlib.suppress(OSError):      # the terminal may be gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


def _prepare_transport(sends_images: bool) -> List[str]:
    """Do what must be done before rclpy.init; return what is worth telling."""
    freed = sweep()
    notes = set_transport_profile() if sends_images else []
    if freed:
        notes.append(f'{freed / 1e6:.0f} MB of shared memory freed that killed processes had left')
    return notes


def _spin(create: Callable[[Stop], Any], args: List[str], stop: Stop, notes: List[str]) -> int:
    """Initialise ROS, spin, shut down."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    node = executor = None
    try:
        _init(rclpy, args, SignalHandlerOptions.NO)
        node = _create(create, stop)
        for note in notes:
            node.get_logger().info(note)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        # A task, because executor.wake() alone is swallowed where no callback is ready.
        stop.wakes(lambda: executor.create_task(_nothing))
        _spin_until(stop, executor, node)
        if getattr(node, 'takes_rest', False):
            _take_rest(executor, node)
    finally:
        stop.wakes(None)
        _shut_down(rclpy, node, executor)
    return stop.code


def _init(rclpy: Any, args: List[str], signals: Any) -> None:
    """Start ROS; a command line that it does not understand is the user's error."""
    from rclpy.utilities import remove_ros_args
    try:
        left = remove_ros_args(['program'] + args)[1:]
        if not left:
            rclpy.init(args=args, signal_handler_options=signals)
    except Exception as error:  # rclpy's own classes differ between distributions
        raise InputError(f'ROS arguments refused: {error}')
    if left:
        raise InputError(f'unknown argument {left[0]!r}: parameters go after --ros-args as -p NAME:=VALUE')


def _create(create: Callable[[Stop], Any], stop: Stop) -> Any:
    """Make the node; a parameter of the wrong type or range is bad input, reported in one line."""
    from rclpy import exceptions
    bad = tuple(getattr(exceptions, name) for name in (
        'InvalidParameterTypeException', 'InvalidParameterValueException', 'ParameterException',
        'ParameterUninitializedException') if hasattr(exceptions, name))
    try:
        return create(stop)
    except bad as error:
        raise InputError(f'parameter refused: {error}')


def _spin_until(stop: Stop, executor: Any, node: Any) -> None:
    """Serve callbacks until asked to stop; one that raises is logged and survived."""
    from rclpy.executors import ExternalShutdownException
    while not stop.is_set() and executor.context.ok():
        try:
            executor.spin_once()
        except ExternalShutdownException:
            return
        except Exception as error:
            _log(node, error)


def _take_rest(executor: Any, node: Any) -> None:
    """Serve what has arrived already, until nothing is left or REST_SECONDS have passed."""
    from rclpy.executors import ExternalShutdownException, TimeoutException
    deadline, served = time.monotonic() + REST_SECONDS, True
    while time.monotonic() < deadline and executor.context.ok():
        try:
            handler, _, _ = executor.wait_for_ready_callbacks(timeout_sec=0.0)
        except ExternalShutdownException:
            return
        except TimeoutException:    # of one look, which takes one message of each topic
            if not served:
                return
            served = False
            continue
        served = True
        handler()
        if handler.exception() is not None:
            _log(node, handler.exception())


def _log(node: Any, error: BaseException) -> None:
    node.get_logger().error(f'{type(error).__name__}: {one_line(str(error))}')


def _shut_down(rclpy: Any, node: Any, executor: Any) -> None:
    """End node, executor and context, in the order that lets the node publish to the last."""
    try:
        if node is not None and hasattr(node, 'close'):
            node.close()
    finally:
        if executor is not None:
            executor.shutdown(timeout_sec=1.0)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _nothing() -> None:
    """Do nothing, but end the executor's wait."""


class _Signals:
    """Signals that end a node as stop requests, heard even while the executor waits in the middleware."""

    def __init__(self, stop: Stop) -> None:
        """Prepare; nothing is installed before entering."""
        self._stop = stop
        self._impatient_after = float('inf')

    def __enter__(self) -> '_Signals':
        """Install the handlers and the thread that wakes the executor."""
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno())
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:   # nohup sets that
            numbers.append(signal.SIGHUP)
        self._old = {number: signal.signal(number, self._handle) for number in numbers}
        self._thread = threading.Thread(target=self._watch, name='signals', daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Put everything back as it was."""
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def _handle(self, number: int, frame: Optional[FrameType]) -> None:
        """Leave the work to the watching thread: this one may be deep inside the middleware."""

    def _watch(self) -> None:
        """Turn every signal's byte into a stop request until the other end is closed."""
        while True:
            numbers = self._reader.recv(16)
            if not numbers:
                return
            for number in numbers:
                if number not in self._old:
                    continue
                now = time.monotonic()
                if number == signal.SIGINT and now > self._impatient_after:
                    os._exit(130)
                self._impatient_after = min(self._impatient_after, now + 1.0)
                self._stop.request(0)
