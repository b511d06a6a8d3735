"""evaluate_dataset: the whole tool, against the official evaluator and on bad input."""

import base64
import copy
import csv
import json
import os
from pathlib import Path
import re

import cv2
import numpy as np
import pytest

from enet_ros import weights
from enet_ros.classes import ClassTable
from enet_ros.datasets import open_dataset
from enet_ros.metrics.confusion import ConfusionMatrix
from enet_ros.overlay import colourise
from enet_ros.tools.evaluate_dataset import main

SHAPE = (64, 128)


@pytest.fixture(scope='module')
def cityscapes(tmp_path_factory):
    """Return a small Cityscapes tree of random annotations, and a folder of random predictions."""
    root = tmp_path_factory.mktemp('cityscapes')
    rng = np.random.default_rng(0)
    for index in range(5):
        city = ('ulm', 'bonn')[index % 2]
        stem = f'{city}_{index:06d}_000019'
        coarse = rng.integers(0, 34, (8, 16)).astype(np.uint8)
        truth = cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_NEAREST)
        number = cv2.resize(rng.integers(0, 3, (8, 16)).astype(np.uint8), SHAPE[::-1],
                            interpolation=cv2.INTER_NEAREST)
        instances = np.where((truth >= 24) & (number > 0), truth * np.uint16(1000) + number, truth)
        prediction = np.where(rng.random(SHAPE) < 0.3, rng.integers(0, 34, SHAPE), truth)
        picture = rng.integers(0, 256, SHAPE + (3,)).astype(np.uint8)
        for folder, name, image in (
                ('leftImg8bit/val/' + city, 'leftImg8bit', picture),
                ('gtFine/val/' + city, 'gtFine_labelIds', truth),
                ('gtFine/val/' + city, 'gtFine_instanceIds', instances.astype(np.uint16)),
                ('predictions/' + city, 'pred', prediction.astype(np.uint8))):
            (root / folder).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / folder / f'{stem}_{name}.png'), image)
    return root


def official(root, predictions, split='val'):
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluator
    truths = sorted(root.glob(f'gtFine/{split}/*/*_labelIds.png'))
    args = copy.copy(evaluator.args)
    args.JSONOutput, args.quiet = False, True
    found = [next(predictions.rglob(path.name.split('_gtFine')[0] + '*.png')) for path in truths]
    return evaluator.evaluateImgLists([str(path) for path in found], [str(path) for path in truths], args)


def same_as_official(result, expected):
    for mine, theirs in (('mean_iou', 'averageScoreClasses'), ('mean_class_iiou', 'averageScoreInstClasses'),
                         ('mean_category_iou', 'averageScoreCategories'),
                         ('mean_category_iiou', 'averageScoreInstCategories')):
        assert result[mine] == pytest.approx(expected[theirs], abs=1e-12), mine


@pytest.mark.filterwarnings('ignore:`in1d` is deprecated')
def test_label_ids_score_as_the_official_evaluator_does(cityscapes, tmp_path, capsys):
    files = [part for kind in ('json', 'csv', 'report')
             for part in ('--' + kind, str(tmp_path / f'r.{kind}'))]
    assert main([str(cityscapes), '--split', 'val', '--predictions', str(cityscapes / 'predictions'),
                 '--coding', 'labelIds'] + files) == 0
    result = json.loads((tmp_path / 'r.json').read_text())
    same_as_official(result, official(cityscapes, cityscapes / 'predictions'))
    said = capsys.readouterr().out
    assert 'Table 4' not in said    # which is of the test set
    assert '{:.1f}'.format(100 * result['mean_category_iiou']) in said
    rows = list(csv.DictReader((tmp_path / 'r.csv').open()))
    assert [row['name'] for row in rows] == open_dataset(cityscapes, 'val').names()
    assert 'mean category iIoU' in (tmp_path / 'r.report').read_text()


@pytest.mark.filterwarnings('ignore:`in1d` is deprecated')
def test_submission_of_a_network_scores_the_same_at_the_official_evaluator(cityscapes, tmp_path):
    torch = pytest.importorskip('torch')
    from enet_ros import networks
    table = ClassTable.load('cityscapes')
    torch.manual_seed(3)
    checkpoint = networks.to_checkpoint(networks.ENet(len(table)), {
        'format': weights.FORMAT, 'network': 'enet', 'variant': 'authors', 'input_size': [32, 64],
        'classes': table.to_dict(), 'normalisation': weights.NORMALISATION, 'training': {}, 'scores': {}})
    weights.save(tmp_path / 'w.npz', checkpoint, np.float32)
    common = [str(cityscapes), '--weights', str(tmp_path / 'w.npz'), '--engine', 'torch']
    assert main(common + ['--submission', str(tmp_path / 'out'), '--json', str(tmp_path / 'r.json')]) == 0
    result = json.loads((tmp_path / 'r.json').read_text())
    same_as_official(result, official(cityscapes, tmp_path / 'out'))
    assert cv2.imread(str(next((tmp_path / 'out').glob('*.png'))), cv2.IMREAD_UNCHANGED).shape == SHAPE
    assert result['frames_segmented'] == result['latency_ms']['count'] == 5
    assert result['provenance']['upsample'] == 'labels' and checkpoint.sha256[:8] in result['weights']
    assert main(common + ['--upsample', 'logits', '--json', str(tmp_path / 'l.json'),
                          '--compare', str(tmp_path / 'r.json')]) == 0
    other = json.loads((tmp_path / 'l.json').read_text())
    assert other['provenance']['upsample'] == 'logits' and other['confusion'] != result['confusion']


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
            wrong = np.where(rng.random(SHAPE) < noise, rng.integers(0, 19, SHAPE), sample.label)
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


@pytest.mark.filterwarnings('ignore:`in1d` is deprecated')
def test_a_real_cityscapes_tree_scores_as_officially(tmp_path):
    root = Path(os.environ.get('ENET_CITYSCAPES', ''))
    truths = sorted(root.glob('gtFine/*/*/*_gtFine_labelIds.png')) if root.name else []
    if not truths:
        pytest.skip('ENET_CITYSCAPES names no tree with gtFine labelIds')
    split = truths[0].parent.parent.name
    for path in root.glob(f'gtFine/{split}/*/*_labelIds.png'):
        truth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        prediction = np.where(truth > 33, 0, np.roll(truth, 9, 1)).clip(0, 33).astype(np.uint8)
        name = path.name.replace('_gtFine_labelIds', '_pred')
        assert cv2.imwrite(str(tmp_path / name), prediction)
    assert main([str(root), '--split', split, '--predictions', str(tmp_path), '--coding', 'labelIds',
                 '--json', str(tmp_path / 'r.json')]) == 0
    same_as_official(json.loads((tmp_path / 'r.json').read_text()), official(root, tmp_path, split))


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
