"""Two results side by side, whatever the other file holds."""

import copy
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import pytest
from results import Page, evaluation

from enet_ros.datasets import label_files
from enet_ros.errors import InputError
from enet_ros.reports import comparison, html

pytest.importorskip('jinja2')


def test_comparison_pairs_the_same_frames():
    better, worse = evaluation(40, noise=0.2).to_json(), evaluation(40, noise=0.3).to_json()
    compared = comparison.compare(better, worse, 'old.json')
    difference = 100 * (better['mean_iou'] - worse['mean_iou'])
    assert compared['rows'][0]['difference'] == pytest.approx(difference)
    low, high = compared['interval']
    assert 0 < low < difference < high
    assert not [note for note in compared['notes'] if 'frames' in note]
    page = Page(html.render(better, others=[('old.json', worse)])).text
    assert 'Compared with old.json' in page and f'+{difference:.1f}' in page
    assert 'old.json' in comparison.comparison_text(compared)


def test_comparison_names_the_frames_that_changed_most():
    """Three frames got worse, one better: they are named, the loss first, and nothing that is as it was."""
    before, after = evaluation(12).to_json(), evaluation(12).to_json()
    for index, change in ((3, -0.3), (7, -0.2), (8, -0.1), (5, 0.1)):
        after['timeline'][index]['mean_iou'] += change
    rows = comparison.compare(after, before)['frames']
    assert [row['name'].split()[-1] for row in rows] == ['3', '7', '8', '5']
    assert rows[0]['difference'] == pytest.approx(-30)
    many = comparison.compare(evaluation(40, noise=0.3).to_json(), evaluation(40).to_json())['frames']
    assert len(many) == 2 * comparison.MOST == len({row['name'] for row in many})
    assert 'frames that lost and gained most' in Page(html.render(after, others=[('old', before)])).text


def test_comparison_of_other_frames_has_no_interval():
    compared = comparison.compare(evaluation(40).to_json(), evaluation(30).to_json())
    assert compared['interval'] is None
    assert any('40 frames evaluated against 30' in note for note in compared['notes'])


@pytest.mark.parametrize('other', [{}, [], {'mean_iou': 1}, None])
def test_what_is_no_result_is_refused(outcome, other):
    with pytest.raises(InputError, match='x.json: not a result of an evaluation'):
        comparison.compare(outcome.to_json(), other, 'x.json')


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
                 st.lists(st.integers(), max_size=2),
                 st.dictionaries(st.text(max_size=2), st.none(), max_size=2))


@given(st.data())
@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
def test_a_foreign_or_damaged_json_is_compared_or_refused(outcome, data):
    result = outcome.to_json()
    other = json.loads(json.dumps(result))
    place = other
    for _ in range(data.draw(st.integers(1, 4))):
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JUNK)
            break
        place = place[key]
    try:
        comparison.comparison_text(comparison.compare(result, other, 'x.json'))
        comparison.before(other, 'x.json')
        comparison.labels_before(other)('frame', (4, 4))
    except InputError as error:
        assert 'x.json' in str(error) or 'blocks' in str(error)


@pytest.mark.parametrize('key, junk', [
    ('name', []), ('mean_iou', 10 ** 400), ('mean_iou', 'high')])
def test_frames_before_from_a_damaged_json(outcome, key, junk):
    result = outcome.to_json()
    for timeline in (5, [5], [{}], [dict(result['timeline'][0], frames=1, **{key: junk})]):
        with pytest.raises(InputError, match='x.json: not a result'):
            comparison.before(dict(result, timeline=timeline), 'x.json')


def test_labels_before_from_a_hostile_json(outcome, tmp_path, monkeypatch):
    """A folder that never ends, a name that is none, a record of another kind: no labels, at once."""
    monkeypatch.setattr(label_files, '_MAX_FOLDERS', 1000)
    (tmp_path / 'again').symlink_to(tmp_path)
    (tmp_path / 'once_more').symlink_to(tmp_path)
    result = outcome.to_json()
    for folder in ('\0', 5, None, '/dev/null', str(tmp_path)):
        for record in ([], 5, {'labels': folder}):
            assert comparison.labels_before(dict(result, provenance=record))('frame', (4, 4)) is None


def test_results_in_other_classes_are_not_compared(outcome):
    other = copy.deepcopy(outcome.to_json())
    other['class_iou'] = {'road': 1.0}
    with pytest.raises(InputError, match='nothing to compare'):
        comparison.compare(outcome.to_json(), other, 'x.json')
