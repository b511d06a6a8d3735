"""The HTML report: what it says, that it stands alone, and that a browser shows it."""

import copy
from html.parser import HTMLParser
import json
import os
import re
import shutil
import subprocess

import cv2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.datasets import label_files
from enet_ros.errors import InputError
from enet_ros.evaluation.offline import Coverage, Evaluation, Frame, evaluate
from enet_ros.reports import charts, comparison, html, pictures, tables, text
from enet_ros.reports.frames import FrameCsv

pytest.importorskip('jinja2')
CAMVID = ClassTable.load('camvid')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')


def frames(number, seed=0, noise=0.2, shape=(48, 64), classes=11):
    rng = np.random.default_rng(seed)
    for index in range(number):
        coarse = rng.integers(0, classes + 1, (shape[0] // 8, shape[1] // 8)).astype(np.uint8)
        truth = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_NEAREST)
        truth[truth == classes] = 255
        wrong = np.random.default_rng([index, int(100 * noise)]).random(shape) < noise
        prediction = np.where(wrong | (truth == 255), (truth + 1) % classes, truth).astype(np.uint8)
        image = rng.integers(0, 256, shape + (3,)).astype(np.uint8)
        yield Frame(f'frame {index}', f'drive {index // 10}', index / 15, image,
                    prediction=prediction, truth=truth)


def evaluation(number=24, coverage=None, **options):
    coverage = coverage or Coverage()
    outcome = evaluate(frames(number, **options), CAMVID, CAMVID, coverage=coverage)
    outcome.provenance = {'source': 'camvid test', 'split': 'test', 'command': 'enet_ros evaluate_dataset x',
                          'weights': 'w', 'versions': {'enet_ros': '0.1.0'}}
    return outcome


@pytest.fixture(scope='module')
def outcome() -> Evaluation:
    return evaluation()


class Page(HTMLParser):
    """Collects what the tests ask about, and checks that tags close in order."""

    VOID = {'meta', 'br', 'img', 'link', 'input', 'hr'}

    def __init__(self, page):
        super().__init__()
        self.open, self.links, self.words, self.images = [], [], [], 0
        self.feed(page)
        assert self.open == [], self.open

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        self.images += tag == 'img'
        self.links += [value for name, value in attributes if name in ('src', 'href')]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ['style']:
            self.words.append(data)

    @property
    def text(self):
        return ' '.join(' '.join(self.words).split())


def test_page_says_what_was_measured(outcome):
    result = outcome.to_json()
    page = Page(html.render(result, outcome.evaluator.examples))
    assert '{:.1f} %'.format(100 * result['mean_iou']) in page.text
    low, high = result['intervals']['mean_iou']
    assert f'{100 * low:.1f} to {100 * high:.1f}, 95 % interval' in page.text
    for name in CAMVID.names:
        assert name in page.text
        assert '{:.1f}'.format(100 * result['class_iou'][name]) in page.text
    assert '24 frames evaluated of 24 in' in page.text
    assert 'enet_ros evaluate_dataset x' in page.text and 'Beside the paper' in page.text
    assert page.images == 12 * 4
    worst = outcome.evaluator.examples.worst[0].frame.name
    assert re.search(r'Worst frames.*?(frame \d+) in drive', page.text).group(1) == worst
    assert page.text.index('Worst frames') < page.text.index('Best frames')


def test_page_stands_alone(outcome):
    text_ = html.render(outcome.to_json(), outcome.evaluator.examples)
    page = Page(text_)
    assert all(link.startswith('data:image/') for link in page.links)
    assert 'http' not in re.sub(r'http-equiv', '', text_)
    assert '<script' not in text_ and '@import' not in text_ and 'url(' not in text_


def test_names_from_outside_cannot_break_out(outcome):
    evil = '"><script>alert(1)</script>'
    result = copy.deepcopy(outcome.to_json())
    result['provenance'] = {'source': evil, 'command': evil}
    result['timeline'][0]['name'] = result['timeline'][0]['sequence'] = evil
    result['confusion']['classes']['classes'][0]['name'] = evil
    result['confusion']['classes']['mappings'] = {}
    result['problems'] = [{'text': evil, 'count': 2}]
    latency = {'latency_ms': {'p50': 1.0}}
    page = html.render(result, outcome.evaluator.examples, evil, latency, [(evil, outcome.to_json())])
    assert '<script' not in page
    Page(page)


def test_lost_frames_are_never_hidden():
    coverage = Coverage(truth_frames=40, truth_without_prediction=16, dropped_by={'superseded': 16})
    coverage.frames_in = 16
    coverage.tell('truncated bag: the rest is missing')
    result = evaluation(24, coverage).to_json()
    page = Page(html.render(result)).text
    assert 'Only 24 of 40 annotated frames (60.0 %) were evaluated' in page
    assert 'superseded: 16' in page and 'truncated bag' in page
    assert 'truncated bag' in text.summary(result) and 'dropped by superseded: 16' in text.summary(result)


def test_reasons_for_missing_predictions_are_said(outcome):
    result = dict(outcome.to_json(), truth_without_prediction=3,
                  truth_without_prediction_by={'superseded': 1, 'not_seen': 2, 'label_lost': 0})
    said = 'without prediction: image never met the segmentation node: 2, superseded: 1'
    assert said in text.summary(result) and said in Page(html.render(result)).text


def test_nothing_evaluated_is_said_and_not_scored():
    result = evaluation(0).to_json()
    page = Page(html.render(json.loads(json.dumps(result)))).text
    assert 'Nothing was evaluated' in page and 'n/a' in page
    assert 'mean IoU' in text.summary(result)


def test_result_that_went_through_json_with_nulls_renders(tmp_path):
    from enet_ros.json_files import write_json
    outcome = evaluation(3, classes=4)      # seven classes are absent
    write_json(tmp_path / 'a.json', outcome.to_json())
    result = json.loads((tmp_path / 'a.json').read_text())
    assert result['class_iou']['Bicyclist'] is None
    assert 'n/a' in html.render(result)
    assert 'n/a' in text.summary(result)


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


def test_paper_tables_have_the_papers_columns(outcome):
    result = outcome.to_json()
    table = tables.paper_table(result)
    assert table.columns[:3] == ('Building', 'Tree', 'Sky') and len(table.columns) == 13
    enet, mine = dict(table.rows)['ENet'], dict(table.rows)['this run']
    # The paper's class average is the mean of its class accuracies, which is how we know what they are.
    assert np.mean(enet[:11]) == pytest.approx(enet[11], abs=0.06)
    assert np.mean(mine[:11]) == pytest.approx(mine[11])
    assert mine[9] == 100 * result['class_accuracy']['Pavement'] and mine[12] == 100 * result['mean_iou']
    for coding, columns in (('cityscapes', 4), ('sun_rgbd', 3)):
        result['coding'] = {'prediction': coding, 'truth': coding, 'scores': coding}
        assert all(len(values) == columns for _, values in tables.paper_table(result).rows)
    for coding in (('mine', 'mine', 'mine'), ('camvid', 'cityscapes', 'camvid')):
        result['coding'] = dict(zip(('prediction', 'truth', 'scores'), coding))
        assert tables.paper_table(result) is None
        Page(html.render(result))
    assert tables.paper_table(dict(outcome.to_json(), provenance={'source': 'synthetic street'})) is None
    assert tables.paper_table(dict(outcome.to_json(), provenance={'split': 'val'})) is None


def test_error_map_shows_what_was_missed():
    truth = np.array([[3, 8, 255]], np.uint8)
    picture = pictures.error_map(np.array([[3, 3, 3]], np.uint8), truth, CAMVID)
    assert picture.tolist() == [[list(pictures.RIGHT), CAMVID.colours[8].tolist(), [255, 255, 255]]]


def test_timeline_breaks_between_sequences():
    points = [{'sequence': 'a' if index < 3 else 'b', 'name': str(index), 'frames': 1, 'mean_iou': 0.5}
              for index in range(5)]
    chart = charts.timeline(points)
    assert [len(line.split()) for line in chart['lines']] == [3, 2]
    assert [mark['name'] for mark in chart['marks']] == ['a', 'b']
    assert charts.timeline(points[:1]) is None
    assert charts.timeline([dict(points[0], mean_iou=float('nan'))] * 5) is None


def test_csv_has_one_line_a_frame(outcome, tmp_path):
    rows = []
    evaluate(frames(3), CAMVID, CAMVID, on_frame=rows.append)
    with FrameCsv(tmp_path / 'deep' / 'frames.csv') as file:
        for row in rows:
            file.write(row)
    lines = (tmp_path / 'deep' / 'frames.csv').read_text().splitlines()
    assert lines[0] == 'name,sequence,stamp,pixels,mean_iou,global_accuracy,flip_rate,schema'
    assert len(lines) == 4 and lines[1].endswith(',,enet_ros/frames 1')   # the first frame has none before it
    with pytest.raises(InputError, match='CSV'):
        FrameCsv('/proc/none/frames.csv')


def test_csv_survives_a_full_disk_and_a_kill(outcome, tmp_path):
    """Every line is written at once; what a full disk refuses is counted, and nothing is raised."""
    frame = outcome.evaluator.examples.best[0].frame
    table = FrameCsv(tmp_path / 'f.csv')
    table.write(frame)
    assert len((tmp_path / 'f.csv').read_text().splitlines()) == 2      # not closed yet
    assert table.loss is None
    full = FrameCsv('/dev/full')
    full.write(frame)
    full.close()
    assert '2 lines are missing: No space left' in full.loss


def test_unwritable_report_is_told(outcome):
    with pytest.raises(InputError, match='report was not written'):
        html.write_report('/proc/none/report.html', outcome.to_json())


@pytest.mark.skipif(CHROMIUM is None, reason='chromium is not installed')
@pytest.mark.parametrize('width', [412, 1280])
def test_browser_shows_it_without_sideways_scrolling(outcome, tmp_path, width):
    path = tmp_path / 'report.html'
    html.write_report(path, outcome.to_json(), outcome.evaluator.examples,
                      others=[('old', outcome.to_json())])
    # The page itself runs no script: a wrapper beside it measures it, as a visitor's window would.
    (tmp_path / 'wrapper.html').write_text(
        f'<iframe id=f width={width} height=900 src=report.html></iframe><pre id=o></pre><script>'
        'onload = () => { const d = document.getElementById("f").contentDocument;'
        'document.getElementById("o").textContent = JSON.stringify({'
        'sideways: d.documentElement.scrollWidth - d.documentElement.clientWidth,'
        'broken: [...d.images].filter(i => !i.naturalWidth).length, images: d.images.length,'
        'chart: d.querySelectorAll("svg.chart polyline").length,'
        'height: d.documentElement.scrollHeight, title: d.title}) }</script>')
    command = [CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
               '--disable-background-networking', '--disable-component-update', '--disable-sync',
               '--allow-file-access-from-files', '--user-data-dir={}'.format(tmp_path / 'profile'),
               '--virtual-time-budget=5000', '--dump-dom', 'file://{}'.format(tmp_path / 'wrapper.html')]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=90,
                          env=dict(os.environ, HOME=str(tmp_path)), check=True)
    found = json.loads(re.search(r'<pre id="o">(.*?)</pre>', done.stdout.decode()).group(1))
    assert found['sideways'] <= 0
    assert (found['broken'], found['images']) == (0, 48)
    assert found['chart'] == 3 and found['height'] > 3000
    assert found['title'].startswith('camvid test')
