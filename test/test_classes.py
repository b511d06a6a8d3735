"""Class tables: the shipped ones hold the published facts; a user's errors get one line each."""

import copy

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.classes import IGNORE, ClassTable
from enet_ros.errors import InputError


@pytest.mark.parametrize('name, count', [('camvid', 11), ('cityscapes', 19), ('sun_rgbd', 37)])
def test_shipped_tables(name, count):
    table = ClassTable.load(name)
    assert (table.name, len(table), table.colours.shape) == (name, count, (count, 3))
    assert ClassTable.from_dict(table.to_dict()) == table
    assert (table.palette()[count:] == 0).all()
    np.testing.assert_array_equal(table.id_table()[list(table.ids)], np.arange(count))


def test_cityscapes_equals_the_official_scripts():
    labels = pytest.importorskip('cityscapesscripts.helpers.labels')
    table = ClassTable.load('cityscapes')
    official = sorted((label for label in labels.labels if 0 <= label.trainId < 255),
                      key=lambda label: label.trainId)
    assert table.names == tuple(label.name for label in official)
    assert table.ids == tuple(label.id for label in official)
    assert table.rgb == tuple(label.color for label in official)
    assert table.categories == tuple(label.category for label in official)
    assert table.instances == tuple(label.hasInstances for label in official)


def test_mapping_brings_cityscapes_into_camvid_from_either_side():
    camvid, cityscapes = ClassTable.load('camvid'), ClassTable.load('cityscapes')
    forward, backward = cityscapes.mapping_to(camvid), camvid.mapping_to(cityscapes)
    assert forward.classes is camvid and backward.classes is camvid
    np.testing.assert_array_equal(forward.source, backward.target)
    assert camvid.names[forward.source[cityscapes.index('truck')]] == 'Car'
    assert (forward.source[19:] == IGNORE).all()
    np.testing.assert_array_equal(forward.target[:11], np.arange(11))


def test_mapping_between_strangers():
    with pytest.raises(InputError, match="'camvid' and 'sun_rgbd' cannot be compared"):
        ClassTable.load('camvid').mapping_to(ClassTable.load('sun_rgbd'))


def test_a_users_file(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('name: mine\nclasses:\n  - {name: drivable, colour: [0, 255, 0]}\n'
                    '  - {name: obstacle, colour: [255, 0, 0]}\n'
                    'mappings: {camvid: {Road: drivable, Car: obstacle}}\n')
    table = ClassTable.load(path)
    assert table.ids == (0, 1) and table.ignore_id == 255
    common = ClassTable.load('camvid').mapping_to(table)
    assert common.classes == table
    assert list(common.source[:11]) == [255, 255, 255, 0, 255, 255, 255, 255, 1, 255, 255]


@pytest.mark.parametrize('text, message', [
    ('classes: []', "misses 'name'|1 to 255 classes"),
    ('name: x\nclasses: [{name: a, colour: [0, 0]}]', 'a colour is'),
    ('name: x\nclasses: [{name: a, colour: [0, 0, 256]}]', '256 is no whole number'),
    ('name: x\nclasses: [{name: a, colour: [0, 0, 0]}, {name: a, colour: [0, 0, 1]}]', "'a' is there twice"),
    ('name: x\nclasses: [{name: a, color: [0, 0, 0]}]', 'unknown key color'),
    ('name: x\nclasses: [{name: a, colour: [0, 0, 0]}]\nmappings: {camvid: {Road: b}}',
     'no class of this table: b'),
    ('- a', 'a mapping with keys'),
    ('a: [', 'not YAML'),
    ('name: !!python/object/apply:os.system ["true"]', 'not YAML'),
])
def test_wrong_files_are_named(tmp_path, text, message):
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(InputError, match=message) as told:
        ClassTable.load(path)
    assert str(told.value).startswith(str(path)) and '\n' not in str(told.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(['name', 'classes', 'colour', 'id', 'ignore', 'mappings']), inner,
                        max_size=4), max_leaves=8))
def test_whatever_stands_in_a_file_there_is_a_table_or_an_input_error(data):
    try:
        table = ClassTable.from_dict(copy.deepcopy(data) if isinstance(data, dict) else {'classes': data})
    except InputError:
        return
    assert len(table) >= 1
