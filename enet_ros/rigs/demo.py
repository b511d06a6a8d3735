"""The whole system on this machine: camera, segmentation, delays and scores, each a process, over DDS."""

import argparse
import contextlib
import os
from pathlib import Path
import signal
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import cv2

from .. import cli, weights
from ..classes import ClassTable
from ..errors import InputError
from ..json_files import read_json, write_json
from ..latency.files import read_recording
from ..reports.gallery import Footage
from ..sources import Source, open_source
from .processes import Processes, isolate, ros_arguments

SYNTHETIC = 'synthetic'
PLAYBACK, SEGMENTATION = 'playback_node', 'segmentation_node'
EVALUATION, LATENCY = 'evaluation_node', 'latency_node'
PATIENCE = 120.0        # seconds for a start, and for a frame while the camera plays
QUIET_SECONDS = 3.0     # without a frame after playback's end: there will be no more

# Taken over from the recordings; the keys are those of every tool.
FROM_LATENCY = ('frames_in', 'frames_segmented', 'frames_dropped', 'dropped_by', 'rate_hz', 'camera_rate_hz',
                'latency_ms', 'stages_ms')
FROM_EVALUATION = ('frames_evaluated', 'truth_without_prediction', 'prediction_without_truth', 'mean_iou',
                   'class_iou', 'class_average_accuracy', 'global_accuracy')


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool."""
    options = arguments(argv)
    # SIGTERM, the end of a CI job say, ends all the processes as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    checkpoint = weights.load(options.weights)
    source = open_source(options.source, truth_classes=options.truth_classes)
    options.truth = truth_classes(source, checkpoint, options.truth_classes)
    footage = Footage(checkpoint.classes)
    summary = play(options, source, footage)
    summary['weights'] = f'{options.weights} (sha256 {checkpoint.sha256})'
    leave(options, summary, checkpoint, footage)
    print(in_words(summary))
    print('look at {}'.format(options.output / 'report.html'))
    return 0


def arguments(argv: Optional[List[str]]) -> argparse.Namespace:
    """Return the options, paths in full."""
    parser = cli.parser('demo', __doc__, {'': ['rclpy', 'tqdm', 'jinja2']})
    parser.add_argument('--source', default=SYNTHETIC, metavar='PATH',
                        help="a rosbag2, a folder or a video; 'synthetic' is the street that ships")
    parser.add_argument('--truth-classes', default='', metavar='TABLE',
                        help="class table of a bag's ground truth, where the bag does not name it")
    parser.add_argument('--weights', metavar='NAME', default=argparse.SUPPRESS,
                        help='a shipped name or an .npz (default: synthetic for the street, else camvid)')
    parser.add_argument('--engine', default='auto', help='auto, openvino, torch, tensorrt or opencv')
    parser.add_argument('--frames', type=cli.count, default=200, help='how many to play at most')
    parser.add_argument('--rate', type=cli.rate, default=10.0, metavar='HZ', help="the camera's rate")
    parser.add_argument('--output', type=Path, default=Path('out/demo'), metavar='FOLDER',
                        help='where the results go')
    parser.add_argument('--view', nargs='?', type=int, const=0, metavar='PORT',
                        help='serve a page that shows the run live, on this machine only')
    options = parser.parse_args(argv)
    options.weights = getattr(options, 'weights', 'synthetic' if options.source == SYNTHETIC else 'camvid')
    # The nodes run in this folder too, but logs and reports should say where things are.
    for name in ('source', 'weights', 'truth_classes'):
        if os.path.exists(getattr(options, name)):
            setattr(options, name, os.path.abspath(getattr(options, name)))
    options.output = options.output.absolute()
    return options


def play(options: argparse.Namespace, source: Source, footage: Footage) -> Dict[str, Any]:
    """Run the processes, follow the frames, write overlay.png; return what the nodes recorded."""
    from .view import View, listen
    server = None if options.view is None else listen(options.view)
    isolate()
    for name in ('evaluation.json', 'overlay.png'):
        if (options.output / name).exists():
            (options.output / name).unlink()
    started = time.monotonic()
    with Processes(options.output / 'log') as processes:
        for name, words in nodes(options) + [(PLAYBACK, ros_arguments(playback(options, source)))]:
            # Scoring can wait until a frame has its labels.
            processes.start(name, words, niceness=10 if name == EVALUATION else 0)
        # rclpy is imported while the others load.
        from .watcher import Watcher
        with Watcher(SEGMENTATION, footage.add) as watcher, contextlib.ExitStack() as serving:
            if server is not None:
                view = serving.enter_context(View(watcher, footage.classes, server))
                print(f'watch it at {view.url}', flush=True)
            print(f'starting the nodes: {options.weights}, {options.engine}', flush=True)
            wait_for_recorders(processes, watcher)
            watcher.listen_to_images()      # the third to do so: playback begins
            total = min(options.frames, source.count or options.frames)
            for _ in cli.progress(frames(processes, watcher), 'segmenting', total=total):
                pass
            picture = watcher.overlay()
        if picture is None:
            raise InputError('{}: no frame became labels; the logs are in {}'.format(
                options.source, options.output / 'log'))
        processes.stop(EVALUATION, LATENCY)
        processes.stop(SEGMENTATION)
    image, order = picture
    cv2.imwrite(str(options.output / 'overlay.png'), image if order == 'bgr' else image[..., ::-1])
    summary = {'source': options.source, 'engine': options.engine, 'seconds': time.monotonic() - started}
    summary.update(recorded(options.output / 'latency' / 'latency.json', FROM_LATENCY))
    summary.update(recorded(options.output / 'evaluation.json', FROM_EVALUATION))
    return summary


def truth_classes(source: Source, checkpoint: weights.Checkpoint, named: str) -> Optional[str]:
    """Return the class table of the source's annotations, `named` if any; None where no label maps to it."""
    if source.classes is None or source.classes.name == checkpoint.classes.name:
        return checkpoint.classes.name
    try:
        checkpoint.classes.mapping_to(source.classes)
        return named or ClassTable.load(source.classes.name).name
    except InputError as error:
        print(f'not scored: {error}')
        return None


