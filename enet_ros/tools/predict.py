"""Segment every frame of pictures, a video, a bag or a camera; leaves overlays, labels and a page."""

import argparse
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
import csv
from pathlib import Path
import shutil
import time
from typing import Any, Deque, Dict, Iterator, List, Optional, Set

import numpy as np

from .. import cli
from ..classes import ClassTable
from ..errors import InputError
from ..files import write_bytes
from ..images import encode_jpeg, encode_png
from ..json_files import write_json
from ..libraries import need
from ..overlay import Overlay
from ..reports.gallery import Gallery, write_gallery
from ..segmenter import Prediction, Segmenter
from ..sources import Source, open_source
from ..sources.video import Mp4Writer
from .scoring import add_segmenting, segmenter_options

LEFT = ('overlay.mp4', 'overlays', 'labels', 'class_shares.csv', 'index.html', 'summary.json')
_BEHIND = 4     # frames that may wait to be written


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Run the tool; 1 where the source was damaged, so that not all of it was segmented."""
    options = arguments(argv)
    source = open_source(options.source, image_topic=options.topic, truth_topic=None)
    count = source.count if options.frames is None else min(options.frames, source.count or options.frames)
    if source.kind != 'stills':
        need('predict', ['av'])
    prepare(options)
    with Segmenter.open(output_classes=options.classes, ego_mask=options.ego_mask,
                        **segmenter_options(options)) as segment:
        sink = Sink(options, source, segment.classes)
        interrupted = run(segment, source, count, sink)
        facts = sink.finish()
        facts.update(engine=f'{segment.engine.name} {segment.engine.precision}', weights=options.weights,
                     source=options.source, interrupted=interrupted, problems=source.problems,
                     complete=not source.problems and not interrupted)
    leave(options, facts, sink)
    if interrupted:
        raise KeyboardInterrupt
    return 0 if facts['complete'] else 1


def arguments(argv: Optional[List[str]]) -> argparse.Namespace:
    """Return the options."""
    parser = cli.parser('predict', __doc__, {'': ['tqdm', 'jinja2']})
    add = parser.add_argument
    add('source', help="a file, a folder, a pattern in quotes, a rosbag2, a camera's number, or 'synthetic'")
    add('--output', type=Path, default=Path('out/predict'), metavar='FOLDER', help='what it leaves')
    add('--force', action='store_true', help='replace what an earlier run left in that folder')
    add('--frames', type=cli.count, metavar='N', help='the first N only')
    add('--topic', default='', help="of a bag's images; None: its first camera")
    add('--alpha', type=cli.number(float, 0, 1), default=0.5, help="the colours' share in the overlay")
    add('--no-labels', action='store_true', help='leave no label PNG of each frame')
    add('--classes', type=Path, metavar='YAML', help='group classes by this class file')
    add('--ego-mask', type=Path, metavar='PNG', help='where it is not zero labels become 255')
    add_segmenting(parser)
    return parser.parse_args(argv)


def prepare(options: argparse.Namespace) -> None:
    """Make the output folder; InputError where an earlier result lies there and may not be replaced."""
    there = [options.output / name for name in LEFT if (options.output / name).exists()]
    if there and not options.force:
        raise InputError(f'{there[0]} is there already: name another --output, or replace it with --force')
    for path in there:
        if path.is_dir():
            shutil.rmtree(str(path))
        else:
            path.unlink()
    options.output.mkdir(parents=True, exist_ok=True)


def run(segment: Segmenter, source: Source, count: Optional[int], sink: 'Sink') -> bool:
    """Segment and write, the two overlapped; whether Ctrl-C cut it short, which a camera's end never does."""
    waiting: Deque['Future[None]'] = deque()
    predictions = cli.progress(_first(segment.stream(source), count), 'segmenting', count)
    with ThreadPoolExecutor(1) as writer:
        try:
            for prediction in predictions:
                waiting.append(writer.submit(sink.write, prediction))
                if len(waiting) > _BEHIND:
                    waiting.popleft().result()
        except KeyboardInterrupt:
            return source.kind != 'live'
        finally:
            for written in waiting:
                written.result()
    return False


