"""What a bad camera does: a seeded sequence of frames, most of them good."""

import random
from typing import Iterator, NamedTuple, Tuple

SIZES = ((96, 128), (120, 160), (97, 131), (180, 320), (64, 64))     # (height, width)
ENCODINGS = (('rgb8', 3), ('bgr8', 3), ('bgra8', 4), ('mono8', 1), ('bayer_rggb8', 1))   # and bytes a pixel

# What is wrong with the message itself: the node must refuse it.
REFUSED = ('short_data', 'no_data', 'zero_size', 'unknown_encoding', 'short_step', 'huge_size')
# Odd but valid: the node must segment the frame as any other.
BORNE = ('new_size', 'new_encoding', 'padded_rows', 'stamp_repeated', 'stamp_back', 'stamp_zero',
         'stamp_ahead', 'long_frame_id', 'pause', 'publisher_restart',
         'new_reliability', 'burst')
KINDS = REFUSED + BORNE

_SECOND = 10**9
_STAMP_SHIFTS = {'stamp_back': -10 * _SECOND, 'stamp_ahead': 5 * _SECOND}


class PlannedFrame(NamedTuple):
    """One message of the plan; `fault` is '' or one of KINDS.

    `size` is the data's length in bytes. `stamp` is 'now', 'zero' or 'previous', moved by
    `stamp_shift_ns`. The camera waits `pause_s` before it, and sends it at once if `burst`.
    """

    number: int
    fault: str
    height: int
    width: int
    encoding: str
    step: int
    size: int
    stamp: str = 'now'
    stamp_shift_ns: int = 0
    padding_id: int = 0
    pause_s: float = 0.0
    restart: bool = False
    burst: bool = False

    @property
    def decodable(self) -> bool:
        """Whether labels can come of it."""
        return self.fault not in REFUSED


def plan(seed: int, share: float = 0.05, first: int = 0) -> Iterator[PlannedFrame]:
    """Yield frames without end, numbered from `first`; a `share` (0..1) of them carries a fault."""
    chance = random.Random(seed)
    (height, width), (encoding, depth) = SIZES[0], ENCODINGS[0]
    number = first
    while True:
        fault = chance.choice(KINDS) if chance.random() < share else ''
        if fault == 'new_size':
            height, width = chance.choice(SIZES)
        elif fault == 'new_encoding':
            encoding, depth = chance.choice(ENCODINGS)
        row = width * depth
        good = PlannedFrame(number, fault, height, width, encoding, row, row * height)
        yield _spoil(good, row, chance)
        number += 1


def _spoil(frame: PlannedFrame, row: int, chance: random.Random) -> PlannedFrame:
    """Return the frame with its fault applied."""
    fault = frame.fault
    if fault == 'short_data':
        return frame._replace(size=chance.randrange(1, frame.size))
    if fault == 'no_data':
        return frame._replace(size=0)
    if fault == 'zero_size':
        return frame._replace(height=0, size=0)
    if fault == 'unknown_encoding':
        return frame._replace(encoding=chance.choice(['', 'nv24', 'RGB8', '32FC1', 'x' * 300]))
    if fault == 'short_step':
        return frame._replace(step=chance.randrange(0, row))
    if fault == 'huge_size':
        return frame._replace(height=2**31, width=2**31)
    if fault == 'padded_rows':
        step = row + chance.randrange(1, 33)
        return frame._replace(step=step, size=step * frame.height)
    if fault in ('stamp_zero', 'stamp_repeated'):
        return frame._replace(stamp='zero' if fault == 'stamp_zero' else 'previous')
    if fault in _STAMP_SHIFTS:
        return frame._replace(stamp_shift_ns=_STAMP_SHIFTS[fault])
    return frame._replace(
        padding_id=2000 if fault == 'long_frame_id' else 0,
        restart=fault in ('publisher_restart', 'new_reliability'),
        pause_s=chance.uniform(0.2, 1.5) if fault == 'pause' else 0.0, burst=fault == 'burst')


def frame_id(camera: str, number: int, padding: int = 0) -> str:
    """Return the id under which a frame travels, unique whatever its stamp says."""
    return '{}/{}/{}'.format(camera, number, 'x' * padding)


def parse_frame_id(text: str) -> Tuple[str, int]:
    """Return (camera, number); ValueError for any other text."""
    camera, number, _ = text.split('/')
    return camera, int(number)
