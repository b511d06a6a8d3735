"""Confidence intervals: their units, their coverage, their bounded memory."""

import json

import numpy as np
import pytest

from enet_ros.errors import InputError
from enet_ros.metrics import bootstrap, scores
from enet_ros.metrics.bootstrap import BlockCounts, intervals


def frame(right: int, wrong: int) -> np.ndarray:
    return np.array([[right, wrong, 0], [0, 10, 0]])


def filled(frames, sequences=1):
    blocks = BlockCounts()
    for index, counts in enumerate(frames):
        blocks.add(f'drive {index * sequences // len(frames)}', counts)
    return blocks


def test_equal_frames_leave_no_doubt():
    result = intervals(filled([frame(8, 2)] * 60), ['a', 'b'])
    assert result['mean_iou'] == pytest.approx([0.5 * (0.8 + 10 / 12)] * 2)
    assert result['class_iou']['a'] == pytest.approx([0.8, 0.8])
    assert result['unit'] == 'block of 4 frames' and result['units'] == 15


def test_sequences_are_drawn_where_there_are_enough():
    unit, counts = filled([frame(index, 0) for index in range(40)], sequences=10).units()
    assert unit == 'sequence' and counts.shape == (10, 2, 3)
    assert counts[0, 0, 0] == 0 + 1 + 2 + 3
    assert filled([frame(1, 1)] * 40, sequences=9).units()[0] == 'block of 4 frames'


@pytest.mark.parametrize('frames', [40, 1101])     # 1101: more than are kept one by one
def test_blocks_never_span_sequences(frames):
    blocks = BlockCounts()
    for drive, right in enumerate((1, 10 ** 6)):
        for _ in range(frames + drive):
            blocks.add(f'drive {drive}', frame(right, 0))
    _, counts = blocks.units()
    found = counts[:, 0, 0]
    assert all(count < 10 ** 6 or count % 10 ** 6 == 0 for count in found)
    assert found.sum() == frames + (frames + 1) * 10 ** 6


def test_limits_are_the_percentiles_of_the_resamples():
    blocks = filled([frame(index, 50 - index) for index in range(40)])
    drawn = scores.mean_iou(bootstrap.resample(blocks.units()[1], 300, seed=4))
    low, high = intervals(blocks, ['a', 'b'], level=0.5, resamples=300, seed=4)['mean_iou']
    assert [low, high] == pytest.approx(np.percentile(drawn, [25, 75]).tolist())


def test_slow_changes_widen_the_interval():
    # The same hundred frames: shuffled, neighbours say something new; sorted, they repeat each other.
    frames = [frame(index, 100 - index) for index in range(100)]
    shuffled = [frames[index] for index in np.random.default_rng(0).permutation(100)]
    widths = [np.diff(intervals(filled(order), ['a', 'b'])['global_accuracy'])
              for order in (frames, shuffled)]
    assert widths[0] > 1.5 * widths[1]


def test_interval_covers_the_truth_as_often_as_it_says():
    rng, hits = np.random.default_rng(1), 0
    for trial in range(200):
        right = rng.binomial(100, 0.7, 200)
        low, high = intervals(filled([frame(count, 100 - count) for count in right]), ['a', 'b'],
                              resamples=200, seed=trial)['class_iou']['a']
        hits += low <= 0.7 <= high
    assert 0.86 <= hits / 200 <= 0.99      # 95 % nominal; 20 units make it slightly narrow


@pytest.mark.parametrize('frames, drives', [(600, 1), (600, 3), (1200, 1)])
def test_interval_covers_the_truth_where_frames_resemble_each_other(frames, drives):
    """As in video: autocorrelation 0.24 at lag 19. Blocks of five frames held the truth half of the time."""
    rng, hits, memory = np.random.default_rng(5), 0, 0.24 ** (1 / 19)
    share = 1 / (1 + np.exp(-0.85 - 0.6 * rng.normal(size=100000)))
    for trial in range(60):
        noise = rng.normal(size=(frames // drives, drives))
        for row in range(1, len(noise)):
            noise[row] = memory * noise[row - 1] + np.sqrt(1 - memory ** 2) * noise[row]
        right = np.round(1000 / (1 + np.exp(-0.85 - 0.6 * noise.T.ravel()))).astype(int)
        low, high = intervals(filled([frame(count, 1000 - count) for count in right], drives), ['a', 'b'],
                              resamples=100, seed=trial)['class_iou']['a']
        hits += low <= share.mean() <= high
    assert 0.82 <= hits / 60


def test_few_drives_and_long_resemblance_are_told():
    """One drive says nothing of others; ten are drawn as wholes and need no caution."""
    slow = filled([frame(50 + index // 4, 100 - index // 4) for index in range(100)])
    assert 'may be too narrow' in intervals(slow, ['a', 'b'])['caution']
    several = intervals(filled([frame(index % 7, 5) for index in range(100)], 2), ['a', 'b'])['caution']
    assert several.startswith('2 drives') and 'narrow' not in several
    assert intervals(filled([frame(1, 1)] * 40, 10), ['a', 'b'])['caution'] is None


def test_memory_is_bounded_and_nothing_is_lost():
    blocks = filled([frame(1, 2)] * 5000)
    assert len(blocks.blocks) <= bootstrap.MAX_KEPT + 1
    assert sum(block.counts for block in blocks.blocks)[0].tolist() == [5000, 10000, 0]


def test_merge_and_json():
    first, second = filled([frame(1, 2)] * 30), filled([frame(3, 4)] * 30)
    merged = BlockCounts.restore(json.loads(json.dumps(first.merge(second).to_list())))
    assert merged.units()[1].sum(0).tolist() == [[120, 180, 0], [0, 600, 0]]
    with pytest.raises(InputError, match='not blocks'):
        BlockCounts.restore([{'frames': 1}])
    with pytest.raises(InputError, match='not blocks'):
        BlockCounts.restore([dict(first.to_list()[0], counts='eJwDAAAAAAE=')])
    with pytest.raises(InputError, match='not blocks'):
        BlockCounts.restore([dict(first.to_list()[0], counts='a')])
    other = filled([np.ones((3, 4), int)]).to_list()
    with pytest.raises(InputError, match='different numbers of classes'):
        BlockCounts.restore(first.to_list() + other)


@pytest.mark.parametrize('frames', [0, 1])
def test_too_few_units_give_no_interval(frames):
    result = intervals(filled([frame(1, 1)] * frames), ['a', 'b'])
    assert np.isnan(result['mean_iou']).all() and result['units'] == frames


def test_resampling_is_reproducible():
    counts = np.random.default_rng(0).integers(0, 9, (12, 2, 3))
    first, again, other = [bootstrap.resample(counts, 50, seed) for seed in (3, 3, 4)]
    assert (first == again).all() and (first != other).any()
    assert first.shape == (50, 2, 3)
