"""Gates: what is asked of a result, and the JUnit file that says whether it is met."""

from xml.etree import ElementTree

import numpy as np
import pytest

from enet_ros.classes import ClassTable
from enet_ros.errors import InputError
from enet_ros.evaluation.offline import Frame, evaluate
from enet_ros.reports import gates

CAMVID = ClassTable.load('camvid')


def result(noise: float, frames: int = 40, drive: str = 'drive') -> dict:
    """Return a result over noise of which a share is predicted wrong; the same frames for each share."""
    def made():
        for index in range(frames):
            rng = np.random.default_rng(index)
            truth = rng.integers(0, 11, (24, 32)).astype(np.uint8)
            wrong = rng.random(truth.shape) < noise
            yield Frame(f'f{index}', drive, index / 30, truth=truth,
                        prediction=np.where(wrong, (truth + 1) % 11, truth).astype(np.uint8))
    return evaluate(made(), CAMVID, CAMVID, boundary=False).to_json()


def failed(found) -> list:
    return [gate.name for gate in found if not gate.passed]


def test_thresholds() -> None:
    """A score, one class, and a score that is not there; what cannot be a gate is one line."""
    scores = result(0.2)
    asked = [gates.threshold(text) for text in (
        'mean_iou=0.5', 'mean_iou=0.9', 'class_iou.Car=0.5', 'class_iou.Car=0.95', 'class_iou.Ship=0',
        'mean_dice=0')]
    assert failed(gates.judge(scores, asked)) == [
        'mean_iou >= 0.9', 'class_iou.Car >= 0.95', 'class_iou.Ship >= 0', 'mean_dice >= 0']
    for text in ('mean_iou', 'mean_iou=', '=0.5', 'mean_iou=70', 'mean_iou=nan'):
        with pytest.raises(InputError, match='not a gate'):
            gates.threshold(text)


@pytest.mark.parametrize('account, share', (
    (dict(frames_evaluated=99, truth_without_prediction=1, frames_dropped=1), 0.99),
    (dict(frames_evaluated=90, truth_without_prediction=0, frames_dropped=10), 0.9),
    (dict(frames_evaluated=0, truth_without_prediction=0, frames_dropped=0), 0.0)))
def test_coverage(account: dict, share: float) -> None:
    """Frames that were lost lower it, whichever account names them; nothing evaluated is nothing covered."""
    assert gates.coverage(account) == pytest.approx(share)
    assert failed(gates.judge(account, min_coverage=0.95)) == ([] if share > 0.95 else ['coverage >= 0.95'])


def test_baseline() -> None:
    """A real drop fails beyond the tolerance; the same and better ones pass; one class of eleven is found."""
    before = result(0.2)
    assert not failed(gates.judge(before, baseline=before))
    assert not failed(gates.judge(result(0.1), baseline=before))
    worse = gates.judge(result(0.25), baseline=before)
    assert 'mean_iou as in baseline' in failed(worse) and len(worse) == 12
    assert not failed(gates.judge(result(0.25), baseline=before, tolerance=0.2))
    other = gates.judge(result(0.25, drive='another'), baseline=before)
    assert 'mean_iou as in baseline' in failed(other) and 'other frames' in other[0].text


def test_a_drop_that_chance_explains_is_none() -> None:
    """One bad frame of forty lowers the score; the interval over the same frames includes no difference."""
    before, after = result(0.2), result(0.2)
    before['class_iou'] = dict(before['class_iou'], Car=before['class_iou']['Car'] + 1e-4)
    assert not failed(gates.judge(after, baseline=before))


def test_junit() -> None:
    """Test runners read it: counts, names, and the figures of what failed, whatever is in a name."""
    found = [gates.Gate('a <b>', True, 'fine'), gates.Gate('c', False, 'c is 0.1 & less')]
    suite = ElementTree.fromstring(gates.junit(found))
    assert (suite.get('tests'), suite.get('failures')) == ('2', '1')
    assert [case.get('name') for case in suite] == ['a <b>', 'c']
    assert suite[1][0].get('message') == 'c is 0.1 & less' and not len(suite[0])