def _first(predictions: Iterator[Prediction], count: Optional[int]) -> Iterator[Prediction]:
    for index, prediction in enumerate(predictions):
        yield prediction
        if index + 1 == count:
            return


class Sink:
    """Writes what becomes of each frame: overlay, labels, shares, and now and then a picture for the page."""

    def __init__(self, options: argparse.Namespace, source: Source, classes: ClassTable) -> None:
        """Open the CSV, and the video where the source moves."""
        self.classes = classes
        self.gallery = Gallery()
        self.shares: List[np.ndarray] = []
        self._output: Path = options.output
        self._labels = not options.no_labels
        self._overlay = Overlay(classes.palette(), options.alpha)
        self._video = None if source.kind == 'stills' else Mp4Writer(
            options.output / 'overlay.mp4', source.rate)
        self._csv = (options.output / 'class_shares.csv').open('w', newline='', encoding='utf-8')
        self._rows = csv.writer(self._csv)
        self._rows.writerow(['frame', 'stamp_ns', *classes.names, 'unknown'])
        self._names: Set[str] = set()
        self._engine_ns: List[int] = []
        self._started = time.monotonic()

    def write(self, frame: Prediction) -> None:
        """Write one frame."""
        name = self._name(frame.name)
        overlay = self._overlay(frame.image, frame.labels, frame.order)
        if self._video is not None:
            self._video.write(overlay, frame.stamp_ns, frame.order)
        else:
            _write(self._output / 'overlays' / (name + '.jpg'), encode_jpeg(overlay, frame.order, 90))
        if self._labels:
            _write(self._output / 'labels' / (name + '.png'), encode_png(frame.labels))
        share = self.classes.shares(frame.labels)
        self._rows.writerow([name, frame.stamp_ns, *(f'{value:.6f}' for value in share)])
        self.shares.append(share)
        self._engine_ns.append(frame.times.inferred - frame.times.preprocessed)
        self.gallery.offer(name, frame.image, overlay, frame.order)

    def _name(self, name: str) -> str:
        """Return a file name that no other frame has."""
        index = len(self._names)
        name = name or f'{index:06d}'
        name = f'{name}_{index:06d}' if name in self._names else name
        self._names.add(name)
        return name

    def finish(self) -> Dict[str, Any]:
        """Close the files and return what is known of the run; InputError where there was no frame."""
        seconds = time.monotonic() - self._started
        self._csv.close()
        if self._video is not None:
            self._video.close()
        if not self.shares:
            raise InputError('no frame in the source could be segmented')
        frames = len(self.shares)
        mean = np.mean(self.shares, axis=0)
        return {'frames_segmented': frames, 'seconds': seconds, 'ms_per_frame': 1e3 * seconds / frames,
                'engine_ms': float(np.median(self._engine_ns)) / 1e6,
                'class_shares': dict(zip([*self.classes.names, 'unknown'], mean.tolist()))}


def _write(path: Path, data: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def leave(options: argparse.Namespace, facts: Dict[str, Any], sink: Sink) -> None:
    """Write the page and the summary; print them in short."""
    page = write_gallery(facts, sink.classes, sink.shares, sink.gallery,
                         'overlay.mp4' if (options.output / 'overlay.mp4').exists() else None,
                         cli.command() + ('' if options.force else ' --force'))
    write_bytes(options.output / 'index.html', page.encode('utf-8'), 'the page was')
    write_json(options.output / 'summary.json', facts)
    if 'json' in options:
        write_json(options.json, facts)
    for problem, times in facts['problems'].items():
        print(f'damaged: {problem}' + (f' ({times} times)' if times > 1 else ''))
    print('{frames_segmented} frames in {seconds:.1f} s: {ms_per_frame:.1f} ms a frame, of which the engine '
          '({engine}) {engine_ms:.1f} ms'.format(**facts) + ('' if facts['complete'] else '; NOT all frames'))
    print(f'look at {options.output / "index.html"}')
