"""``record_bag``: a data-set folder, a video file or the synthetic street becomes a rosbag2."""

import argparse
from itertools import islice
from pathlib import Path
import sys
from typing import Iterator, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from .. import cli
from ..bags import sidecar
from ..bags.writing import STORAGES, BagWriter, describe
from ..classes import ClassTable
from ..datasets import LAYOUTS, open_dataset
from ..datasets.sample import Dataset, Sample
from ..datasets.synthetic import SyntheticStreet
from ..errors import InputError
from ..json_files import write_json
from ..sources.video import open_video

GAP_S = 10.0        # between drives, so that nothing takes them for one


class Stamper:
    """Stamps from frame numbers: a drive keeps its own times, the next one begins `GAP_S` later."""

    def __init__(self, start_s: float, rate_hz: float) -> None:
        """Begin at `start_s`; samples without a time follow each other at `rate_hz`."""
        self._offset_ns = int(round(start_s * 1e9))
        self._period = 1.0 / rate_hz
        self._sequence: Optional[str] = None
        self._last_ns = 0
        self._count = 0

    def stamp(self, sample: Sample) -> int:
        """Return a sample's stamp in ns, later than all before."""
        seconds = self._count * self._period if sample.stamp is None else sample.stamp
        own_ns = int(round(seconds * 1e9))
        first = self._sequence is None
        if sample.sequence != self._sequence or own_ns + self._offset_ns <= self._last_ns:
            self._sequence = sample.sequence
            if not first:
                self._offset_ns = self._last_ns + int(GAP_S * 1e9) - own_ns
        self._count += 1
        self._last_ns = own_ns + self._offset_ns
        return self._last_ns


class Topics(NamedTuple):
    """The topics of a camera."""

    image: str
    truth: str
    instances: str
    camera_info: str
    label_info: str

    @classmethod
    def of(cls, camera: str) -> 'Topics':
        """Return the topics below a camera's name."""
        base = '/' + camera.strip('/')
        return cls(*(f'{base}/{name}' for name in (
            'image', 'ground_truth', 'instances', 'camera_info', 'label_info')))


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = cli.parser('record_bag', __doc__.split(': ', 1)[1].strip(), {'': ['rosbags', 'tqdm']})
    parser.add_argument('source', help="data-set folder, a video file, or 'synthetic'")
    parser.add_argument('bag', type=Path, help='folder to create')
    parser.add_argument('--split', help='train, val or test of the data set; all frames if not given')
    parser.add_argument('--layout', choices=LAYOUTS, help='of the folder, where it does not show')
    parser.add_argument('--storage', choices=STORAGES, default='mcap', help='sqlite3 is what Humble records')
    parser.add_argument('--compression', choices=('none', 'jpeg', 'png'), default='none',
                        help='of the images (on <image>/compressed); jpeg changes pixels')
    parser.add_argument('--quality', type=cli.number(int, 1, 100), default=95, help='of jpeg')
    parser.add_argument('--camera', default='camera', help='name that the topics lie under')
    parser.add_argument('--frame-id', default='camera', help='of the headers')
    parser.add_argument('--start', type=cli.number(float, 0), default=1.0, metavar='S',
                        help="stamp of the first drive's time 0")
    parser.add_argument('--rate', type=cli.rate, default=30.0, metavar='HZ',
                        help='of frames whose names hold no time')
    parser.add_argument('--fov', type=cli.number(float, 1, 179), default=60.0, metavar='DEG',
                        help='field of view across for camera_info, where the data set has none')
    parser.add_argument('--frames', type=cli.count, metavar='N', help='record the first N only')
    parser.add_argument('--size', type=cli.size, default='360x480', metavar='HEIGHTxWIDTH',
                        help='of the synthetic street')
    parser.add_argument('--seed', type=int, default=0, help='of the synthetic street')
    return parser


