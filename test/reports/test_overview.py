"""The page that the demo leaves."""

import re

from browser import ask
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.reports.charts import delays
from enet_ros.reports.gallery import Footage
from enet_ros.reports.overview import write_overview


@pytest.fixture
def summary():
    return {'frames_in': 10, 'frames_segmented': 7, 'frames_dropped': 3, 'rate_hz': 4.25,
            'dropped_by': {'superseded': 2, 'refused': 1, 'shutdown': 0},
            'latency_ms': {'p50': 41.6, 'max': 99.5}, 'mean_iou': 0.625, 'frames_evaluated': 6,
            'truth_without_prediction': 4, 'prediction_without_truth': 1,
            'class_iou': {'Sky': 0.875, 'Road': 0.0, 'Car': None}}


def footage() -> Footage:
    """Two frames, half sky, half road and then all car."""
    shown = Footage(ClassTable.load('camvid'))
    for labels in (np.repeat([[0], [3]], 8, axis=1), np.full((2, 8), 8)):
        shown.add(np.zeros((2, 8, 3), np.uint8), 'bgr', labels.astype(np.uint8))
    return shown


def words(path) -> str:
    text = re.sub(r'<style>.*?</style>', '', path.read_text(), flags=re.S)
    return re.sub(r'\s+', ' ', re.sub(r'<[^>]+>', ' ', text))


def test_numbers(summary, tmp_path):
    write_overview(tmp_path / 'page.html', 'A drive', 'over <the> & hill', summary, ClassTable.load('camvid'))
    said = words(tmp_path / 'page.html')
    for text in ('frames 10 7 segmented', 'rate 4.2 Hz', 'delay 42 ms median; 100 ms at most', 'dropped 3',
                 'mean IoU 62.5 % over 6 frames', 'Sky 87.5', 'Road 0.0', 'Car not in the recording',
                 'superseded by a newer frame 2', 'refused: not a valid image 1',
                 'annotated frames without labels 4', 'over &lt;the&gt; &amp; hill'):
        assert text in said, text
    assert 'waiting when the node ended' not in said


def test_without_truth(summary, tmp_path):
    summary.update(mean_iou=None, class_iou={'Sky': None}, rate_hz=None, truth_without_prediction=None,
                   prediction_without_truth=None)
    summary['latency_ms'] = {'p50': None, 'max': None}
    write_overview(tmp_path / 'page.html', 'A drive', '', summary, ClassTable.load('camvid'))
    said = words(tmp_path / 'page.html')
    assert 'IoU' not in said and 'rate unknown' in said and 'annotated' not in said


def test_needs_nothing_else(summary, tmp_path):
    write_overview(tmp_path / 'page.html', 'A drive', '', summary, ClassTable.load('camvid'), footage(),
                   [31.0, None, 52.5], [('more.csv', 'every frame')])
    page = (tmp_path / 'page.html').read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert links[-1] == 'more.csv' and len(links) == 5      # two frames, image and overlay of each
    assert all(link.startswith('data:image/jpeg;base64,') for link in links[:-1])


@pytest.mark.parametrize('width', [390, 1280])
def test_in_a_browser(summary, tmp_path, width):
    write_overview(tmp_path / 'page.html', 'A_drive_whose_name_has_no_break_at_all', '',
                   summary, ClassTable.load('camvid'), footage(), [31.0, None, 52.5],
                   command="python -m enet_ros demo --source 'my drive.mp4'")
    assert ask(tmp_path / 'page.html', """return [
        document.documentElement.scrollWidth <= innerWidth, document.querySelector('pre').textContent,
        document.querySelectorAll('.track rect').length, document.querySelectorAll('.pair').length,
        [...document.querySelectorAll('polygon title')].map(title => title.textContent),
        [...document.querySelectorAll('circle title')].map(title => title.textContent),
        document.querySelectorAll('.lost').length]""", width) == [
            True, "python -m enet_ros demo --source 'my drive.mp4'", 2, 2, ['Sky', 'Road', 'Car'],
            ['frame 0: 31.0 ms', 'frame 2: 52.5 ms'], 1]


@pytest.mark.parametrize('values', [[0.0, None], [-3.0]])
def test_delays_of_clocks_that_disagree(values):
    """No delay above zero: an axis all the same."""
    chart = delays(values)
    assert len(chart['dots']) == 1 and chart['grid'][-1]['text'] == '1'
