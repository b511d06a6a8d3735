"""`predict` as its users start it: real videos, bags and pictures in; what it leaves is opened again."""

import csv
import json
from pathlib import Path

from browser import ask
import cv2
import numpy as np
import pytest
from recordings import write_bag

from enet_ros import Segmenter
from enet_ros.datasets import SyntheticStreet
from enet_ros.errors import InputError
from enet_ros.sources.video import Mp4Writer
from enet_ros.tools.predict import main


@pytest.fixture(scope='module')
def street() -> SyntheticStreet:
    return SyntheticStreet((96, 128), frames=10)


@pytest.fixture(scope='module')
def video(street: SyntheticStreet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip('av')
    path = tmp_path_factory.mktemp('video') / 'my drive.mp4'
    writer = Mp4Writer(path, 25)
    for index in range(10):
        writer.write(street[index].image, 10 ** 9 + index * 4 * 10 ** 7)
    writer.close()
    return path


def run(source: object, weights: Path, out: Path, *more: str) -> int:
    return main([str(source), '--weights', str(weights), '--output', str(out), *more])


def picture(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_a_video(video: Path, random_weights: Path, tmp_path: Path, capsys) -> None:
    assert run(video, random_weights, tmp_path / 'out', '--json', str(tmp_path / 'facts.json')) == 0
    facts = json.loads((tmp_path / 'facts.json').read_text())
    assert facts['frames_segmented'] == 10 and facts['complete'] and facts['ms_per_frame'] > 0
    assert '10 frames in' in capsys.readouterr().out
    # Every frame, in order, and the labels are those of the library.
    rows = list(csv.DictReader((tmp_path / 'out' / 'class_shares.csv').open()))
    with Segmenter.open(random_weights) as segment:
        predictions = list(segment.stream(video))
        for index, (row, prediction) in enumerate(zip(rows, predictions)):
            assert row['frame'] == f'{index:06d}'
            labels = picture(tmp_path / 'out' / 'labels' / (row['frame'] + '.png'))
            np.testing.assert_array_equal(labels, prediction.labels)
            for number, name in enumerate(segment.classes.names):
                assert float(row[name]) == pytest.approx((labels == number).mean(), abs=1e-6)
    assert len(rows) == len(predictions) == 10
    # The overlay keeps the video's times, and shows what it says.
    capture = cv2.VideoCapture(str(tmp_path / 'out' / 'overlay.mp4'))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(25, rel=0.02)
    shown = [capture.read() for _ in range(11)]
    assert [there for there, _ in shown] == [True] * 10 + [False]
    with Segmenter.open(random_weights) as segment:
        wanted = [segment.overlay(np.ascontiguousarray(frame.image[..., ::-1])) for frame in predictions]
    # H.264 blurs what weights that know nothing speckle.
    far = [cv2.absdiff(cv2.blur(shown[3][1][..., ::-1], (9, 9)), cv2.blur(image, (9, 9))).mean()
           for image in wanted]
    assert np.argmin(far) == 3 and far[3] < 15


def test_a_browser_plays_the_video_and_moves_the_slider(video, random_weights, tmp_path: Path) -> None:
    assert run(video, random_weights, tmp_path / 'out') == 0
    answer = ask(tmp_path / 'out' / 'index.html', """
        const film = document.querySelector('video'), slider = document.querySelector('.pair input')
        await new Promise((done, failed) => { film.onloadeddata = done; film.onerror = failed; film.load() })
        slider.value = 20; slider.dispatchEvent(new Event('input'))
        const clip = getComputedStyle(document.querySelector('.pair .over')).clipPath
        return [film.videoWidth, clip, document.documentElement.scrollWidth <= innerWidth,
                document.querySelectorAll('svg.chart polygon').length > 1]""", width=390)
    assert answer == [128, 'inset(0px 0px 0px 20%)', True, True]


@pytest.mark.parametrize('kind', ['image', 'pattern', 'folder', 'bag'])
def test_other_sources(kind: str, street: SyntheticStreet, random_weights: Path, tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f'still{index}.png'), street[index].image[..., ::-1])
    source, count = {'image': (tmp_path / 'still1.png', 1), 'pattern': (tmp_path / 'still[01].*', 2),
                     'folder': (tmp_path, 3), 'bag': (tmp_path / 'bag', 10)}[kind]
    if kind == 'bag':
        write_bag(source, street, False)
    assert run(source, random_weights, tmp_path / 'o' / 'out') == 0
    assert len(list((tmp_path / 'o' / 'out' / 'labels').iterdir())) == count
    assert (tmp_path / 'o' / 'out' / 'overlay.mp4').exists() == (kind == 'bag')
    overlays = [] if kind == 'bag' else sorted((tmp_path / 'o' / 'out' / 'overlays').iterdir())
    assert len(overlays) == (0 if kind == 'bag' else count)
    if kind == 'image':
        labels = picture(tmp_path / 'o' / 'out' / 'labels' / 'still1.png')
        with Segmenter.open(random_weights) as segment:
            np.testing.assert_array_equal(labels, segment(source))
            np.testing.assert_array_equal(labels, segment(street[1].image))


def test_images_of_one_name_keep_their_own_labels(street, random_weights, tmp_path: Path) -> None:
    for name in ('a.png', 'a.jpg'):
        cv2.imwrite(str(tmp_path / name), street[0].image)
    assert run(tmp_path / '*', random_weights, tmp_path / 'out') == 0
    assert len(list((tmp_path / 'out' / 'labels').iterdir())) == 2


@pytest.mark.parametrize('kind', ['missing', 'text', 'empty folder', 'no such camera', 'pattern', 'long'])
def test_what_is_no_source(kind: str, random_weights: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / 'notes.txt').write_text('no video')
    (tmp_path / 'empty').mkdir()
    source = {'missing': tmp_path / 'no.mp4', 'text': tmp_path / 'notes.txt',
              'empty folder': tmp_path / 'empty', 'no such camera': '987', 'pattern': tmp_path / '*.png',
              'long': 'x' * 5000}[kind]
    assert run(source, random_weights, tmp_path / 'out') == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith('error: ') and len([line for line in told if line.startswith('error')]) == 1
    assert not (tmp_path / 'out').exists()


def test_an_earlier_result_is_only_replaced_when_asked(street: SyntheticStreet, random_weights: Path,
                                                       tmp_path: Path, capsys) -> None:
    for index in range(2):
        cv2.imwrite(str(tmp_path / f'{index}.png'), street[index].image)
    assert run(tmp_path, random_weights, tmp_path / 'o' / 'out') == 0
    assert run(tmp_path / '0.png', random_weights, tmp_path / 'o' / 'out') == 2
    assert '--force' in capsys.readouterr().err
    assert run(tmp_path / '0.png', random_weights, tmp_path / 'o' / 'out', '--force') == 0
    assert len(list((tmp_path / 'o' / 'out' / 'labels').iterdir())) == 1


def test_a_damaged_bag_never_looks_like_a_success(street, random_weights, tmp_path: Path, capsys) -> None:
    bag = write_bag(tmp_path / 'bag', street, False)
    file = next(bag.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])
    assert run(bag, random_weights, tmp_path / 'out') == 1
    assert 'NOT all frames' in capsys.readouterr().out
    assert 'class="warn"' in (tmp_path / 'out' / 'index.html').read_text()
    assert json.loads((tmp_path / 'out' / 'summary.json').read_text())['complete'] is False


def test_the_library_tells_what_is_no_picture(random_weights: Path, tmp_path: Path) -> None:
    (tmp_path / 'notes.png').write_text('no picture')
    with Segmenter.open(random_weights) as segment:
        for path in (str(tmp_path / 'no.png'), str(tmp_path / 'notes.png'), str(tmp_path)):
            with pytest.raises(InputError, match=path):
                segment(path)
        with pytest.raises(InputError, match='no such file'):
            segment.stream(tmp_path / 'no.mp4')