@cli.guard
def main(argv: Optional[List[str]] = None) -> int:
    """Record; exit code 2 where the input is wrong or the bag exists already."""
    options = arguments().parse_args(argv)
    dataset = source(options)
    count = len(dataset) if options.frames is None else min(options.frames, len(dataset))
    if count < 1:
        raise InputError(f'{options.source}: no frames to record')
    with BagWriter(options.bag, options.storage, describe(dataset.name, dataset.classes)) as bag:
        rows, annotated = record(bag, dataset, count, options)
        sidecar.write(options.bag / sidecar.NAME, rows)
    problems = dataset.opened.problems if isinstance(dataset, Video) else {}
    count = len(rows)
    duration = (rows[-1][0] - rows[0][0]) / 1e9
    size = sum(path.stat().st_size for path in options.bag.iterdir())
    print(f'{options.bag}: {count} frames, {annotated} annotated, {duration:.1f} s, {size / 1e6:.1f} MB')
    if getattr(options, 'json', None):
        write_json(options.json, {'bag': options.bag, 'dataset': dataset.name, 'storage': options.storage,
                                      'frames': count, 'problems': problems,
                                      'annotated': annotated, 'duration_s': duration,
                                      'bytes': size, 'topics': Topics.of(options.camera)._asdict()})
    for problem in problems:
        print(f'damaged: {problem}; NOT all frames are in the bag')
    return 1 if problems else 0


class Video(Dataset):
    """A video file's frames, read one after the other, at its own rate."""

    def __init__(self, path: Path) -> None:
        """Open it; InputError where it is no video."""
        self.opened, self.split = open_video(path), None
        self.name, self.classes = 'video', ClassTable.load('camvid')

    def __len__(self) -> int:
        return self.opened.count or sys.maxsize

    def __iter__(self) -> Iterator[Sample]:
        for index, frame in enumerate(self.opened.frames()):
            yield Sample(f'{index:06d}', cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB),
                         stamp=index / self.opened.rate)


def source(options: argparse.Namespace) -> Dataset:
    """Open the data set that the options name; InputError where there is none."""
    if Path(options.source).is_file():
        return Video(Path(options.source))
    if options.source != 'synthetic' or Path(options.source).exists():
        return open_dataset(options.source, options.split, options.layout)
    return SyntheticStreet(options.size, options.seed, 300 if options.frames is None else options.frames)


def record(bag: BagWriter, dataset: Dataset, count: int,
           options: argparse.Namespace) -> Tuple[List[Tuple[int, str, str]], int]:
    """Write `count` frames; return the sidecar's rows and how many frames are annotated."""
    topics, stamper = Topics.of(options.camera), Stamper(options.start, options.rate)
    rows: List[Tuple[int, str, str]] = []
    annotated = 0
    total = None if count == sys.maxsize else count
    for sample in cli.progress(islice(dataset, count), 'record', total):
        stamp_ns = stamper.stamp(sample)
        assert sample.image is not None
        if not rows:    # `ros2 bag record` keeps this topic when it records the bag, unlike custom data
            bag.label_info(topics.label_info, stamp_ns, options.frame_id, dataset.classes)
        _write_image(bag, topics.image, stamp_ns, sample.image, options)
        height, width = sample.image.shape[:2]
        bag.camera_info(topics.camera_info, stamp_ns, options.frame_id,
                        intrinsics(dataset, height, width, options.fov), height, width)
        if sample.label is not None:
            bag.labels(topics.truth, stamp_ns, options.frame_id, sample.label)
            annotated += 1
            if sample.instances is not None:
                bag.instances(topics.instances, stamp_ns, options.frame_id, sample.instances)
        rows.append((stamp_ns, sample.name, sample.sequence))
    return rows, annotated


def intrinsics(dataset: Dataset, height: int, width: int, fov_degrees: float) -> np.ndarray:
    """Return K, (3, 3): the data set's own where it has one, else a centred camera of that field of view."""
    own = getattr(dataset, 'camera_matrix', None)
    if own is not None:
        return own
    focal = width / 2.0 / np.tan(np.radians(fov_degrees) / 2)
    return np.array([[focal, 0.0, width / 2.0], [0.0, focal, height / 2.0], [0.0, 0.0, 1.0]])


def _write_image(bag: BagWriter, topic: str, stamp_ns: int, image: np.ndarray,
                 options: argparse.Namespace) -> None:
    if options.compression == 'none':
        bag.image(topic, stamp_ns, options.frame_id, image)
    else:
        bag.compressed_image(topic + '/compressed', stamp_ns, options.frame_id, image,
                             options.quality if options.compression == 'jpeg' else None)
