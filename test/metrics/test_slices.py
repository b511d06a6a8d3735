"""Slices: every frame has one value of each tag, and each value scores as its frames alone."""

import json

import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.evaluation.evaluator import Evaluator
from enet_ros.json_files import plain
from enet_ros.metrics.slices import MAX_VALUES, UNTAGGED, read_tags

CAMVID = ClassTable.load('camvid')
TAGS = {f'f{index}': {'weather': 'rain' if index < 4 else 'sun', 'light': 'day' if index % 2 else 'dusk'}
        for index in range(9)}


def scored(indices, tags=TAGS) -> Evaluator:
    """Score frames f0 and so on, of drives of five frames; f9 has no tag."""
    evaluator = Evaluator(CAMVID, CAMVID, boundary=False, tags=tags)
    for index in indices:
        rng = np.random.default_rng(index)
        truth = rng.integers(0, 11, (8, 9)).astype(np.uint8)
        evaluator.add(np.where(rng.random((8, 9)) < 0.7, truth, 3).astype(np.uint8), truth, f'f{index}',
                      f'drive {index // 5}', index / 30)
    return evaluator


def test_slices_score_as_their_frames_alone() -> None:
    """By drive and by tag, in one result; a frame that the table does not know stands apart."""
    rows = {(row['by'], row['value']): row for row in scored(range(10)).result()['slices']}
    expected = {('drive', 'drive 0'): range(5), ('drive', 'drive 1'): range(5, 10),
                ('weather', 'rain'): range(4), ('weather', 'sun'): range(4, 9),
                ('light', 'day'): (1, 3, 5, 7), ('light', 'dusk'): (0, 2, 4, 6, 8),
                ('weather', UNTAGGED): (9,), ('light', UNTAGGED): (9,)}
    assert set(rows) == set(expected)
    for key, indices in expected.items():
        alone = scored(indices, {}).result()
        assert rows[key]['frames'] == len(indices)
        for name in ('mean_iou', 'global_accuracy'):
            assert rows[key][name] == alone[name]
        assert rows[key]['class_iou'] == pytest.approx(alone['class_iou'], nan_ok=True)


def test_parts_merge_through_json() -> None:
    """Cut in two and taken up from JSON, the slices are those of the whole."""
    parts = [Evaluator.restore(json.loads(json.dumps(plain(scored(cut).to_dict())))) for cut in (
        range(3), range(3, 10))]
    assert parts[0].merge(parts[1]).result()['slices'] == scored(range(10)).result()['slices']


@pytest.mark.parametrize('text, said', (
    ('', 'column frame'), ('frame\na\n', 'column frame'), ('name,weather\na,sun\n', 'column frame'),
    ('frame,note\n' + ''.join(f'f{i},text {i}\n' for i in range(MAX_VALUES + 1)), 'too many for a tag'),
    ('\0', 'tags.csv')))
def test_what_is_no_table_is_one_line(tmp_path, text: str, said: str) -> None:
    """Columns that are missing, and text that is no tag."""
    (tmp_path / 'tags.csv').write_text(text)
    with pytest.raises(InputError, match=said):
        read_tags(tmp_path / 'tags.csv')


def test_table_is_read(tmp_path) -> None:
    """Values as they stand; an empty or missing cell is no tag."""
    (tmp_path / 't.csv').write_text('frame,weather,light\na,sun,\nb,rain\n')
    assert read_tags(tmp_path / 't.csv') == {
        'a': {'weather': 'sun', 'light': UNTAGGED}, 'b': {'weather': 'rain', 'light': UNTAGGED}}
