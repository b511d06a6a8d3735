"""The HTML report: what it says, that it stands alone, and that a browser shows it."""

import copy
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from results import CAMVID, Page, evaluation, frames

from enet_ros.errors import InputError
from enet_ros.evaluation.offline import Coverage, evaluate
from enet_ros.reports import charts, html, pictures, tables, text
from enet_ros.reports.frames import FrameCsv

pytest.importorskip('jinja2')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')


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
