"""Scores equal those of Cityscapes' own evaluator, cityscapesscripts."""

import copy
import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from enet_ros import weights
from enet_ros.classes import ClassTable
from enet_ros.datasets import open_dataset
from enet_ros.tools.evaluate_dataset import main


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
    assert cv2.imread(str(next((tmp_path / 'out').glob('*.png'))), cv2.IMREAD_UNCHANGED).shape == (64, 128)
    assert result['frames_segmented'] == result['latency_ms']['count'] == 5
    assert result['provenance']['upsample'] == 'labels' and checkpoint.sha256[:8] in result['weights']
    assert main(common + ['--upsample', 'logits', '--json', str(tmp_path / 'l.json'),
                          '--compare', str(tmp_path / 'r.json')]) == 0
    other = json.loads((tmp_path / 'l.json').read_text())
    assert other['provenance']['upsample'] == 'logits' and other['confusion'] != result['confusion']


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
