"""train, import_weights and plot_prelu as a user calls them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from enet_ros import weights
from enet_ros.tools import plot_prelu, train

CLASSES = """name: yard
classes:
  - {name: Road, colour: [90, 90, 90]}
  - {name: Robot, colour: [220, 40, 30]}
"""
RECIPE = """input_size: [32, 48]
crop: [32, 32]
batch: 2
epochs: 2
precision: float32
validate_every: 1
"""


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    """Return a user's own folder of images and masks, and a recipe."""
    rng = np.random.RandomState(1)
    for split in ('train', 'val'):
        for number in range(3):
            mask = np.kron(rng.randint(0, 2, (4, 6)), np.ones((8, 8), int)).astype(np.uint8)
            for folder, pixels in (('images', mask[..., None] * 200 + np.zeros(3)), ('masks', mask)):
                path = tmp_path / 'yard' / folder / split / f'{number}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), pixels.astype(np.uint8))
    (tmp_path / 'classes.yaml').write_text(CLASSES)
    (tmp_path / 'recipe.yaml').write_text(RECIPE)
    return tmp_path


def _call(yard: Path, *more: str) -> int:
    return train.main(['--data', str(yard / 'yard'), '--classes', str(yard / 'classes.yaml'), '--recipe',
                       str(yard / 'recipe.yaml'), '--output', str(yard / 'out'), '--device', 'cpu', *more])


def test_fine_tuning_on_one_s_own_classes(yard: Path, random_weights: Path,
                                          capsys: pytest.CaptureFixture) -> None:
    """From shipped weights to two own classes: weights, log and JSON, scored on the folder's val."""
    assert _call(yard, '--init', str(random_weights), '--json', str(yard / 'result.json')) == 0
    checkpoint = weights.load(yard / 'out' / 'weights.npz')
    assert checkpoint.classes.names == ('Road', 'Robot')
    assert checkpoint.metadata['training']['init'] == weights.load(random_weights).sha256
    result = json.loads((yard / 'result.json').read_text())
    assert 0 <= result['mean_iou'] <= 1 and result['epochs'] == 2 and result['split'] == 'val'
    assert 'mean IoU' in capsys.readouterr().out
    assert result['finished'] and result['share'] == 1 and result['schema'] == 'enet_ros/training 1'
    # Called again, the finished run is not trained further.
    before = (yard / 'out' / 'log.csv').read_text()
    assert _call(yard, '--init', str(random_weights)) == 2
    assert 'training is finished' in capsys.readouterr().err
    assert (yard / 'out' / 'log.csv').read_text() == before
    # Weights that came from others carry their licence on.
    assert _call(yard, '--init', 'camvid', '--epochs', '1', '--output', str(yard / 'second')) == 0
    assert weights.load(yard / 'second' / 'weights.npz').licence == weights.load('camvid').licence


@pytest.mark.parametrize('more, told', [
    (['--recipe', 'finest'], 'does not exist; there is'),
    (['--split', 'exam'], "split 'exam' does not exist"),
    (['--init', 'nowhere.npz'], 'nowhere.npz'), (['--hold-out', 'x'], "sequence 'x'"),
    (['--layout', 'tar'], "no layout 'tar'"), (['--recipe', 'finetune'], 'needs --init'),
    (['--split', 'train+test'], 'for the final score'), (['--split', 'train+val', '--validation', 'val'],
                                                         'trained and scored on')])
def test_wrong_arguments_are_one_line(more, told: str, yard: Path, capsys: pytest.CaptureFixture) -> None:
    """Exit code 2 and one line that says what is wrong."""
    assert _call(yard, *more) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(error) == 1 and told in error[0]


def test_test_frames_are_not_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The official tree holds CamVid's test frames: `all` is refused, train+val takes exactly the rest."""
    names = ['0006R0_f00930', '0001TP_006690', '0016E5_07959', '0016E5_08159', '0001TP_008550',
             'Seq05VD_f00000']
    for name in names:
        label = np.full((24, 32, 3), 128, np.uint8)
        label[:, :16] = (128, 64, 128)
        for place, pixels in (('701_StillsRaw_full/{}.png', label // 2),
                              ('LabeledApproved_full/{}_L.png', label)):
            path = tmp_path / 'camvid' / place.format(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)
    sizes = RECIPE.replace('[32, 48]', '[24, 32]').replace('[32, 32]', '[24, 32]')
    (tmp_path / 'recipe.yaml').write_text(sizes)

    def call(split: str, output: str) -> int:
        return train.main(['--data', str(tmp_path / 'camvid'), '--split', split, '--recipe',
                           str(tmp_path / 'recipe.yaml'), '--output', str(tmp_path / output),
                           '--epochs', '1', '--device', 'cpu'])

    for split in ('all', 'test', 'train+test'):
        assert call(split, 'no') == 2 and 'train or train+val' in capsys.readouterr().err
    for split, frames, scored in (('train', 2, 'val'), ('train+val', 4, None)):
        assert call(split, split) == 0
        record = weights.load(tmp_path / split / 'weights.npz').metadata
        assert record['training']['frames'] == frames and record['training']['validation'] == scored
        assert 'CamVid' in record['licence'] and ('mean_iou' in record['scores']) == (scored is not None)


def test_plot_prelu(random_weights: Path, tmp_path: Path) -> None:
    """One entry per PReLU layer in depth order, as its weights have them, and a picture."""
    assert plot_prelu.main(['--weights', str(random_weights), '--output', str(tmp_path / 'p.png'),
                            '--json', str(tmp_path / 'p.json')]) == 0
    layers = json.loads((tmp_path / 'p.json').read_text())['layers']
    checkpoint = weights.load(random_weights)
    assert [layer['depth'] for layer in layers] == list(range(67))
    assert layers[0]['layer'] == 'encoder.initial.activation'
    for layer in layers:
        slopes = checkpoint.arrays[layer['layer'] + '.weight']
        assert layer['mean'] == pytest.approx(float(slopes.mean()))
        assert (layer['smallest'], layer['largest']) == pytest.approx((slopes.min(), slopes.max()))
    picture = cv2.imread(str(tmp_path / 'p.png'))
    assert picture is not None and picture.std() > 5


@pytest.mark.parametrize('text, told', [('30x32', 'multiples of 8'), ('32', 'height first'), ('0x8', 'of 8'),
                                        ('32x-8', 'height first')])
def test_wrong_sizes_are_told(text: str, told: str, yard: Path, capsys: pytest.CaptureFixture) -> None:
    """A line that names the option, and exit code 2."""
    assert _call(yard, '--crop', text) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and '--crop' in error and told in error
