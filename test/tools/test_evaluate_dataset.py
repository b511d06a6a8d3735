"""evaluate_dataset: the whole tool, in parts, beside earlier results, and on bad input."""

import base64
import json
import re

import cv2
import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.datasets import open_dataset
from enet_ros.metrics.confusion import ConfusionMatrix
from enet_ros.overlay import colourise
from enet_ros.tools.evaluate_dataset import main


def test_camvid_weights_meet_cityscapes_annotations(cityscapes, random_weights, tmp_path, capsys):
    assert main([str(cityscapes), '--weights', str(random_weights), '--engine', 'torch', '--frames', '2',
                 '--json', str(tmp_path / 'r.json')]) == 0
    result = json.loads((tmp_path / 'r.json').read_text())
    assert result['coding'] == {'prediction': 'camvid', 'truth': 'cityscapes', 'scores': 'camvid'}
    assert result['frames_evaluated'] == 2 and len(result['class_iou']) == 11
    assert 'scored as camvid' in capsys.readouterr().out


def test_real_camvid_scores_its_own_annotations(camvid_root, tmp_path):
    dataset = open_dataset(camvid_root, 'val')
    expected = ConfusionMatrix(11)
    for index in range(0, 101, 25):
        sample = dataset[index]
        prediction = np.roll(sample.label, 4, 1)
        expected.update(prediction, sample.label)
        assert cv2.imwrite(str(tmp_path / (sample.name + '.png')), prediction)
    # 96 of 101 frames have no prediction: scored is what there is, and the rest is told.
    assert main([str(camvid_root), '--split', 'val', '--predictions', str(tmp_path),
                 '--json', str(tmp_path / 'r.json')]) == 0
    result = json.loads((tmp_path / 'r.json').read_text())
    assert result['confusion']['counts'] == expected.counts.tolist()
    assert (result['frames_evaluated'], result['truth_without_prediction']) == (5, 96)


def test_damaged_files_are_told_and_the_rest_is_scored(cityscapes, tmp_path, capsys):
    import shutil
    root = tmp_path / 'copy'
    shutil.copytree(str(cityscapes), str(root))
    broken = sorted(root.glob('gtFine/val/*/*_labelIds.png'))
    broken[0].write_bytes(b'no picture')
    sorted((root / 'predictions').rglob('*.png'))[1].unlink()
    assert main([str(root), '--predictions', str(root / 'predictions'), '--coding', 'labelIds',
                 '--json', str(tmp_path / 'r.json')]) == 0
    result = json.loads((tmp_path / 'r.json').read_text())
    assert result['frames_evaluated'] == 3
    assert (result['dropped_by'], result['truth_without_prediction']) == ({'refused': 1}, 1)
    said = capsys.readouterr().out
    assert broken[0].name in said and 'no prediction for frame' in said


def test_processes_give_what_one_gives(cityscapes, tmp_path):
    """The same counts, account, lines and interval, however many processes share the frames."""
    arguments = [str(cityscapes), '--split', 'val', '--predictions', str(cityscapes / 'predictions'),
                 '--coding', 'labelIds']
    results = []
    for jobs in ('1', '2'):
        path, table = (tmp_path / f'{jobs}.{kind}' for kind in ('json', 'csv'))
        assert main(arguments + ['--jobs', jobs, '--json', str(path), '--csv', str(table)]) == 0
        results.append(json.loads(path.read_text()))
    for key in ('confusion', 'class_iiou', 'frames_in', 'frames_evaluated', 'truth_frames', 'problems',
                'unannotated', 'intervals'):
        assert results[0][key] == results[1][key], key
    one, two = ([line.split(',')[:6] for line in (tmp_path / f'{jobs}.csv').read_text().splitlines()]
                for jobs in '12')
    assert one == two