def nodes(options: argparse.Namespace) -> List[Tuple[str, List[str]]]:
    """Return (name, command line) of the processes that listen to the camera."""
    topics = {'labels': SEGMENTATION + '/labels', 'timing': SEGMENTATION + '/timing'}
    if options.truth is None:
        topics['ground_truth'] = 'nothing'
    return [
        (SEGMENTATION, ros_arguments({'weights': options.weights, 'engine': options.engine})),
        (LATENCY, ros_arguments({'segmentation': SEGMENTATION, 'output': str(options.output / 'latency')})),
        (EVALUATION, ros_arguments(
            {'weights': options.weights, 'truth_classes': options.truth or '',
             'output': str(options.output / 'evaluation.json'),
             'report': str(options.output / 'evaluation.html')}, topics))]


def playback(options: argparse.Namespace, source: Source) -> Dict[str, Any]:
    """Return the camera's parameters; it plays once segmentation, evaluation and the watcher listen."""
    return {'source': options.source, 'truth_classes': options.truth_classes,
            'rate': options.rate, 'max_frames': options.frames,
            'pace': 'step' if source.kind == 'stills' else 'realtime', 'wait_for_subscribers': 3,
            'wait_for_truth_subscribers': int(options.truth is not None)}


def wait_for_recorders(processes: Processes, watcher: Any) -> None:
    """Wait until no frame can escape the recordings; InputError where a node ends, or it takes too long."""
    def missing() -> List[str]:
        processes.check()
        late = [name for name in (EVALUATION, LATENCY) if not watcher.listens(SEGMENTATION + '/timing', name)]
        if not late and not watcher.reaches_all():
            late = [SEGMENTATION]
        return late

    if not watcher.wait(lambda: not missing(), PATIENCE):
        raise InputError('{} did not start in {:.0f} s; the logs are in {}'.format(
            ' and '.join(missing()), PATIENCE, processes.logs))


def frames(processes: Processes, watcher: Any) -> Iterator[int]:
    """Yield the number of every frame whose fate is known, until playback has ended and no more come.

    The last wait is also the recorders': a label that this process has seen may still be on its way to them.
    """
    counted = 0

    def news() -> bool:
        return watcher.seen > counted

    playing = True
    while playing or watcher.wait(news, QUIET_SECONDS):
        if not watcher.wait(lambda: news() or not processes.running(PLAYBACK), PATIENCE):
            raise InputError(f'no frame for {PATIENCE:.0f} s; the logs are in {processes.logs}')
        playing = processes.running(PLAYBACK)
        while counted < watcher.seen:
            counted += 1
            yield counted


def recorded(path: Path, keys: Sequence[str]) -> Dict[str, Any]:
    """Return the named values of the JSON that a node wrote; None for those that it has not."""
    values = read_json(path)
    return {key: values.get(key) for key in keys}


def leave(options: argparse.Namespace, summary: Dict[str, Any], checkpoint: weights.Checkpoint,
          footage: Footage) -> None:
    """Write summary.json and report.html."""
    from ..reports.overview import write_overview
    output = options.output
    write_json(output / 'summary.json', summary)
    if 'json' in options:
        write_json(options.json, summary)
    write_overview(
        output / 'report.html', 'What the camera saw',
        (f'{options.source}, up to {options.rate:g} Hz; weights {options.weights} '
         f'({checkpoint.sha256[:12]})'),
        summary, checkpoint.classes, footage, [
            None if row.delay_ns is None else row.delay_ns / 1e6
            for row in read_recording(output / 'latency' / 'latency.csv')[0]],
        [(name, text) for name, text in (
            ('evaluation.html', 'the score in detail'), ('latency/latency.csv', 'every frame, every stage'),
            ('summary.json', 'these numbers, for machines')) if (output / name).exists()],
        cli.command())


def in_words(summary: Dict[str, Any]) -> str:
    """Return the result as a person reads it in a terminal."""
    late = summary['latency_ms']
    dropped = ', '.join(f'{count} {name}' for name, count in summary['dropped_by'].items() if count)
    lines = [
        'frames  {frames_in} in, {frames_segmented} segmented, {frames_dropped} dropped'.format(**summary)
        + (f' ({dropped})' if dropped else ''),
        'rate    {} Hz'.format('?' if summary['rate_hz'] is None else round(summary['rate_hz'], 1)),
        'delay   ' + ', '.join(f'{late[name]:.1f} ms {words}' for name, words in (
            ('p50', 'median'), ('p90', 'at 90 %'), ('p99', 'at 99 %'), ('max', 'at most')) if late[name])]
    if summary['mean_iou'] is None:
        lines.append('IoU     unknown: no annotations that fit')
    else:
        lines.append('IoU     {mean_iou:.3f} mean over {frames_evaluated} frames'.format(**summary))
    return '\n'.join(lines)
