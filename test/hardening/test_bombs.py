"""Small files that describe much: each is refused, or read in little time and memory."""

import io
import os
from pathlib import Path
import sqlite3
import struct
from typing import Any, Callable
import zipfile

import bag_samples as bags
from bounds import bounded
import pytest

from enet_ros import weights, yaml_files
from enet_ros.bags import metadata, sidecar
from enet_ros.bags.reading import open_bag
from enet_ros.classes import ClassTable
from enet_ros.errors import InputError, one_line
from enet_ros.training import enet_cityscapes, recipe, torch7, torch_file

MIB = 1 << 20


def _refused(load: Callable[[Any], Any], path: Path, memory: int = 256 * MIB) -> str:
    """Return the one line that a loader refuses a file with."""
    with bounded(cpu=10, memory=memory), pytest.raises(InputError) as error:
        load(path)
    told = str(error.value)
    assert path.name in told and '\n' not in told and len(told) < 2000
    return told


def _npz(path: Path, method: int, declared: int, content: bytes) -> Path:
    """Write an archive whose directory declares another size than there is."""
    with zipfile.ZipFile(str(path), 'w', method) as archive:
        archive.writestr('metadata.npy', content)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b'PK\1\2')
    data[entry + 24:entry + 28] = declared.to_bytes(4, 'little')
    data[22:26] = declared.to_bytes(4, 'little')
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize('method', [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_unpacks_to_no_more_than_it_declares(method: int, tmp_path: Path) -> None:
    """Megabytes behind a directory that says a hundred bytes; bzip2 makes a gigabyte of a kilobyte."""
    path = _npz(tmp_path / 'bomb.npz', method, 100, bytes(64 * MIB))
    assert path.stat().st_size < MIB
    _refused(weights.load, path, 16 * MIB)
    _refused(torch_file.load, path, 16 * MIB)


def test_a_directory_of_a_million_entries_is_refused(tmp_path: Path) -> None:
    """Before any of them is read."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, 'w') as archive:
        archive.writestr('a', b'')
    data = whole.getvalue()
    at, end = data.index(b'PK\1\2'), data.index(b'PK\5\6')
    entries = data[at:end] * 1000000
    tail = bytearray(data[end:])
    tail[8:12] = b'\xff\xff\xff\xff'
    tail[12:16] = len(entries).to_bytes(4, 'little')
    (tmp_path / 'bomb.npz').write_bytes(data[:at] + entries + bytes(tail))
    _refused(weights.load, tmp_path / 'bomb.npz', 512 * MIB)


def test_a_network_for_frames_that_nobody_can_afford_is_refused(camvid_classes: ClassTable) -> None:
    """16384x16384 is a valid size in a record, and hours of work a frame."""
    record = {'format': weights.FORMAT, 'network': 'enet', 'classes': camvid_classes.to_dict(),
              'input_size': [16384, 16384], 'normalisation': weights.NORMALISATION}
    with pytest.raises(InputError, match='pixels'):
        weights.Checkpoint({}, record, 'w.npz')
    weights.Checkpoint({}, dict(record, input_size=[2160, 3840]), 'w.npz')


# Instructions of pickle's protocol 2.
_EMPTY, _LIST, _TUPLE2, _STOP = b'\x80\x02', b']', b'\x86', b'.'
_PICKLES = {
    'a place far off in the memo': _EMPTY + b'Nr\xff\xff\xff\x7f' + _STOP,
    'lists of lists': _EMPTY + _LIST + b'q\0' + b''.join(
        _LIST + b'q' + bytes([n]) + b'(' + (b'h' + bytes([n - 1])) * 10 + b'e' for n in range(1, 30)) + _STOP,
    'a key that holds itself': _EMPTY + b'}' + b')q\0' + b''.join(
        b'h' + bytes([n]) + b'h' + bytes([n]) + _TUPLE2 + b'q' + bytes([n + 1]) for n in range(50))
    + b'Ns' + _STOP,
    'a name that holds itself': _EMPTY + b'(X\x07\0\0\0storage' + b')q\0' + b''.join(
        b'h' + bytes([n]) + b'h' + bytes([n]) + _TUPLE2 + b'q' + bytes([n + 1]) for n in range(50))
    + b'X\x01\0\0\x000NK\x01tQ' + _STOP,
    'bytes of a number': _EMPTY + b'cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\0\0\0f8\x85R'
    + b'J\xff\xff\xff\x7f' + _TUPLE2 + b'R' + _STOP,
    'a call with a million values': _EMPTY + b'(' + b'N' * 1000000 + b'tq\0' + (
        b'ctorch._utils\n_rebuild_parameter\nh\0R0') * 3000 + b'N' + _STOP,
    'a frame': b'\x80\x04\x95' + b'\xff' * 7 + b'\x7f' + b'N.',
    'an array of bytes': b'\x80\x05\x96' + (1 << 40).to_bytes(8, 'little') + b'.',
}


@pytest.mark.parametrize('kind', sorted(_PICKLES))
def test_pickles_that_grow(kind: str, tmp_path: Path) -> None:
    """Memo, aliases, hashes and repeated calls: none of them is carried out."""
    path = tmp_path / 'weights.pth'
    with zipfile.ZipFile(str(path), 'w') as archive:
        archive.writestr('archive/data.pkl', _PICKLES[kind])
    if kind == 'a place far off in the memo':       # of a dictionary, which costs nothing
        with bounded(cpu=5, memory=256 * MIB):
            assert torch_file.load(path) is None
    else:
        _refused(torch_file.load, path)
    path.write_bytes(_PICKLES[kind])
    _refused(torch_file.load, path)


def test_one_storage_behind_many_tensors(tmp_path: Path) -> None:
    """Forty megabytes that a thousand tensors show are not copied a thousand times."""
    torch = pytest.importorskip('torch')
    values = torch.zeros(10 * MIB)
    path = tmp_path / 'weights.pth'
    torch.save({str(index): values[index:] for index in range(1000)}, str(path))
    _refused(torch_file.load, path, 512 * MIB)
    torch.save({'a': values[:10], 'b': values[5:]}, str(path))      # weights may be shared
    assert len(torch_file.load(path)['b']) == 10 * MIB - 5


def test_torch7_tables_that_come_again_and_again(tmp_path: Path) -> None:
    """A table behind thousands of objects is not copied for each; a container may hold itself."""
    path, table = tmp_path / 'model.net', struct.pack('<iii', 3, 2, 20000) + b''.join(
        struct.pack('<idid', 1, n, 1, n) for n in range(20000))
    objects = b''.join(struct.pack('<id', 1, n) + struct.pack('<ii', 4, n + 3) + b'\4\0\0\0nn.A'
                       + struct.pack('<ii', 3, 2) for n in range(20000))
    path.write_bytes(struct.pack('<iii', 3, 1, 20001) + struct.pack('<id', 1, 0.5) + table + objects)
    _refused(torch7.load, path)
    module = torch7.Object('nn.Sequential', {})
    module.fields['modules'] = {1: module}
    with bounded(cpu=5), pytest.raises(InputError):
        enet_cityscapes.convert(module, 'model.net')


_YAML = {
    'laughs': 'a: &a [x,x,x,x,x,x,x,x,x]\n' + ''.join(
        f'{chr(98 + n)}: &{chr(98 + n)} [{",".join(["*" + chr(97 + n)] * 9)}]\n' for n in range(9)),
    'merges': 'a: &a {x: 1}\n' + ''.join(
        f'k{n}: &k{n}\n  <<: [{",".join(["*a"] * 50)}]\n' for n in range(400)),
    'a loop': 'name: &a [*a]', 'a merge': 'a: {<<: {b: 1}}', 'a tag': 'name: !!binary aGk=',
    'depth': '[' * 100000, 'sixty to the power': 'name: ' + '1:' * 200000 + '1',
    'digits': 'name: ' + '9' * 900000, 'values': '- 1\n' * 100001, 'a date': 'name: 2020-99-99',
    'a long name': 'name: x\nclasses: [{name: "' + 'y' * 500000 + '", id: 1, colour: 3}]',
    'stages': 'stages: [{loss: {1: 2}}]\nloss: {2: 3}', 'infinity': 'lr: .inf\nbatch: .inf',
    'nothing': '', 'a list': '[1]', 'bytes': '\x00\x01', 'stage': 'stages: [1]', 'size': 'input_size: [8]'}


@pytest.mark.parametrize('kind', sorted(_YAML))
@pytest.mark.parametrize('load', [ClassTable.load, recipe.load, metadata.read, yaml_files.read_mapping])
def test_yaml_that_grows(kind: str, load: Callable[[Any], Any], tmp_path: Path) -> None:
    """Aliases, merge keys, depth, numbers without end: one short line, at once."""
    path = tmp_path / 'file.yaml'
    path.write_text(_YAML[kind])
    if load is yaml_files.read_mapping and kind in ('a long name', 'stages', 'infinity', 'stage', 'size'):
        assert load(path)       # plain values, wrong only for what they are meant to be
        return
    _refused(load, path, 400 * MIB)


def test_a_message_is_one_bounded_line() -> None:
    """Whatever a name holds: no control character, no second line, no megabyte."""
    told = str(InputError('x\n\x1b[2J\x00y' + 'z' * 10**7 + ' end'))
    assert told.startswith('x ?[2J?yzz') and told.endswith('zz end') and len(told) <= 1000
    assert one_line('\u202eabc\x85d', 40) == '?abc d' and len(one_line('a' * 999, 40)) <= 40


def test_sidecars_that_hurt(tmp_path: Path) -> None:
    """Rows without end, and stamps that are no times."""
    path = tmp_path / 'frames.csv'
    for rows in (['x,1e999999999,a'], ['x,sNaN,a'], ['x,Infinity,a'], ['x,1e30,a'], ['"' + 'x' * 200000],
                 ['x'], [f'{n},{n},a' for n in range(500001)]):
        path.write_text('filename,stamp,sequence\n' + '\n'.join(rows))
        _refused(sidecar.read, path, 512 * MIB)


def _record(opcode: int, content: bytes) -> bytes:
    return bytes([opcode]) + struct.pack('<Q', len(content)) + content


def _chunk(packing: str, packed: bytes, claimed: int) -> bytes:
    name = packing.encode()
    return _record(6, struct.pack('<QQQI', 0, 0, claimed, 0) + struct.pack('<I', len(name)) + name
                   + struct.pack('<Q', len(packed)) + packed)


def _read_all(path: Path) -> int:
    """Return how many messages a bag gives."""
    with bounded(cpu=15, memory=800 * MIB):
        try:
            with open_bag(path) as bag:
                return sum(1 for _ in bag.messages(list(bag.topics)))
        except InputError as error:
            assert '\n' not in str(error) and len(str(error)) < 2000
            return -1


def test_chunks_that_unpack_without_end(tmp_path: Path) -> None:
    """More nothing than any image has, packed by either packer, whatever the chunk claims."""
    lz4 = pytest.importorskip('lz4.frame')
    zstd = pytest.importorskip('backports.zstd')
    nothing = bytes(300 * MIB)
    for packing, packed in (('lz4', lz4.compress(nothing)), ('zstd', zstd.compress(nothing))):
        for claimed in (10, 1 << 62, len(nothing)):
            path = tmp_path / 'x.mcap'
            path.write_bytes(b'\x89MCAP0\r\n' + _chunk(packing, packed, claimed) * 3)
            assert _read_all(path) == -1
        (tmp_path / 'y.mcap.zstd').write_bytes(packed)
        assert _read_all(tmp_path / 'y.mcap.zstd') == -1


def test_a_sparse_attachment_is_passed_over(tmp_path: Path) -> None:
    """A terabyte that is not there costs no memory; the messages behind it are read."""
    file = bags.storage_file(bags.write(tmp_path / 'drive', bags.pictures(5)))
    data = file.read_bytes()
    with (tmp_path / 'x.mcap').open('wb') as made:
        made.write(data[:8] + b'\x09' + struct.pack('<Q', 1 << 40))
        made.seek(1 << 40, os.SEEK_CUR)
        made.write(data[8:])
    assert _read_all(tmp_path / 'x.mcap') == 15


def _database(path: Path, script: str) -> Path:
    connection = sqlite3.connect(str(path))
    connection.executescript(
        'CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT);'
        "INSERT INTO topics VALUES (1, '/image', 'sensor_msgs/msg/Image');" + script)
    connection.commit()
    connection.close()
    return path


_ENDLESS = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n'
_COLUMNS = 'id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER'
_DATABASES = {
    'an endless view': 'CREATE VIEW messages AS ' + _ENDLESS.format(
        "i id, 1 topic_id, i timestamp, x'00' data"),
    'endless topics': f'CREATE TABLE messages({_COLUMNS}, data BLOB);' 'DROP TABLE topics;'
                      'CREATE VIEW topics AS ' + _ENDLESS.format("i id, 'a' name, 'b' type"),
    'computed data': f'CREATE TABLE messages({_COLUMNS}, data BLOB AS (zeroblob(900000000)));' + ''.join(
        f'INSERT INTO messages(id, topic_id, timestamp) VALUES ({n}, 1, {n});' for n in range(40)),
    'no ids': 'CREATE TABLE messages(id TEXT, topic_id INTEGER, timestamp INTEGER, data BLOB);',
    'other types': f'CREATE TABLE messages({_COLUMNS}, data BLOB);'
                   "INSERT INTO messages VALUES (1, 'x', 'y', 'z'), (2, 1, x'00', x'00');"
                   "INSERT INTO messages VALUES (3, 1, 1e300, x'00');"
                   "INSERT INTO topics VALUES (2, x'00', 3), (3, NULL, NULL);",
    'lies in the schema': f'CREATE TABLE messages({_COLUMNS}, data BLOB); PRAGMA writable_schema=ON;'
                          "UPDATE sqlite_master SET sql='CREATE VIEW messages AS " + _ENDLESS.format(
                              'i id, 1 topic_id, i timestamp, 1 data') + "' WHERE name='messages';"}


@pytest.mark.parametrize('kind', sorted(_DATABASES))
def test_databases_that_hurt(kind: str, tmp_path: Path) -> None:
    """Views, computed columns and rows of other types are refused or left out."""
    path = _database(tmp_path / 'x.db3', _DATABASES[kind])
    assert _read_all(path) <= 0
    folder = tmp_path / 'bag'
    folder.mkdir()
    path.rename(folder / 'x.db3')
    assert _read_all(folder) <= 0


def test_a_truncated_database_is_read_once(tmp_path: Path) -> None:
    """Rows of garbage set the reader back, and it read the same ones for ever."""
    path = bags.write(tmp_path / 'drive', bags.pictures(80, (48, 64)), 'sqlite3')
    file = bags.storage_file(path)
    whole = file.read_bytes()
    for size in range(len(whole) // 20, len(whole), len(whole) // 20):
        file.write_bytes(whole[:size])
        assert -1 <= _read_all(path) <= 240
    page = int.from_bytes(whole[16:18], 'big')
    for at in range(2, 40):     # pages that stand twice: the same ids again
        data = bytearray(whole)
        data[at * page:(at + 1) * page] = data[(at - 1) * page:at * page]
        file.write_bytes(bytes(data))
        assert -1 <= _read_all(path) <= 240


@pytest.mark.timeout(30)
@pytest.mark.parametrize('name', ['x.mcap', 'x.db3', 'metadata.yaml'])
def test_pipes_beside_a_bag(name: str, tmp_path: Path) -> None:
    """A pipe waits for ever, a device never ends: neither is opened."""
    path = bags.write(tmp_path / 'drive', bags.pictures(3))
    text = (path / 'metadata.yaml').read_text()
    if name == 'metadata.yaml':
        (path / name).unlink()
    else:
        (path / 'metadata.yaml').write_text(text.replace(bags.storage_file(path).name, name))
    os.mkfifo(str(path / name))
    assert _read_all(path) >= 3
    bags.storage_file(path).unlink() if name == 'metadata.yaml' else None
    os.symlink('/dev/zero', str(tmp_path / 'zero.mcap'))
    assert _read_all(tmp_path / 'zero.mcap') == -1
