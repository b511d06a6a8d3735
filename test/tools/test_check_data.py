"""check_data as a user calls it, on a folder with everything wrong that masks can have."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from enet_ros.tools import check_data, train

CLASSES = """name: yard
classes:
  - {name: Road, colour: [90, 90, 90]}
  - {name: Robot, colour: [220, 40, 30]}
  - {name: Other, colour: [0, 0, 200]}
"""


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    """Return a folder of four good frames: a quarter without a class, the rest road, no Other anywhere."""
    (tmp_path / 'images').mkdir()
    (tmp_path / 'masks').mkdir()
    (tmp_path / 'classes.yaml').write_text(CLASSES)
    mask = np.zeros((32, 48), np.uint8)
    mask[:8], mask[20:24, 6:18] = 255, 1
    for number in range(4):
        cv2.imwrite(str(tmp_path / 'images' / f'{number}.png'), np.full((32, 48, 3), 120, np.uint8))
        cv2.imwrite(str(tmp_path / 'masks' / f'{number}.png'), mask)
    return tmp_path


def _call(yard: Path) -> int:
    return check_data.main([str(yard), '--output', str(yard / 'out' / 'page.png'), '--json',
                            str(yard / 'result.json')])


def test_counts_and_warnings(yard: Path, capsys: pytest.CaptureFixture) -> None:
    """Shares to the pixel; a class never seen and what has no class are named; the page shows labels."""
    assert _call(yard) == 0
    result = json.loads((yard / 'result.json').read_text())
    assert result['frames'] == 4 and result['sizes'] == {'32x48': 4} and result['unannotated'] == 0.25
    assert result['class_share']['Robot'] == pytest.approx(48 / (24 * 48))
    assert result['frames_with_class'] == {'Road': 4, 'Robot': 4, 'Other': 0} and not result['faults']
    told = capsys.readouterr().out
    assert "class 'Other' is never seen" in told and '25% of the pixels have no class' in told
    page = cv2.imread(str(yard / 'out' / 'page.png'))[..., ::-1]
    # Four tiles in two rows of three, the legend below; the robot's colour is half of its place.
    height = 320 * 32 // 48
    assert page.shape[1] == 960 and page.shape[0] > 2 * height
    robot = page[int(height * 22 / 32), int(320 * 12 / 48)].astype(int)
    assert np.abs(robot - [170, 80, 75]).max() < 4


def test_every_fault_is_listed(yard: Path, capsys: pytest.CaptureFixture) -> None:
    """A wrong value, another size, a missing and a damaged mask: each a line, and exit code 2."""
    cv2.imwrite(str(yard / 'masks' / '0.png'), np.full((32, 48), 7, np.uint8))
    cv2.imwrite(str(yard / 'masks' / '1.png'), np.zeros((16, 48), np.uint8))
    (yard / 'masks' / '2.png').unlink()
    (yard / 'masks' / '3.png').write_bytes(b'\x89PNG')
    assert _call(yard) == 2
    faults = json.loads((yard / 'result.json').read_text())['faults']
    assert len(faults) == 4 and all(f'{number}.png' in line for number, line in enumerate(faults))
    assert 'fault: ' in capsys.readouterr().out


def test_train_warns(yard: Path, capsys: pytest.CaptureFixture) -> None:
    """Before the first step, in the same words."""
    (yard / 'recipe.yaml').write_text('input_size: [32, 48]\ncrop: [32, 48]\nbatch: 2\nepochs: 1\n')
    assert train.main(['--data', str(yard), '--split', 'all', '--recipe', str(yard / 'recipe.yaml'),
                       '--output', str(yard / 'out'), '--device', 'cpu']) == 0
    told = capsys.readouterr().err
    assert "warning: class 'Other' is never seen" in told and 'warning: 25% of the pixels' in told
