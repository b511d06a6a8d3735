"""Power that goes off between any two steps of a write: what was there, or what was to be, and never a half.

A recorder copies the folder before and after each operation on files; the reader meets every copy, once as it
is and once without what had not been synced to the disk.
"""

import os
from pathlib import Path
import resource
import shutil
from typing import Any, Callable, Dict, List

import numpy as np
import pytest

from enet_ros import files, weights
from enet_ros.bags import sidecar
from enet_ros.deploy.cache import EngineCache
from enet_ros.errors import InputError
from enet_ros.json_files import read_json, write_json
from enet_ros.latency.rows import RowReader, RowWriter
from enet_ros.training import log


class Recorder:
    """Copies `folder` around every operation; `states` are the copies."""

    def __init__(self, folder: Path, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._copies = folder, copies
        self._synced: Dict[int, int] = {}
        self.states: List[Path] = []
        self._fsync = os.fsync
        for name in ('fsync', 'replace', 'chmod', 'unlink', 'write', 'close', 'open', 'mkdir'):
            monkeypatch.setattr(os, name, self._around(getattr(os, name), name))

    def _around(self, operation: Callable[..., Any], name: str) -> Callable[..., Any]:
        def recorded(*arguments: Any, **options: Any) -> Any:
            if not getattr(self, '_busy', False):
                self._copy()
            answer = operation(*arguments, **options)
            if not getattr(self, '_busy', False):
                if name == 'fsync':
                    status = os.fstat(arguments[0])
                    self._synced[status.st_ino] = status.st_size
                self._copy()
            return answer
        return recorded

    def _copy(self) -> None:
        self._busy = True
        for lost in (False, True):
            target = self._copies / str(len(self.states))
            shutil.copytree(str(self._folder), str(target))
            for path in self._folder.rglob('*') if lost else ():
                if path.is_file():
                    os.truncate(str(target / path.relative_to(self._folder)),
                                min(path.stat().st_size, self._synced.get(path.stat().st_ino, 0)))
            self.states.append(target)
        self._busy = False


def _checkpoint(value: float, classes: Any) -> weights.Checkpoint:
    return weights.Checkpoint({'a': np.full((40, 40), value, np.float32)}, {
        'format': weights.FORMAT, 'network': 'enet', 'classes': classes.to_dict(), 'input_size': [96, 128],
        'normalisation': weights.NORMALISATION}, 'test')


def _log(folder: Path, value: int) -> None:
    path = folder / 'log.csv'
    with (folder / 'log.partial').open('w') as file:
        file.write(f'epoch\n{value}\n')
    files.put(folder / 'log.partial', path)


def _kinds(classes: Any) -> Dict[str, Any]:
    """Return for each kind of file: write a value into a folder, read it back."""
    key = {'network': 'enet', 'size': '96x128'}
    return {
        'weights': (lambda folder, value: weights.save(folder / 'w.npz', _checkpoint(value, classes)),
                    lambda folder: float(weights.load(folder / 'w.npz').arrays['a'][0, 0])),
        'result': (lambda folder, value: write_json(folder / 'r.json', {'a': [value] * 1000}),
                   lambda folder: read_json(folder / 'r.json')['a'][0]),
        'sidecar': (lambda folder, value: sidecar.write(folder / 'f.csv', [(value * 10**9, 'x', 'y')]),
                    lambda folder: list(sidecar.read(folder / 'f.csv'))[0] // 10**9),
        'engine': (lambda folder, value: EngineCache(folder).store(key, bytes([value]) * 1000, {}),
                   lambda folder: (EngineCache(folder).load(key) or b'\0')[0] or _missing()),
        'log': (_log, lambda folder: int(log.read(folder / 'log.csv')[0]['epoch'])
                if (folder / 'log.csv').exists() else _missing()),
    }


def _missing() -> int:
    raise InputError('there is none')


@pytest.mark.parametrize('kind', ['weights', 'result', 'sidecar', 'engine', 'log'])
def test_the_old_or_the_new(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                            camvid_classes: Any) -> None:
    """At every step, and whether or not the cache of the disk had been written."""
    write, read = _kinds(camvid_classes)[kind]
    folder, copies = tmp_path / 'folder', tmp_path / 'copies'
    folder.mkdir()
    copies.mkdir()
    with monkeypatch.context() as patch:
        recorder = Recorder(folder, copies, patch)
        write(folder, 1)
        begun = len(recorder.states)
        write(folder, 2)
    assert read(folder) == 2 and len(recorder.states) > 10
    for number, state in enumerate(recorder.states):
        try:
            found = read(state)
        except InputError:      # none yet; an engine that is not whole is built again
            assert number < begun or kind == 'engine'
            continue
        assert found in ((1,) if number < begun else (1, 2)), (number, state)
    assert read(recorder.states[-2]) == 2 and read(recorder.states[begun - 1]) == 1     # what was told holds


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """One line, the old file, and no leavings."""
    write_json(tmp_path / 'r.json', [1])
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(InputError, match='not written'):
            write_json(tmp_path / 'r.json', [2] * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert read_json(tmp_path / 'r.json') == [1] and len(list(tmp_path.iterdir())) == 1


def test_a_recording_cut_anywhere_keeps_its_whole_rows(tmp_path: Path) -> None:
    """Rows are not synced one by one: what the disk had not yet is missing, what it had is read."""
    from latency_samples import steady
    writer = RowWriter(tmp_path / 'latency.csv')
    writer.write(steady(5))
    writer.close()
    whole = (tmp_path / 'latency.csv').read_bytes()
    head = whole.index(b'\n') + 1
    for size in range(len(whole)):
        (tmp_path / 'latency.csv').write_bytes(whole[:size])
        reader = RowReader(tmp_path / 'latency.csv')
        if size < head:
            with pytest.raises(InputError):
                list(reader)
        else:
            rows = whole[head:size].count(b'\n')
            assert list(reader) == steady(5)[:rows] and reader.torn == (not whole[:size].endswith(b'\n'))
