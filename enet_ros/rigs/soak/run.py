"""The whole graph under more than it can hold, with faults from a seed; every frame accounted for."""

import argparse
from functools import partial
from pathlib import Path
import random
import signal
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from ... import cli
from ...errors import InputError
from ...json_files import write_json
from ..processes import Child, Usage, ros_arguments
from .ledger import read_log
from .summary import flatness, in_words, latency, recount

CAMERAS = ('front', 'rear', 'left', 'right')
OVERLOAD = 2.0              # times what the engine holds
IN_FLIGHT_SECONDS = 1.5     # frames sent that shortly before an outage may go down with it
CALIBRATION_SECONDS = 5.0
RESTARTS_UNTIL = 1 / 3      # of the duration; faults without restarts follow
FAULTS_UNTIL = 2 / 3        # of the duration; the rest is overload alone, in which memory must stay flat
UP_SECONDS = 90.0
FOREVER = 1e9
ERRORS = ('refused', 'engine_error')
PHASE_FRAMES = 10**9        # numbers that a phase may use
SECOND_RATE = 20.0          # Hz, of a second publisher on a camera's topic
CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE = 1, 2, 3, 4       # lifecycle_msgs/Transition


class Soak:
    """One run: the graph's processes, the watcher, and the seeded timetable of what is done to them."""

    def __init__(self, options: argparse.Namespace) -> None:
        from .watcher import SoakWatcher
        self._options = options
        self._folder: Path = options.output
        self._cameras = CAMERAS[:options.cameras]
        self._logs: Dict[Path, str] = {}        # what cameras write, and whose it is
        self._watcher = SoakWatcher(self._cameras, self._folder / 'reports.txt')
        self._children: List[Child] = []
        # Since the node's last start, by phase: frames reported, usage.
        self._samples: Dict[str, List[Tuple[int, Usage]]] = {}
        self._reported_before = 0                           # frames reported before that start, or that phase
        self._disturbances: Dict[str, int] = {}

    def run(self) -> Dict[str, Any]:
        """Run for the asked duration; return the summary."""
        try:
            self._start_node()
            recorder = self._start('enet_ros', ['latency_node'] + ros_arguments({
                'output': self._folder, 'cameras': list(self._cameras)}), 'latency_node.log')
            held = self._calibrate()
            rate = self._options.overload * held
            duration = self._options.duration
            self._load('faults', rate, self._options.share, duration * FAULTS_UNTIL, self._disturbed)
            self._load('overload', rate, 0.0, duration * (1 - FAULTS_UNTIL), _seconds)
            before = -1     # until nothing more is reported, and /diagnostics has told its last
            while self._watcher.ledger.frames_reported != before:
                before = self._watcher.ledger.frames_reported
                time.sleep(2.5)
            codes = {'segmentation_node': self._node.end(),      # the other has a report to write
                     'latency_node': recorder.end(patience=UP_SECONDS + duration / 10)}
            return self._summary(held, rate, codes)
        finally:
            for child in self._children:
                child.end()
            self._watcher.close()

    @staticmethod
    def _wait(condition: Callable[[], bool]) -> None:
        """Wait for what should come within seconds; what does not shows in the account."""
        deadline = time.monotonic() + UP_SECONDS
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _start(self, module: str, arguments: List[str], log: str) -> Child:
        child = Child(module, arguments, self._folder / log)
        self._children.append(child)
        return child

    def _start_node(self) -> None:
        height, width = self._options.input_size
        self._node = self._start('enet_ros', ['segmentation_node'] + ros_arguments({
            'weights': self._options.weights, 'engine': self._options.engine, 'cameras': list(self._cameras),
            'input_height': height, 'input_width': width,
            # No timing may be lost on its way to the ledger, however starved this process is.
            'qos_overrides./segmentation_node/timing.publisher.depth': 1000}), 'segmentation_node.log')
        self._samples = {}
        self._reported_before = self._watcher.ledger.frames_reported
        deadline = time.monotonic() + UP_SECONDS
        while self._watcher.state() != 'active':
            if self._node.returncode is not None or time.monotonic() > deadline:
                raise InputError(f'segmentation_node does not come up; see {self._node.log}')

    def _load(self, phase: str, rate: float, share: float, duration: float,
              seconds: Callable[[float], Iterator[int]]) -> None:
        """Let the cameras send for so many `seconds`, and until frames come through again."""
        cameras = self._start_cameras(rate, FOREVER, phase, share)
        self._wait(lambda: all(log.exists() for log in self._logs))
        self._reported_before = self._watcher.ledger.frames_reported
        for _ in cli.progress(seconds(duration), phase, int(duration), 's'):
            self._sample(phase)
        self._wait(lambda: self._watcher.ledger.frames_reported > self._reported_before + 100)
        for camera in cameras:
            camera.end()

    def _start_cameras(self, rate: float, seconds: float, phase: str, share: float) -> List[Child]:
        return [self._start_camera(name, phase, rate / len(self._cameras), seconds, index, share)
                for index, name in enumerate(self._cameras)]

    def _start_camera(self, name: str, phase: str, rate: float, seconds: float, seed: int, share: float,
                      *more: str) -> Child:
        log = self._folder / f'{name}.{phase}.txt'
        first = PHASE_FRAMES * sum(owner == name for owner in self._logs.values())
        self._logs[log] = name
        return self._start('enet_ros.rigs.soak.faulty_camera', [
            name, str(log), '--rate', str(rate), '--seconds', str(seconds), '--seed',
            str(self._options.seed + seed), '--share', str(share), '--first', str(first)] + list(more),
            name + '_camera.log')

    def _calibrate(self) -> float:
        """Return how many frames a second the engine holds, from the time that each takes."""
        for camera in self._start_cameras(10.0, CALIBRATION_SECONDS, 'calibration', 0.0):
            camera.wait(60.0)
        services = sorted(delay.engine_ns for delay in self._watcher.delays)
        if not services:
            raise InputError(f'no frame was segmented; see {self._node.log}')
        del self._watcher.delays[:]
        return 1e9 / services[len(services) // 2]

    def _disturbed(self, duration: float) -> Iterator[int]:
        """Do to the graph what the seed says; yield at every second."""
        chance = random.Random(self._options.seed)
        deactivate = partial(self._transitions, 'deactivated', DEACTIVATE, ACTIVATE)
        lasting: List[Callable[[], None]] = [deactivate, self._visit, self._limit, self._second]
        restarting: List[Callable[[], None]] = [
            partial(self._restart, 'killed', signal.SIGKILL), deactivate,
            partial(self._restart, 'terminated', signal.SIGTERM),
            partial(self._transitions, 'cleaned up', DEACTIVATE, CLEANUP, CONFIGURE, ACTIVATE),
            self._visit, self._limit, self._second]
        began, pause = time.monotonic(), min(max(5.0, self._options.duration / 30), 30.0)
        following, queue = began + pause, list(restarting)
        for second in _seconds(duration):
            if time.monotonic() > following:
                if not queue:
                    early = time.monotonic() - began < self._options.duration * RESTARTS_UNTIL
                    queue = list(restarting if early else lasting)
                    chance.shuffle(queue)
                queue.pop(0)()
                following = time.monotonic() + pause * chance.uniform(0.7, 1.3)
            yield second

    def _sample(self, phase: str) -> None:
        usage = self._node.usage()
        if usage is not None:
            self._samples.setdefault(phase, []).append(
                (self._watcher.ledger.frames_reported - self._reported_before, usage))

    def _count(self, what: str) -> None:
        self._disturbances[what] = self._disturbances.get(what, 0) + 1

    def _restart(self, what: str, how: int) -> None:
        self._count(what)
        began = time.monotonic() - IN_FLIGHT_SECONDS
        code = self._node.end(how)
        if how == signal.SIGTERM and code != 0:
            self._watcher.ledger.wrong.append(f'exit code {code} after SIGTERM')
        up = time.monotonic()
        self._watcher.ledger.outage(began, up, ended=True)
        self._start_node()

    def _transitions(self, what: str, *transitions: int) -> None:
        self._count(what)
        began = time.monotonic() - IN_FLIGHT_SECONDS
        for transition in transitions:
            up = time.monotonic()
            if not self._watcher.change(transition):
                self._watcher.ledger.wrong.append(f'transition {transition} of "{what}" failed')
        self._watcher.ledger.outage(began, up)

    def _visit(self) -> None:
        self._count('visitor')
        self._watcher.visit(f'segmentation_node/{self._cameras[0]}/overlay', 2.0)

    def _limit(self) -> None:
        self._count('limited')
        if not self._watcher.limit(2.0):
            self._watcher.ledger.wrong.append('max_rate could not be set')

    def _second(self) -> None:
        """Let a second publisher, best effort every other time, send on the first camera's topic."""
        self._count('second publisher')
        count, began, camera = self._disturbances['second publisher'], time.monotonic(), self._cameras[0]
        self._start_camera(camera, f'second_{count}', SECOND_RATE, 2.0, count, 0.0,
                           *['--best-effort'] * (count % 2)).wait(UP_SECONDS)
        self._watcher.ledger.several(camera, began, time.monotonic() + IN_FLIGHT_SECONDS)

    def _summary(self, held: float, rate: float, codes: Dict[str, int]) -> Dict[str, Any]:
        published = [frame for log, camera in self._logs.items() for frame in read_log(log, camera)]
        for name, code in codes.items():
            if code != 0:
                self._watcher.ledger.wrong.append(f'{name} ended with code {code}')
        summary = self._watcher.ledger.balance(published)
        summary.update(
            seed=self._options.seed, duration_s=self._options.duration, engine_rate_hz=held,
            camera_rate_hz=rate, disturbances=self._disturbances,
            errors_survived=sum(summary['dropped_by'].get(reason, 0) for reason in ERRORS),
            **latency(self._watcher.delays, len(self._cameras) / rate), **flatness(self._samples))
        recount(list(self._logs), self._watcher.log, self._folder / 'latency.csv', summary)
        return summary


def _seconds(duration: float) -> Iterator[int]:
    """Yield once a second for `duration` seconds; seconds that have passed already are yielded at once."""
    began = time.monotonic()
    for second in range(max(1, int(duration))):
        time.sleep(max(0.0, began + second - time.monotonic()))
        yield second


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool; exit code 1 where a frame was lost without a reason or something went wrong."""
    parser = cli.parser('soak', __doc__.splitlines()[0], {'': ['rclpy', 'tqdm', 'psutil']})
    parser.add_argument('--duration', type=float, default=300.0, metavar='S', help='seconds under load')
    parser.add_argument('--seed', type=int, default=0, help='which faults come when')
    parser.add_argument('--share', type=float, default=0.05, help='share of faulty frames, 0..1')
    parser.add_argument('--overload', type=float, default=OVERLOAD, help='times what the engine holds')
    parser.add_argument('--cameras', type=int, choices=range(1, len(CAMERAS) + 1), default=2, metavar='N',
                        help=f'how many cameras, 1 to {len(CAMERAS)}')
    parser.add_argument('--weights', default='synthetic', help='a shipped name or the path of an .npz')
    parser.add_argument('--engine', default='auto', help='what runs the network')
    parser.add_argument('--input-size', type=int, nargs=2, default=(96, 128), metavar=('H', 'W'),
                        help='network input in pixels')
    parser.add_argument('--output', type=Path, default=Path('out/soak'), help='for summary.json and logs')
    options = parser.parse_args(argv)
    if not (options.duration >= 5 and 0 <= options.share <= 1 and 0 < options.overload <= 20):
        raise InputError('--duration is at least 5, --share 0 to 1, --overload 0 to 20')
    options.output.mkdir(parents=True, exist_ok=True)
    summary = Soak(options).run()
    path = options.json if 'json' in options else options.output / 'summary.json'
    write_json(path, summary)
    print(in_words(summary) + f'\nwritten to {path}')
    return 1 if summary['lost_without_reason'] or summary['wrong_count'] else 0
