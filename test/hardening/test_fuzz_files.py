"""Files that a stranger sends: read, or refused in one line, and never executed."""

import io
import json
from pathlib import Path
import random
import zipfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros import weights
from enet_ros.classes import ClassTable
from enet_ros.errors import InputError

_FILES = settings(max_examples=100, deadline=None,
                  suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def _archive(record: bytes, member: bytes) -> bytes:
    """Return an .npz of one member beside the record; its checksums are right, so that it is looked into."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w') as archive:
        stored = io.BytesIO()
        np.save(stored, np.frombuffer(record, np.uint8))
        archive.writestr('metadata.npy', stored.getvalue())
        archive.writestr('initial.weight.npy', member)
    return packed.getvalue()


def _record(classes: ClassTable) -> bytes:
    return json.dumps({'format': weights.FORMAT, 'network': 'enet', 'classes': classes.to_dict(),
                       'input_size': [96, 128], 'normalisation': weights.NORMALISATION}).encode()


def _loads(path: Path, data: bytes) -> bool:
    """Load; False for an error of one line that names the file."""
    path.write_bytes(data)
    try:
        checkpoint = weights.load(path)
    except InputError as error:
        assert path.name in str(error) and '\n' not in str(error)
        return False
    assert all(array.dtype.name in ('float16', 'float32') for array in checkpoint.arrays.values())
    return True


def test_damaged_array_headers(tmp_path: Path, camvid_classes: ClassTable) -> None:
    """Hundreds of broken .npy headers behind a right checksum."""
    stored, chance, record = io.BytesIO(), random.Random(5), _record(camvid_classes)
    np.save(stored, np.ones((4, 3), np.float32))
    whole = stored.getvalue()
    assert _loads(tmp_path / 'w.npz', _archive(record, whole))
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(chance.choice([1, 2, 5])):
            broken[chance.randrange(128)] = chance.randrange(256)
        _loads(tmp_path / 'w.npz', _archive(record, bytes(broken)))


@pytest.mark.parametrize('shape', ['(' * 400 + ')' * 400, '(-1,)', '(10**9,)', '(True,)', '(2**62, 4)',
                                   "(__import__('os').getpid(),)", '(1.5,)', '()' + ' ' * 30000])
def test_crafted_array_headers(tmp_path: Path, camvid_classes: ClassTable, shape: str) -> None:
    """Shapes that recurse, overflow, call functions or never end."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    member = b'\x93NUMPY\x02\x00' + len(header).to_bytes(4, 'little') + header + bytes(48)
    assert not _loads(tmp_path / 'w.npz', _archive(_record(camvid_classes), member))


@pytest.mark.parametrize('record', [b'', b'[]', b'null', b'{', b'[' * 100000, b'\xff\xfe', b'{"format": NaN}',
                                    b'{"a":' * 50000, b'1' * 10000])
def test_crafted_records(tmp_path: Path, record: bytes) -> None:
    """JSON that is none, no mapping, or too deep."""
    stored = io.BytesIO()
    np.save(stored, np.ones(3, np.float32))
    assert not _loads(tmp_path / 'w.npz', _archive(record, stored.getvalue()))


_PLAIN = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                      lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                          st.sampled_from(['name', 'id', 'colour', 'classes', 'ignore', 'mappings', 'x']),
                          inner, max_size=4), max_leaves=12)


@_FILES
@given(_PLAIN)
def test_any_record_value(tmp_path: Path, camvid_classes: ClassTable, value: object) -> None:
    """Whatever stands in one field of the record, the answer is a checkpoint or an InputError."""
    for key in ('format', 'network', 'classes', 'input_size', 'normalisation', 'training', 'num_classes'):
        record = json.loads(_record(camvid_classes).decode())
        record[key] = value
        try:
            weights.Checkpoint({}, record, 'w.npz')
        except InputError as error:
            assert '\n' not in str(error)


@_FILES
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_as_a_class_table(tmp_path: Path, data: bytes) -> None:
    """YAML or not, a class table or an InputError that names the file."""
    (tmp_path / 'classes.yaml').write_bytes(data)
    try:
        ClassTable.load(tmp_path / 'classes.yaml')
    except InputError as error:
        assert 'classes.yaml' in str(error) and '\n' not in str(error)


@pytest.mark.parametrize('text', [
    '!!python/object/apply:os.system ["touch {}"]', '&a [*a]', 'a: &b {{c: *b}}\nb: *b',
    '{{' * 2000, '- ' * 5000 + 'x',
    'a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n'
    'classes: [*c,*c,*c,*c,*c,*c,*c,*c]'])
def test_crafted_yaml(tmp_path: Path, text: str) -> None:
    """Tags, loops, depth and the billion laughs: refused, and nothing was run."""
    (tmp_path / 'classes.yaml').write_text(text.format(tmp_path / 'executed'))
    with pytest.raises(InputError, match='classes.yaml'):
        ClassTable.load(tmp_path / 'classes.yaml')
    assert not (tmp_path / 'executed').exists()
