"""How sure a score is: bootstrap confidence intervals over sequences or blocks of frames.

Neighbouring frames of a drive resemble each other, so that resampling single frames would promise far
too much. Whole sequences are drawn where there are enough of them, else blocks of consecutive frames
(Kuensch, The jackknife and the bootstrap for general stationary observations, 1989; blocks here do not
overlap).
"""

import base64
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple
import zlib

import numpy as np

from ..classes import MAX_CLASSES
from ..errors import InputError
from . import scores

SEQUENCES_NEEDED = 10       # below this, blocks within the sequences are drawn
_MAX_BYTES = 256 << 20      # of the blocks of a result that is read
TIMES_CORRELATION = 4       # blocks are so many times longer than frames resemble each other ...
MIN_BLOCKS = 8              # ... as long as that many are left
MAX_KEPT = 1024             # blocks; beyond it neighbours are joined, which bounds memory


class Block(NamedTuple):
    """Confusion counts of some consecutive frames of one sequence."""

    sequence: str
    name: str                   # of the first frame
    stamp: Optional[float]      # of the first frame, seconds, where it has one
    frames: int
    counts: np.ndarray          # (C, C + 1) int64


class BlockCounts:
    """Per-frame confusion counts in order, kept as blocks of consecutive frames in bounded memory."""

    def __init__(self) -> None:
        """Start without frames."""
        self.blocks: List[Block] = []
        self._length = 1
        self._sequences = 0

    def add(self, sequence: str, counts: np.ndarray, name: str = '', stamp: Optional[float] = None) -> None:
        """Add the (C, C + 1) counts of the next frame, as `ConfusionMatrix.update` returns them."""
        block = Block(sequence, name, stamp, 1, counts)
        last = self.blocks[-1] if self.blocks else None
        if last is not None and last.sequence == sequence and last.frames < self._length:
            self.blocks[-1] = _join(last, block)
        else:
            self.blocks.append(block)
            self._sequences += last is None or last.sequence != sequence
        # Sequences are never joined, so that their number must not count against the limit.
        if len(self.blocks) > MAX_KEPT + self._sequences:
            self._length *= 2
            self.blocks = _coarsen(self.blocks, self._length)

    def merge(self, other: 'BlockCounts') -> 'BlockCounts':
        """Take over another part's blocks; return self."""
        self.blocks += other.blocks
        self._length = max(self._length, other._length)
        return self

    def by_sequence(self) -> List[Tuple[str, int, np.ndarray]]:
        """Return each drive's name, frames and counts."""
        totals: Dict[str, Tuple[int, Any]] = {}
        for block in self.blocks:
            frames, counts = totals.get(block.sequence, (0, 0))
            totals[block.sequence] = (frames + block.frames, counts + block.counts)
        return [(name, frames, counts) for name, (frames, counts) in totals.items()]

    @property
    def sequences(self) -> int:
        """Drives among the blocks."""
        return len({block.sequence for block in self.blocks})

    def correlation(self) -> float:
        """Return over how many kept blocks neighbours resemble each other, 1 where they do not.

        It is 1 + 2 (sum of autocorrelations) of each block's influence on the mean IoU.
        """
        if len(self.blocks) < 2:
            return 1.0
        counts = np.stack([block.counts for block in self.blocks])
        found, union = scores.true_positives(counts), scores.unions(counts)
        whole = union.sum(0)
        influence = scores.average(scores.ratio(found - scores.ratio(found.sum(0), whole) * union, whole))
        names = np.array([block.sequence for block in self.blocks])
        power, time = np.dot(influence, influence), 1.0
        for lag in range(1, len(influence)):
            same = names[lag:] == names[:-lag]
            if not power or 2 * (lag - 1) >= 5 * time:      # Sokal's window
                break
            time += 2 * np.dot(influence[lag:] * same, influence[:-lag]) / power
        return max(1.0, float(time))

    def length(self) -> Tuple[int, bool]:
        """Return how many frames a drawn block should have, and whether as many were there."""
        frames = sum(block.frames for block in self.blocks)
        wanted = TIMES_CORRELATION * self.correlation() * frames / max(1, len(self.blocks))
        most = max(1, frames // MIN_BLOCKS)
        return min(int(np.ceil(wanted - 1e-9)), most), wanted <= most

    def units(self, length: Optional[int] = None) -> Tuple[str, np.ndarray]:
        """Return what is resampled, 'sequence' or 'block of N frames', and its counts (N, C, C + 1).

        `length` is how many frames a block has; None: as long as the data ask for.
        """
        if self.sequences >= SEQUENCES_NEEDED:
            return 'sequence', np.stack([counts for _, _, counts in self.by_sequence()])
        length = length or self.length()[0]
        blocks = _coarsen(self.blocks, length)
        name = f'block of {max([length] + [block.frames for block in blocks])} frames'
        return name, np.stack([block.counts for block in blocks]) if blocks else np.zeros((0, 1, 2), np.int64)

    def caution(self) -> Optional[str]:
        """Return what a reader of the intervals must know; None where many drives were drawn."""
        if self.sequences >= SEQUENCES_NEEDED:
            return None
        text = '{} drive{}: the intervals hold for these drives, not for others'.format(
            self.sequences, '' if self.sequences == 1 else 's')
        if self.blocks and not self.length()[1]:
            text += '; frames resemble their neighbours for so long that they may be too narrow'
        return text

    def to_list(self) -> List[Dict[str, Any]]:
        """Return what `restore` reads: plain types for JSON, the counts packed into text."""
        return [dict(block._asdict(), counts=_pack(block.counts)) for block in self.blocks]

    @classmethod
    def restore(cls, data: Sequence[Mapping[str, Any]]) -> 'BlockCounts':
        """Restore the blocks of `to_list`; InputError where they are not any."""
        made, size = cls(), 0
        try:
            for entry in data:
                stamp = entry['stamp']
                made.blocks.append(Block(
                    str(entry['sequence']), str(entry['name']), None if stamp is None else float(stamp),
                    int(entry['frames']), _unpack(entry['counts'])))
                size += made.blocks[-1].counts.nbytes
                if size > _MAX_BYTES:
                    raise ValueError(f'more than {_MAX_BYTES >> 20} MiB of counts')
        except (KeyError, TypeError, ValueError, OverflowError, zlib.error) as error:
            raise InputError(f'not blocks of confusion counts: {error!r}') from None
        if len({block.counts.shape for block in made.blocks}) > 1:
            raise InputError('blocks of confusion counts are of different numbers of classes')
        return made


def intervals(blocks: BlockCounts, names: Sequence[str], level: float = 0.95, resamples: int = 1000,
              seed: int = 0) -> Dict[str, Any]:
    """Return percentile intervals of the main scores, as JSON-ready types.

    Keys: `level`, `resamples`, `unit`, `units`, `caution` (see `BlockCounts.caution`), and [low, high] for
    `mean_iou`, `global_accuracy`, `class_average_accuracy` and, by name, each `class_iou`. With fewer than
    two units nothing can be resampled and the limits are NaN.
    """
    unit, counts = blocks.units()
    result: Dict[str, Any] = {'level': level, 'resamples': resamples, 'unit': unit, 'units': len(counts),
                              'caution': blocks.caution()}
    drawn = resample(counts, resamples, seed)
    whole: Dict[str, Callable[[np.ndarray], np.ndarray]] = {
        'mean_iou': scores.mean_iou,
        'global_accuracy': scores.global_accuracy,
        'class_average_accuracy': lambda counts: scores.average(scores.class_accuracy(counts)),
    }
    for name, score in whole.items():
        result[name] = limits(score(drawn), level) if len(counts) > 1 else [float('nan')] * 2
    per_class = scores.class_iou(drawn)
    result['class_iou'] = {
        name: limits(per_class[:, index], level) if len(counts) > 1 else [float('nan')] * 2
        for index, name in enumerate(names)}
    return result


def resample(counts: np.ndarray, resamples: int, seed: int = 0) -> np.ndarray:
    """Draw units with replacement, `resamples` times: (N, C, C + 1) -> (resamples, C, C + 1) sums.

    A little less than N are drawn, which widens a 95 % interval as Student's t with N - 1 degrees of freedom
    does: few units are a poor estimate of how much they vary.
    """
    units = len(counts)
    if not units:
        return np.zeros((resamples,) + counts.shape[1:], np.int64)
    freedom = max(1, units - 1)
    # t / z at 97.5 % (Abramowitz and Stegun, 26.7.5).
    wider = 1 + 4.8416 / (4 * freedom) + 138.24 / (96 * freedom ** 2)
    draws = max(1, int(round(freedom / wider ** 2)))
    weights = np.random.RandomState(seed).multinomial(draws, np.full(units, 1 / units), size=resamples)
    return np.einsum('ru,uij->rij', weights, counts)


def limits(values: np.ndarray, level: float = 0.95) -> List[float]:
    """Return [low, high] of a percentile interval, NaN where there are no values."""
    values = values[~np.isnan(values)]
    if not len(values):
        return [float('nan')] * 2
    tail = 50 * (1 - level)
    return [float(limit) for limit in np.percentile(values, [tail, 100 - tail])]


def _pack(counts: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(counts.astype('<i8').tobytes())).decode('ascii')


def _unpack(text: str) -> np.ndarray:
    """Return (C, C + 1) counts; the size is bounded before anything is unpacked."""
    limit = MAX_CLASSES * (MAX_CLASSES + 1) * 8
    counts = np.frombuffer(zlib.decompressobj().decompress(base64.b64decode(text), limit), '<i8')
    classes = int(np.sqrt(counts.size))
    if not classes or classes * (classes + 1) != counts.size:
        raise ValueError(f'{counts.size} counts are no (C, C + 1)')
    return counts.reshape(classes, classes + 1).astype(np.int64)


def _join(first: Block, second: Block) -> Block:
    return first._replace(frames=first.frames + second.frames, counts=first.counts + second.counts)


def _coarsen(blocks: Sequence[Block], length: int) -> List[Block]:
    """Join neighbours of one sequence into blocks of at least `length` frames; the last may be shorter."""
    joined: List[Block] = []
    for block in blocks:
        fits = joined and joined[-1].sequence == block.sequence and joined[-1].frames < length
        if fits:
            joined[-1] = _join(joined[-1], block)
        else:
            joined.append(block)
    return joined
