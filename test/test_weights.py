"""Checkpoints: what is written is read; whatever else a file may be, one clear error and no execution."""

import io
import json
from pathlib import Path
import pickle
import zipfile

import numpy as np
import pytest

from enet_ros import weights
from enet_ros.classes import ClassTable
from enet_ros.weights import Checkpoint, WeightsError


@pytest.fixture
def record(camvid_classes):
    return {'format': 1, 'network': 'enet', 'variant': 'authors', 'classes': camvid_classes.to_dict(),
            'input_size': [360, 480], 'normalisation': 'x/255', 'training': {'seed': 1}, 'scores': {}}


@pytest.fixture
def checkpoint(record):
    rng = np.random.RandomState(0)
    return Checkpoint({'a.weight': rng.rand(4, 3, 1, 1).astype(np.float32),
                       'a.running_var': np.array([1e-7, 2], np.float32)}, record)


def test_round_trip_keeps_kernels_in_half_and_vectors_in_full(tmp_path, checkpoint):
    weights.save(tmp_path / 'w.npz', checkpoint)
    loaded = weights.load(tmp_path / 'w.npz')
    assert loaded.metadata == checkpoint.metadata
    assert loaded.classes == ClassTable.load('camvid')
    assert loaded.input_size == (360, 480)
    assert loaded.arrays['a.weight'].dtype == np.float16
    np.testing.assert_array_equal(loaded.arrays['a.running_var'], checkpoint.arrays['a.running_var'])
    np.testing.assert_array_equal(loaded.arrays['a.weight'], checkpoint.arrays['a.weight'].astype(np.float16))


def test_equal_content_is_equal_to_the_byte(tmp_path, checkpoint):
    for name in ('one.npz', 'two.npz'):
        weights.save(tmp_path / name, checkpoint)
    assert (tmp_path / 'one.npz').read_bytes() == (tmp_path / 'two.npz').read_bytes()
    loaded = weights.load(tmp_path / 'one.npz')
    assert loaded.sha256 == Checkpoint(loaded.arrays, loaded.metadata).sha256


def test_numpy_reads_it_without_pickle(tmp_path, checkpoint):
    weights.save(tmp_path / 'w.npz', checkpoint)
    with np.load(str(tmp_path / 'w.npz'), allow_pickle=False) as archive:
        assert json.loads(archive['metadata'].tobytes().decode())['network'] == 'enet'


@pytest.mark.parametrize('keep', [0, 10, 400, -1, -30])
def test_truncated_file(tmp_path, checkpoint, keep):
    path = tmp_path / 'w.npz'
    weights.save(path, checkpoint)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r'w\.npz: truncated'):
        weights.load(path)


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(WeightsError, match=r'none\.npz: No such file'):
        weights.load(tmp_path / 'none.npz')
    with pytest.raises(ValueError, match='enet_nobody.npz does not exist; there is'):
        weights.load('nobody')


def test_foreign_npz(tmp_path):
    np.savez(str(tmp_path / 'foreign.npz'), x=np.zeros(3))
    with pytest.raises(WeightsError, match='foreign.npz: holds arrays but no record'):
        weights.load(tmp_path / 'foreign.npz')


class _Bomb:
    fired = False

    def __reduce__(self):
        return (_fire, ())


def _fire():
    _Bomb.fired = True


def test_pickled_objects_are_refused_unexecuted(tmp_path, record):
    path = tmp_path / 'hostile.npz'
    bomb = np.empty(1, object)
    bomb[0] = _Bomb()
    np.savez(str(path), bomb=bomb)
    with pytest.raises(WeightsError, match='Python objects'):
        weights.load(path)
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(WeightsError, match='no weights file'):
        weights.load(path)
    assert not _Bomb.fired


def test_zip_bomb_is_refused_by_its_declared_size(tmp_path):
    path = tmp_path / 'bomb.npz'
    with zipfile.ZipFile(str(path), 'w', zipfile.ZIP_DEFLATED) as archive:
        for index in range(5):
            archive.writestr(f'{index}.npy', b'\0' * (128 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(WeightsError, match='unpacks to 5 members of 640 MiB'):
        weights.load(path)


def test_header_that_promises_more_than_there_is(tmp_path):
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        member, {'descr': '<f4', 'fortran_order': False, 'shape': (1 << 40,)})
    with zipfile.ZipFile(str(tmp_path / 'lie.npz'), 'w') as archive:
        archive.writestr('a.npy', member.getvalue() + b'\0' * 16)
    with pytest.raises(WeightsError, match='not as long as its header says'):
        weights.load(tmp_path / 'lie.npz')


@pytest.mark.parametrize('change, message', [
    ({'format': 2}, 'format 2'),
    ({'normalisation': 'imagenet'}, "normalised as 'imagenet'"),
    ({'input_size': [361, 480]}, 'multiples of 8'),
    ({'input_size': '360x480'}, 'multiples of 8'),
    ({'num_classes': 12}, "gives 12 classes, but class table 'camvid' has 11"),
    ({'classes': {'name': 'x'}}, "misses 'classes'"),
])
def test_contradicting_record(record, change, message):
    with pytest.raises(ValueError, match=message):
        Checkpoint({}, dict(record, **change), 'file.npz')
    with pytest.raises(ValueError, match='file.npz'):
        Checkpoint({}, dict(record, **change), 'file.npz')


def test_values_that_are_not_finite(tmp_path, record):
    broken = Checkpoint({'a': np.array([1, np.nan], np.float32)}, record)
    (tmp_path / 'nan.npz').write_bytes(weights._pack(broken))
    with pytest.raises(WeightsError, match='a holds values that are not finite'):
        weights.load(tmp_path / 'nan.npz')


@pytest.mark.parametrize('value', [np.nan, np.inf, 1e6])
def test_values_that_cannot_be_stored_are_not_written(tmp_path, record, value):
    """Not finite, or beyond float16: the loader would refuse it, or read infinity."""
    checkpoint = Checkpoint({'a.weight': np.full((2, 2), value, np.float32)}, record)
    with pytest.raises(WeightsError, match='not written: a.weight'):
        weights.save(tmp_path / 'w.npz', checkpoint)
    assert not list(tmp_path.iterdir())
    if np.isfinite(value):
        weights.save(tmp_path / 'w.npz', checkpoint, np.float32)


def test_licence_and_temperature(record):
    """Read from the record; unknown licence and uncalibrated where it has none; nonsense is refused."""
    known = Checkpoint({}, dict(record, licence='CC0', temperature=1.7))
    assert (known.licence, known.temperature) == ('CC0', 1.7)
    assert (Checkpoint({}, record).licence, Checkpoint({}, record).temperature) == ('', 1.0)
    for wrong in (0, -1.0, 'hot', float('nan'), None):
        with pytest.raises(WeightsError, match='temperature'):
            Checkpoint({}, dict(record, temperature=wrong))


def test_unwritable_place_leaves_nothing_behind(tmp_path, checkpoint):
    (tmp_path / 'file').write_text('')
    with pytest.raises(WeightsError, match='were not written'):
        weights.save(tmp_path / 'file' / 'w.npz', checkpoint)
    weights.save(tmp_path / 'w.npz', checkpoint)
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ['file', 'w.npz']