def test_several_results_are_compared_with_pictures(cityscapes, tmp_path):
    """One page: a table of all, and each frame that changed with its labels then and now."""
    rng, dataset = np.random.default_rng(1), open_dataset(cityscapes, 'val')
    for name, noise in (('good', 0.1), ('middle', 0.3), ('bad', 0.6)):
        (tmp_path / name).mkdir()
        for sample in dataset:
            shape = sample.label.shape
            wrong = np.where(rng.random(shape) < noise, rng.integers(0, 19, shape), sample.label)
            assert cv2.imwrite(str(tmp_path / name / f'{sample.name}.png'), wrong.astype(np.uint8))

    def run(name, *more):
        assert main([str(cityscapes), '--split', 'val', '--predictions', str(tmp_path / name),
                     '--json', str(tmp_path / f'{name}.json'), *more]) == 0
    run('good')
    run('bad')
    compared = ['--compare', str(tmp_path / 'good.json'), str(tmp_path / 'bad.json')]
    shown = {}
    for jobs in ('1', '2'):
        run('middle', *compared, '--report', str(tmp_path / 'r.html'), '--jobs', jobs)
        page = (tmp_path / 'r.html').read_text()
        assert 'Compared with 2 results' in page and 'kept no labels' not in page
        shown[jobs] = dict(re.findall('<img alt="((?:good|bad).json: [^"]*)" src="([^"]*)"', page))
    assert len(shown['1']) == 2 * len(dataset) and shown['1'] == shown['2']
    palette = ClassTable.load('cityscapes').palette()
    for name in ('good', 'bad'):
        picture = shown['1'][f'{name}.json: {dataset.names()[2]}'].split(',')[1]
        found = cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_COLOR)
        labels = cv2.imread(str(tmp_path / name / f'{dataset.names()[2]}.png'), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(found[..., ::-1], colourise(labels, palette))
    changes = re.findall(r'mean IoU [\d.]+ \(([-+][\d.]+)\)', page)
    assert [change[0] for change in changes] == ['-'] * 5 + ['+'] * 5
    (tmp_path / 'good').rename(tmp_path / 'gone')
    run('middle', *compared, '--report', str(tmp_path / 'r.html'))
    assert 'good.json kept no labels' in (tmp_path / 'r.html').read_text()


def test_labels_are_kept_and_score_the_same(cityscapes, random_weights, tmp_path):
    common = [str(cityscapes), '--frames', '2']
    assert main(common + ['--weights', str(random_weights), '--engine', 'torch', '--labels',
                          str(tmp_path / 'kept'), '--json', str(tmp_path / 'r.json')]) == 0
    assert main(common + ['--predictions', str(tmp_path / 'kept'), '--prediction-classes', 'camvid',
                          '--json', str(tmp_path / 'again.json')]) == 0
    result, again = (json.loads((tmp_path / name).read_text()) for name in ('r.json', 'again.json'))
    assert result['confusion'] == again['confusion']
    assert result['provenance']['labels'] == again['provenance']['labels'] == str(tmp_path / 'kept')


def test_wrong_coding_is_told(cityscapes, capsys):
    assert main([str(cityscapes), '--predictions', str(cityscapes / 'predictions')]) == 0
    assert '--coding labelIds' in capsys.readouterr().out


@pytest.mark.parametrize('arguments, said', [
    (['/no/such/place'], 'no such folder'),
    (['ROOT', '--split', 'holiday'], 'holiday'),
    (['ROOT', '--weights', '/no/such.npz'], 'such.npz'),
    (['ROOT', '--predictions', '/no/such'], 'no such folder of predictions'),
    (['ROOT', '--predictions', 'ROOT/leftImg8bit'], 'nothing could be scored'),
    (['ROOT', '--compare', '/no/such.json'], 'such.json'),
    (['ROOT', '--compare', 'ROOT/bad.json'], 'not JSON'),
    (['ROOT', '--compare', 'ROOT/other.json'], 'not a result of an evaluation'),
    (['ROOT', '--predictions', 'ROOT/predictions', '--labels', '/tmp/l'], 'kept already'),
    (['ROOT', '--input-size', 'wide'], 'no size'),
    (['ROOT', '--frames', '0'], 'argument --frames: 0 is not 1 or more'),
    (['ROOT', '--classes', '/no/such.yaml'], 'such.yaml')])
def test_bad_input_is_one_line_and_code_2(cityscapes, capsys, arguments, said):
    (cityscapes / 'bad.json').write_text('{')
    (cityscapes / 'other.json').write_text('{"mean_iou": 0.5}')
    assert main([argument.replace('ROOT', str(cityscapes)) for argument in arguments]) == 2
    error = capsys.readouterr().err
    errors = [line for line in error.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1 and said in errors[0] and 'Traceback' not in error
    assert '--weights' not in arguments or len(error.splitlines()) == 1, 'no progress bar before the error'


@pytest.mark.timeout(240)
def test_calibration(random_weights, tmp_path, capsys):
    """Cut into parts it is the same; report and terminal say it; labels from files have no confidence."""
    common = ['synthetic', '--frames', '4', '--weights', str(random_weights), '--engine', 'torch',
              '--calibration', '--report', str(tmp_path / 'report.html')]
    results = []
    for jobs in ('1', '2'):
        assert main(common + ['--jobs', jobs, '--json', str(tmp_path / 'a.json')]) == 0
        results.append(json.loads((tmp_path / 'a.json').read_text()))
        assert 'expected calibration error: ' in capsys.readouterr().out
    assert results[0]['reliability'] == results[1]['reliability']
    bins, counts = results[0]['reliability'], np.array(results[0]['parts']['calibration'])
    assert sum(entry['share'] for entry in bins) == pytest.approx(1)
    right = np.trace(np.array(results[0]['confusion']['counts'])[:, :-1])
    assert counts.sum() == np.sum(results[0]['confusion']['counts']) and counts[:, 1].sum() == right
    page = (tmp_path / 'report.html').read_text()
    assert 'Expected calibration error' in page and page.count('<circle') >= len(bins)

    assert main(['synthetic', '--predictions', str(tmp_path), '--calibration']) == 2
    assert capsys.readouterr().err.count('\n') == 1
