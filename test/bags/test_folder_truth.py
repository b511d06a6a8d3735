"""Annotations in a folder for the frames of a bag: by sidecar, by name, by the nearest stamp."""

from pathlib import Path

import bag_samples as bags
import cv2
import numpy as np
import pytest

from enet_ros.bags import sidecar
from enet_ros.bags.writing import BagWriter
from enet_ros.errors import InputError
from enet_ros.evaluation.offline import Choice, evaluate_bag

pytest.importorskip('rosbags')
NUMBERS = range(300, 324, 2)        # frame numbers of a drive at 15 Hz
SAMPLES = bags.pictures(len(NUMBERS))


def name(number: int) -> str:
    return f'0016E5_{number:05d}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a small CamVid in SegNet's layout."""
    root = tmp_path / 'camvid'
    for kind in ('val', 'valannot'):
        (root / kind).mkdir(parents=True)
    for number, sample in zip(NUMBERS, SAMPLES):
        cv2.imwrite(str(root / 'val' / (name(number) + '.png')), sample.image)
        void = np.where(sample.label == 255, 11, sample.label)
        cv2.imwrite(str(root / 'valannot' / (name(number) + '.png')), void)
    return root


def record(path: Path, stamp_of, frame_id_of=lambda number: 'camera', rows=None) -> Path:
    """Write a bag of predictions, without truth in it."""
    with BagWriter(path) as bag:
        for number, sample in zip(NUMBERS, SAMPLES):
            bag.labels(bags.LABELS, stamp_of(number), frame_id_of(number), bags.predict(sample))
    if rows is not None:
        sidecar.write(path / sidecar.NAME, rows)
    return path


def score(path: Path, folder: Path, **choice):
    return evaluate_bag(Choice(str(path), predictions=bags.LABELS, truth_folder=str(folder), split='val',
                               **choice))


def counts(samples) -> int:
    """Return how many pixels these samples have right; each sample is different noise."""
    return sum(int(((bags.predict(s) == s.label) & (s.label != 255)).sum()) for s in samples)


def test_sidecar_beside_the_bag_or_given(folder: Path, tmp_path: Path) -> None:
    """Stamps that have nothing to do with the names, and a sidecar that tells; suffix and folder are free."""
    rows = [(10**9 + number ** 2, 'val/' + name(number) + '.png', 'drive') for number in NUMBERS]
    beside = record(tmp_path / 'beside', lambda number: 10**9 + number ** 2, rows=rows)
    given = record(tmp_path / 'given', lambda number: 10**9 + number ** 2)
    sidecar.write(tmp_path / 'rows.csv', rows)
    for outcome in (score(beside, folder), score(given, folder, sidecar=str(tmp_path / 'rows.csv'))):
        assert outcome.coverage.matching == {'by': 'sidecar'}
        assert outcome.coverage.frames_evaluated == outcome.coverage.truth_frames == len(NUMBERS)
        assert outcome.evaluator.confusion.counts.trace() == counts(SAMPLES)
        assert outcome.to_json()['timeline'][0]['sequence'] == 'drive'


def test_frame_name_in_frame_id(folder: Path, tmp_path: Path) -> None:
    """Converters that put the file's name into frame_id."""
    outcome = score(record(tmp_path / 'b', lambda number: 10**9 + number ** 2, name), folder)
    assert outcome.coverage.matching == {'by': 'name'}
    assert outcome.evaluator.confusion.counts.trace() == counts(SAMPLES)


def test_nearest_stamp_within_half_a_period(folder: Path, tmp_path: Path) -> None:
    """Frame numbers are times at 30 Hz; the bag's clock began elsewhere and trembles."""
    def stamp(number: int) -> int:
        late = 40 * 10**6 if number == 310 else 0      # over half of 66.7 ms, from its own
        return int(number / 30 * 1e9) + 100 * 10**9 + (number % 5 - 2) * 10**6 + late
    outcome = score(record(tmp_path / 'b', stamp), folder, offset_s=100.0)
    coverage = outcome.coverage
    assert coverage.matching['by'] == 'nearest' and coverage.matching['residual_ms_max'] <= 2.1
    assert coverage.frames_evaluated == len(NUMBERS) - 1
    assert coverage.truth_without_prediction == coverage.prediction_without_truth == 1
    others = [sample for number, sample in zip(NUMBERS, SAMPLES) if number != 310]
    assert outcome.evaluator.confusion.counts.trace() == counts(others)


def test_names_without_time_are_one_line(tmp_path: Path) -> None:
    """A user's own masks whose names tell nothing need a sidecar, and the error says so."""
    from enet_ros.classes import ClassTable
    root = tmp_path / 'own'
    for kind in ('images', 'masks'):
        (root / kind).mkdir(parents=True)
        cv2.imwrite(str(root / kind / 'street.png'), np.zeros((24, 32), np.uint8))
    import yaml
    (root / 'classes.yaml').write_text(yaml.safe_dump(ClassTable.load('camvid').to_dict()))
    with pytest.raises(InputError, match='--sidecar'):
        evaluate_bag(Choice(str(record(tmp_path / 'b', lambda number: 10**9 + number)),
                            predictions=bags.LABELS, truth_folder=str(root)))


def test_damaged_annotation_is_told(folder: Path, tmp_path: Path) -> None:
    """It costs its own frame; the rest is scored."""
    (folder / 'valannot' / (name(304) + '.png')).write_bytes(b'nothing')
    outcome = score(record(tmp_path / 'b', lambda number: number * 10**7, name), folder)
    assert outcome.coverage.frames_evaluated == len(NUMBERS) - 1
    assert any(name(304) in problem for problem in outcome.coverage.problems)
