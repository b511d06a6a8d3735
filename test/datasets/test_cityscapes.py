"""Cityscapes: three kinds of annotation, one meaning, held to the official tables and converter."""

import json
from pathlib import Path

import numpy as np
import pytest
import trees

from enet_ros.classes import ClassTable
from enet_ros.datasets import open_dataset
from enet_ros.datasets.cityscapes import draw
from enet_ros.errors import InputError

labels = pytest.importorskip('cityscapesscripts.helpers.labels')


@pytest.mark.parametrize('kinds', [('labelIds', 'instanceIds'), ('labelTrainIds',),
                                   ('labelIds', 'labelTrainIds', 'polygons')])
def test_label_files_give_train_ids(kinds, tmp_path: Path) -> None:
    """Labels are the official trainIds whichever file they come from; the rest is 255."""
    sample = open_dataset(trees.cityscapes(tmp_path, kinds=kinds), 'val')[0]
    expected = [labels.id2label[column % 34].trainId for column in range(64)]
    assert sample.label[0].tolist() == [255 if value in (-1, 255) else value for value in expected]
    assert (sample.name, sample.sequence) == ('frankfurt_000001_002196', 'frankfurt_000001')
    assert sample.stamp == pytest.approx(2196 / 17)
    assert tuple(sample.image[0, 0]) == (255, 0, 0)


def test_instances_are_objects_and_groups_are_none(tmp_path: Path) -> None:
    """Single objects keep id x 1000 + number; a group, which carries the plain id, counts as none."""
    sample = open_dataset(trees.cityscapes(tmp_path))[0]
    car = sample.label[0] == 13
    assert np.unique(sample.instances[:8, car]).tolist() == [26000]
    assert np.unique(sample.instances[8:16, car]).tolist() == [26001]
    assert not sample.instances[16:].any() and sample.instances.dtype == np.int32
    without = open_dataset(trees.cityscapes(tmp_path / 'b', kinds=('labelIds',)))[0]
    assert without.instances is None


def test_polygons_alone(tmp_path: Path) -> None:
    """Later objects cover earlier ones, deleted ones are left out, groups count as no instance."""
    sample = open_dataset(trees.cityscapes(tmp_path, kinds=('polygons',)))[0]
    assert sample.label[31, 63] == 0 and sample.label[2, 5] == 10
    assert sample.label[15, 5] == 13 and sample.instances[15, 5] == 26000
    assert sample.instances[26, 25] == 26001 and sample.instances[15, 15] == 26001
    assert sample.label[15, 50] == 13 and sample.instances[15, 50] == 0
    assert sample.label[21, 16] == 13 and sample.label[10, 35] == 255


def test_polygons_are_drawn_as_the_official_converter_does(tmp_path: Path) -> None:
    """On random shapes all but edge pixels agree with cityscapesscripts, labels and instances."""
    annotation = pytest.importorskip('cityscapesscripts.helpers.annotation')
    json2label = pytest.importorskip('cityscapesscripts.preparation.json2labelImg')
    json2instance = pytest.importorskip('cityscapesscripts.preparation.json2instanceImg')
    rng = np.random.RandomState(3)
    names = ['road', 'car', 'cargroup', 'person', 'pole', 'license plate', 'train', 'rail track', 'caravan',
             'sky', 'bicycle', 'polegroup', 'out of roi', 'ridergroup', 'caravangroup']
    objects = [{'label': names[n % len(names)],
                'polygon': (rng.rand(6, 2) * (400, 200)).round().astype(int).tolist()} for n in range(28)]
    path = tmp_path / 'x_polygons.json'
    path.write_text(json.dumps({'imgHeight': 200, 'imgWidth': 400, 'objects': objects}))
    official = annotation.Annotation()
    official.fromJsonFile(str(path))
    ids = np.array(json2label.createLabelImage(official, 'ids'))
    numbered = np.array(json2instance.createInstanceImage(official, 'ids'))
    mine, instances = draw(path, ClassTable.load('cityscapes'))
    table = ClassTable.load('cityscapes').id_table()
    assert (table[mine] == table[ids]).mean() > 0.985
    objects_there = np.where(numbered >= 1000, numbered, 0)
    assert (instances == objects_there).mean() > 0.985
    assert set(np.unique(objects_there)) <= set(np.unique(instances)) | {0}


@pytest.mark.parametrize('content', [
    '[]', '{}', 'x', '{"imgHeight": 10, "imgWidth": 10}', '{"imgHeight": 1e9, "imgWidth": 10, "objects": []}',
    '{"imgHeight": 9, "imgWidth": 9, "objects": [{"label": "dragon", "polygon": [[0, 0], [1, 1], [2, 0]]}]}',
    '{"imgHeight": 9, "imgWidth": 9, "objects": [{"label": "car", "polygon": [[0], [1, 1]]}]}'])
def test_hostile_polygons(content: str, tmp_path: Path) -> None:
    """A polygon file that is none is refused in one line that names it."""
    path = trees.text(tmp_path / 'polygons.json', content)
    with pytest.raises(InputError, match='polygons.json'):
        draw(path, ClassTable.load('cityscapes'))


def test_missing_annotation_split_and_name(tmp_path: Path) -> None:
    """The file that is missing, or the splits that are there, are named."""
    root = trees.cityscapes(tmp_path)
    with pytest.raises(InputError, match='there are: val'):
        open_dataset(root, 'train')
    trees.write(root / 'leftImg8bit/val/frankfurt/frankfurt_000001_000007_leftImg8bit.png', trees.photo())
    with pytest.raises(InputError, match='frankfurt_000001_000007_gtFine_labelIds.png is missing'):
        open_dataset(root, 'val')
    trees.write(tmp_path / 'b/leftImg8bit/val/a/odd.png', trees.photo())
    with pytest.raises(InputError, match='odd.png: not named'):
        open_dataset(tmp_path / 'b')


def test_images_without_truth(tmp_path: Path) -> None:
    """Where gtFine was not unpacked the frames have no label."""
    trees.write(tmp_path / 'leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png', trees.photo())
    sample = open_dataset(tmp_path, 'test')[0]
    assert sample.label is None and sample.sequence == 'berlin_000000'
