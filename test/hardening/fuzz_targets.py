"""What the fuzz reads: for each kind of file its seeds, and the loaders below the tools' handler.

A loader answers with a value or with an InputError of one line; any other exception, over twenty seconds of
processor time or over a gigabyte of memory is a failure.
"""

from functools import lru_cache
import io
import json
import os
from pathlib import Path
import shutil
import sqlite3
import tempfile
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple
from unittest import mock
import zipfile

from backports import zstd
from bounds import bounded
import cv2
import numpy as np

from enet_ros import networks, picture_files, weights
from enet_ros.bags import metadata, sidecar
from enet_ros.bags.messages import COMPRESSED, IMAGE, ImageMessage
from enet_ros.bags.reading import open_bag
from enet_ros.bags.writing import BagWriter, describe
from enet_ros.classes import ClassTable
from enet_ros.datasets import files
from enet_ros.errors import InputError
from enet_ros.evaluation import Evaluation, evaluate
from enet_ros.json_files import parse_json, plain
from enet_ros.latency.files import compare, comparison_text, read_recording, read_summary
from enet_ros.latency.rows import FrameRow
from enet_ros.latency.summary import summarise
from enet_ros.metrics.coverage import Frame
from enet_ros.timing import SEGMENTED, STAGES, FrameTiming
from enet_ros.training import enet_cityscapes, recipe, torch7, torch_file

CLASSES = ClassTable.load('camvid')
MEMORY: Optional[str] = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
_MAX_PIXELS = 1 << 20       # of a picture that a case may decode: larger ones only cost time


class Target(NamedTuple):
    """`seeds` are good inputs; `read(data, path)` gives one to the loaders, as a file where they want one.

    `loaders` are their modules, of which the branches that were reached are shown.
    """

    seeds: Callable[[], List[bytes]]
    read: Callable[[bytes, Path], Any]
    loaders: Tuple[str, ...]


def check(target: str, data: bytes) -> None:
    """Read one case; raises where the answer is none of those allowed."""
    # In memory: on a disk, removing the folder takes longer than reading the file.
    folder = Path(tempfile.mkdtemp('', 'enet_ros_fuzz', MEMORY))
    try:
        with bounded():
            TARGETS[target].read(data, folder)
    except InputError as error:
        told = str(error)
        assert told and '\n' not in told and len(told) <= 1000, repr(told[:2000])
    finally:
        shutil.rmtree(str(folder))


def _file(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def _try(*loaders: Callable[[], Any]) -> None:
    """Call every loader; raise the InputError of the last one that was refused."""
    refused = None
    for load in loaders:
        try:
            load()
        except InputError as error:
            refused = error
    if refused is not None:
        raise refused


def _npy(array: np.ndarray) -> bytes:
    stored = io.BytesIO()
    np.save(stored, array)
    return stored.getvalue()


def _zip(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace('__', '/').replace('_', '.'), content)
    return packed.getvalue()


_RECORD = {'format': weights.FORMAT, 'network': 'enet', 'classes': CLASSES.to_dict(),
           'input_size': [96, 128], 'normalisation': weights.NORMALISATION}


def _npz_seeds() -> List[bytes]:
    record = json.dumps(_RECORD).encode()
    array = _npy(np.ones((4, 3), np.float32))
    whole = _zip(metadata_npy=_npy(np.frombuffer(record, np.uint8)), initial_npy=array)
    return [b'\0' + whole, b'\1' + array, b'\2' + record]


def _read_npz(data: bytes, folder: Path) -> None:
    """Byte 0 says what the rest is: an archive, an array in one, or a record in one (checksums hold)."""
    kind, rest, record = data[:1], data[1:], _npy(np.frombuffer(json.dumps(_RECORD).encode(), np.uint8))
    if kind == b'\1':
        rest = _zip(metadata_npy=record, initial_npy=rest)
    elif kind == b'\2':
        rest = _zip(metadata_npy=_npy(np.frombuffer(rest, np.uint8)))
    weights.load(_file(folder, 'w.npz', rest))


def _yaml_seeds() -> List[bytes]:
    from enet_ros.resources import root
    texts = [path.read_bytes() for kind in ('classes', 'recipes') for path in (
        root('config') / kind).glob('*.yaml')]
    with tempfile.TemporaryDirectory() as folder:
        return texts + [(_bag(Path(folder) / 'b', 'mcap') / 'metadata.yaml').read_bytes()]


def _read_yaml(data: bytes, folder: Path) -> None:
    path = _file(folder, 'x.yaml', data)
    _try(lambda: ClassTable.load(path), lambda: recipe.load(path), lambda: metadata.read(path))


def _torch_seeds() -> List[bytes]:
    import torch
    seeds = []
    for zipped in (True, False):
        saved = io.BytesIO()
        torch.save({'state_dict': {'a': torch.ones(3, 2), 'b': torch.arange(4)}, 'epoch': 3,
                    'best': np.float64(0.5)}, saved, _use_new_zipfile_serialization=zipped)
        seeds.append(b'\0' + saved.getvalue())
    with zipfile.ZipFile(io.BytesIO(seeds[0][1:])) as archive:
        pickled = next(name for name in archive.namelist() if name.endswith('data.pkl'))
        return seeds + [b'\1' + archive.read(pickled)]


def _read_torch(data: bytes, folder: Path) -> None:
    """Byte 0 says what the rest is: a file, or the pickle in an archive."""
    rest = data[1:]
    if data[:1] == b'\1':
        rest = _zip(a__data_pkl=rest, a__data__0=bytes(24), a__data__1=bytes(32))
    torch_file.load(_file(folder, 'w.pth', rest))


_build = lru_cache(maxsize=None)(networks.build)


def _torch7_seeds() -> List[bytes]:
    from lua import Layer, Writer, sequential
    writer = Writer()
    writer.value(sequential([Layer('nn.SpatialConvolution', weight=np.ones((4, 3), np.float32)),
                             Layer('nn.SpatialBatchNormalization', weight=np.ones(4, np.float32),
                                   bias=np.ones(4, np.float32), running_var=np.ones(4, np.float32)),
                             Layer('nn.SpatialDropout', p=0.1)]))
    return [bytes(writer.data)]


def _read_torch7(data: bytes, folder: Path) -> None:
    # The network that a file is compared with is built once, not for every case.
    with mock.patch.object(enet_cityscapes, 'networks', SimpleNamespace(build=_build)):
        enet_cityscapes.convert(torch7.load(_file(folder, 'model.net', data)), 'model.net')


def _bag(path: Path, storage: str) -> Path:
    with BagWriter(path, storage, describe('noise', CLASSES)) as bag:
        for index in range(4):
            picture = np.full((6, 8, 3), index, np.uint8)
            bag.image('/image', index * 10**8, 'camera', picture)
            bag.compressed_image('/image/compressed', index * 10**8, 'camera', picture)
            bag.labels('/ground_truth', index * 10**8, 'camera', picture[..., 0])
    return path


def _bag_seeds(storage: str) -> List[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = _bag(Path(folder) / 'b', storage)
        if storage == 'sqlite3':        # small pages: most damage falls on something that is read
            database = sqlite3.connect(str(next(path.glob('*.db3'))), isolation_level=None)
            database.execute('PRAGMA page_size = 512')
            database.execute('VACUUM')
            database.close()
        data = next(file for file in path.iterdir() if file.suffix in ('.mcap', '.db3')).read_bytes()
    if storage == 'mcap':       # without the chunk's checksum, so that what is inside is looked into
        at = data.index(b'\x06', 8)
        return [data, data[:at + 9 + 24] + bytes(4) + data[at + 9 + 28:]]
    return [data]


@lru_cache(maxsize=None)
def _described(storage: str) -> Tuple[str, bytes]:
    """Return the name of a bag's file, and the metadata.yaml beside it."""
    with tempfile.TemporaryDirectory() as folder:
        text = (_bag(Path(folder) / 'b', storage) / metadata.NAME)
        return metadata.read(text).files[0], text.read_bytes()


def _read_bag(data: bytes, folder: Path, storage: str) -> None:
    """Read a file alone, with a good metadata.yaml beside it, or packed, by the data's length."""
    name, text = _described(storage)
    path = _file(folder, name, data)
    if len(data) % 3 == 1:
        _file(folder, metadata.NAME, text)
        path = folder
    elif len(data) % 3 == 2:
        path = _file(folder, name + '.zstd', zstd.compress(data))
    with open_bag(path) as bag:
        for topic in bag.image_topics():
            for message in bag.images(topic):
                _try(lambda: _small(message), lambda: message.labels(CLASSES))


def _small(message: ImageMessage) -> None:
    fields = message._read()
    if message.type == COMPRESSED and np.prod(picture_files.picture_size(fields[1])) > _MAX_PIXELS:
        raise InputError('a large picture')
    message.image()


def _cdr_seeds() -> List[bytes]:
    seeds = []
    with tempfile.TemporaryDirectory() as folder:
        with open_bag(_bag(Path(folder) / 'b', 'mcap')) as bag:
            for message in bag.messages(list(bag.topics)):
                seeds.append(bytes([message.type == COMPRESSED]) + message.data)
    return seeds


def _read_cdr(data: bytes, folder: Path) -> None:
    message = ImageMessage('/x', COMPRESSED if data[:1] == b'\1' else IMAGE, 0, data[1:])
    _try(lambda: _small(message), lambda: message.labels(CLASSES))


def _picture_seeds() -> List[bytes]:
    picture = np.random.RandomState(1).randint(0, 256, (12, 16, 3)).astype(np.uint8)
    made = [cv2.imencode(suffix, picture if colour else picture[..., 0])[1].tobytes()
            for suffix in ('.png', '.jpg', '.bmp', '.tiff') for colour in (True, False)]
    return made + [cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()]


def _read_picture(data: bytes, folder: Path) -> None:
    path = _file(folder, 'x.png', data)
    if np.prod(picture_files.picture_size(data)) <= _MAX_PIXELS:
        _try(lambda: files.image(path), lambda: files.indices(path, CLASSES.id_table(), range(12)))


def _json_seeds() -> List[bytes]:
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8) % 12
    made = evaluate([Frame('a', 'b', 0.1, prediction=labels, truth=labels)], CLASSES, CLASSES)
    return [json.dumps(plain(made.to_json())).encode(), json.dumps(plain(summarise(_rows()))).encode()]


def _read_json(data: bytes, folder: Path) -> None:
    path = _file(folder, 'x.json', data)

    def summary() -> None:
        read = read_summary(path)
        comparison_text(['a', 'b'], compare([read, read]))
    _try(lambda: Evaluation.from_json(parse_json(data, 'x.json'), 'x.json').to_json(), summary)


def _rows() -> List[FrameRow]:
    rows = []
    for at in range(10**8, 6 * 10**8, 10**8):
        marks = {stage: at + place for place, stage in enumerate(STAGES)}
        timing = FrameTiming('a', at // 10**8, at, SEGMENTED, marks, at + 5, at + 9)
        rows.append(FrameRow(timing, delivered_ros_ns=at + 20))
    return rows


def _csv_seeds() -> List[bytes]:
    from enet_ros.latency.rows import COLUMNS
    head = (','.join(COLUMNS) + '\n').encode()
    return [head + b''.join(row.to_line() for row in _rows()),
            b'filename,stamp,sequence\na.png,1.5,x\nb,2.0,y\n']


def _read_csv(data: bytes, folder: Path) -> None:
    path = _file(folder, 'x.csv', data)
    _try(lambda: summarise(read_recording(path)[0]), lambda: sidecar.read(path))


_BAGS = ('bags/reading.py', 'bags/salvage.py', 'bags/messages.py', 'bags/topics.py')
TARGETS: Dict[str, Target] = {
    'npz': Target(_npz_seeds, _read_npz, ('weights.py', 'zip_files.py')),
    'yaml': Target(_yaml_seeds, _read_yaml, ('yaml_files.py', 'classes.py', 'training/recipe.py',
                                             'bags/metadata.py')),
    'torch': Target(_torch_seeds, _read_torch, ('training/torch_file.py', 'training/torch_pickle.py',
                                                'zip_files.py')),
    'torch7': Target(_torch7_seeds, _read_torch7, ('training/torch7.py', 'training/enet_cityscapes.py')),
    'mcap': Target(lambda: _bag_seeds('mcap'), lambda data, folder: _read_bag(data, folder, 'mcap'),
                   ('bags/mcap_file.py',) + _BAGS),
    'sqlite3': Target(lambda: _bag_seeds('sqlite3'), lambda data, folder: _read_bag(data, folder, 'sqlite3'),
                      ('bags/sqlite_file.py',) + _BAGS),
    'cdr': Target(_cdr_seeds, _read_cdr, ('bags/messages.py', 'images.py', 'picture_files.py')),
    'picture': Target(_picture_seeds, _read_picture, ('picture_files.py', 'datasets/files.py')),
    'json': Target(_json_seeds, _read_json, ('json_files.py', 'evaluation/offline.py',
                                             'evaluation/evaluator.py', 'latency/files.py')),
    'csv': Target(_csv_seeds, _read_csv, ('latency/rows.py', 'bags/sidecar.py', 'latency/summary.py')),
}
