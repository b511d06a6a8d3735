"""No order of late, missing, void and doubtful messages says that anything is free.

The machine sends what a bad day sends, labels, depth and confidence with stamps of its choosing, through
`Joiner` and `Placer` as points_node does, to a consumer that is as credulous as one may be: it frees every
cell in which it is told of ground, and marks every cell in which it is told of anything else.
"""

from collections import Counter
from types import SimpleNamespace
from typing import Any, Dict, Optional, Set, Tuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
import numpy as np

from enet_ros.classes import IGNORE, ClassTable
from enet_ros.points.camera import CameraModel, Ground
from enet_ros.points.joining import KEPT_BYTES, Joiner, Match
from enet_ros.points.placing import Placed, Placer, Rules

CAMVID = ClassTable.load('camvid')
ROAD, CAR = CAMVID.index('Road'), CAMVID.index('Car')
SIZE = (6, 8)
MS = 10 ** 6
MAX_AGE = 500 * MS
TOLERANCE = 20 * MS
LEAST = 0.5
Cell = Tuple[int, int]


def cell(x: float, z: float) -> Cell:
    return int(np.floor(x * 2)), int(np.floor(z * 2))


class BadDay(RuleBasedStateMachine):
    """Sends messages; knows independently which cell some believable frame has shown to be ground."""

    @initialize(geometry=st.sampled_from(('ground', 'depth')), confidence=st.booleans(),
                step=st.integers(1, 3), mark_unknown=st.booleans())
    def begin(self, geometry: str, confidence: bool, step: int, mark_unknown: bool) -> None:
        self.now = 10 ** 18
        self.geometry, self.confident = geometry, confidence
        rules = Rules.of(CAMVID, ['Road'], min_confidence=LEAST if confidence else 0.0, max_range=15.0,
                         step=step, mark_unknown=mark_unknown)
        camera = CameraModel(SIZE, [[6, 0, 3.5], [0, 6, 1.5], [0, 0, 1]])
        self.placer = Placer(camera, rules, Ground.from_angles(1.2, 0.2, 0.0))
        kinds = {'depth': TOLERANCE} if geometry == 'depth' else {}
        self.dropped: Any = Counter()
        self.joiner = Joiner(dict(kinds, confidence=0) if confidence else kinds, MAX_AGE,
                             lambda reason: self.dropped.update([reason]))
        self.sent: Dict[str, Dict[int, Any]] = {'labels': {}, 'depth': {}, 'confidence': {}}
        self.frames_in = self.given = 0
        self.free: Set[Cell] = set()        # what the consumer believes
        self.marked: Set[Cell] = set()
        self.shown: Set[Cell] = set()       # what it was shown, by the test's own count
        self.newest = 0

    def stamp(self, age: int) -> int:
        return self.now - age * MS

    @rule(kind=st.sampled_from(('road', 'mixed', 'void', 'foreign')), age=st.integers(-600, 800),
          seed=st.integers(0, 99))
    def labels(self, kind: str, age: int, seed: int) -> None:
        values = {'road': [ROAD], 'mixed': [ROAD, ROAD, CAR, IGNORE, 0], 'void': [IGNORE],
                  'foreign': [11, 200, 254]}[kind]
        sent = np.random.RandomState(seed).choice(np.array(values, np.uint8), SIZE)
        self.frames_in += 1
        self.take(self.joiner.labels(self.stamp(age), (self.stamp(age), sent), self.now))

    @rule(kind=st.sampled_from(('ground', 'wall', 'none', 'junk')), age=st.integers(-100, 800),
          seed=st.integers(0, 99))
    def depth(self, kind: str, age: int, seed: int) -> None:
        rng = np.random.RandomState(seed)
        climb = self.placer.camera.rays[..., 1] * self.placer.ground.up[1] + self.placer.ground.up[2]
        sent = {'ground': np.where(climb < 0, -1.2 / climb, np.nan), 'wall': np.full(SIZE, 4.0),
                'none': np.zeros(SIZE),
                'junk': rng.choice([np.nan, np.inf, -3.0, 1e9, 0.01, 5.0], SIZE)}[kind].astype(np.float32)
        self.other('depth', age, sent)

    @rule(kind=st.sampled_from(('sure', 'unsure', 'mixed')), age=st.integers(-100, 800),
          seed=st.integers(0, 99))
    def confidence(self, kind: str, age: int, seed: int) -> None:
        values = {'sure': [255, 128], 'unsure': [0, 127], 'mixed': [0, 127, 128, 255]}[kind]
        self.other('confidence', age, np.random.RandomState(seed).choice(np.array(values, np.uint8), SIZE))

    @rule(seed=st.integers(0, 99), offset=st.integers(0, 30), wait=st.integers(0, 90))
    def all_is_well(self, seed: int, offset: int, wait: int) -> None:
        """Send a frame as it should be, so that there is something to free."""
        self.now += (wait + 1) * MS
        self.confidence('mixed', 0, seed)
        self.depth('ground', offset, seed)
        self.labels('mixed', 0, seed)

    @rule(passed=st.integers(0, 700))
    def time_passes(self, passed: int) -> None:
        self.now += passed * MS
        self.joiner.expire(self.now)

    @rule(back=st.integers(1, 5000))
    def the_clock_is_set_back(self, back: int) -> None:
        self.now -= back * MS
        self.joiner.expire(self.now)
        if self.newest > self.now + MAX_AGE:    # a bag begins again
            self.newest = 0

    def other(self, kind: str, age: int, sent: np.ndarray) -> None:
        if kind in self.joiner._tolerances:
            self.take(self.joiner.other(kind, self.stamp(age), (self.stamp(age), sent), self.now))

    def take(self, match: Optional[Match]) -> None:
        """Place and publish as points_node does, check the frame, and let the consumer believe it."""
        if match is None:
            return
        self.given += 1
        stamp, labels = match.labels
        assert abs(self.now - stamp) <= MAX_AGE, 'too old to be told'
        assert stamp > self.newest, 'older than what was told before'
        self.newest = stamp
        sure = match.others.get('confidence')
        assert (sure is not None) == self.confident and (sure is None or sure[0] == stamp)
        confidence = None if sure is None else sure[1]
        if self.geometry == 'ground':
            placed = self.placer.from_ground(labels, confidence)
            climb = self.placer.camera.rays[..., 1] * self.placer.ground.up[1] + self.placer.ground.up[2]
            depth = np.where(climb < 0, -1.2 / climb, np.nan)
        else:
            depth = match.others['depth'][1]
            assert abs(match.others['depth'][0] - stamp) <= TOLERANCE
            placed = self.placer.from_depth(labels, depth, confidence)
        if not placed.known:
            self.dropped['unknown'] += 1
            self.given -= 1
            return
        self.show(labels, depth, confidence)
        self.consume(placed)

    def show(self, labels: np.ndarray, depth: np.ndarray, confidence: Optional[np.ndarray]) -> None:
        """Pixel by pixel: which cells this frame shows to be ground."""
        for row, column in np.ndindex(*SIZE):
            x, y = self.placer.camera.rays[row, column].astype(float)
            z = float(depth[row, column])
            sure = confidence is None or confidence[row, column] >= 127.5
            high = 1.2 + z * (y * self.placer.ground.up[1] + self.placer.ground.up[2])
            if labels[row, column] == ROAD and sure and z > 0 and abs(high) <= 0.3 and (
                    0.3 <= z * np.sqrt(1 + x * x + y * y) <= 15):
                self.shown.add(cell(np.float32(x) * np.float32(z), z))

    def consume(self, placed: Placed) -> None:
        for point in placed.points.ravel():
            if point['class_id'] == ROAD:
                assert np.isfinite(point['z'])
                self.free.add(cell(point['x'], point['z']))
                self.marked.discard(cell(point['x'], point['z']))
        for point in placed.obstacles:
            assert point['class_id'] != ROAD
            self.marked.add(cell(point['x'], point['z']))
        if self.placer.rules.mark_unknown:
            others = placed.points[np.isfinite(placed.points['z']) & (placed.points['class_id'] != ROAD)]
            assert len(others) == len(placed.obstacles), 'an unknown surface was kept from the obstacles'

    @invariant()
    def free_is_only_what_was_shown(self) -> None:
        assert getattr(self, 'free', set()) <= getattr(self, 'shown', set())

    @invariant()
    def every_frame_is_accounted_for(self) -> None:
        if hasattr(self, 'joiner'):
            waiting = self.joiner._waiting is not None
            assert self.frames_in == self.given + sum(self.dropped.values()) + waiting


BadDay.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestBadDay = BadDay.TestCase


def test_labels_and_what_belongs_to_them_meet_in_any_order() -> None:
    dropped: Any = Counter()
    joiner = Joiner({'depth': 10, 'confidence': 0}, 1000, lambda reason: dropped.update([reason]))
    assert joiner.other('depth', 95, 'd95', 100) is None and joiner.other('depth', 103, 'd103', 104) is None
    assert joiner.labels(100, 'l100', 110) is None
    assert joiner.other('confidence', 101, 'c101', 111) is None
    assert joiner.other('confidence', 100, 'c100', 112) == Match(
        'l100', {'depth': 'd103', 'confidence': 'c100'})
    assert joiner.labels(100, 'again', 113) is None and dropped == {'late': 1}
    assert joiner.labels(200, 'l200', 210) is None and joiner.labels(300, 'l300', 310) is None
    assert dropped == {'late': 1, 'unmatched': 1}
    joiner.expire(1301)
    assert dropped == {'late': 1, 'unmatched': 2}
    assert not any(joiner._others.values()), 'what no labels can need any more is not kept'
    assert joiner.labels(300, 'old', 1302) is None and dropped['stale'] == 1
    joiner.expire(-950)     # a bag begins again
    assert joiner.other('depth', -945, 'new', -945) is None
    assert joiner.other('confidence', -940, 'sure', -940) is None
    assert joiner.labels(-940, 'first', -930) == Match('first', {'depth': 'new', 'confidence': 'sure'})


def test_labels_ahead_of_a_clock_that_is_set_back_let_no_older_ones_in() -> None:
    dropped: Any = Counter()
    joiner = Joiner({'confidence': 0}, 500, lambda reason: dropped.update([reason]))
    joiner.other('confidence', 1000, 'sure', 1000)
    assert joiner.labels(1000, 'first', 1000) is not None
    assert joiner.labels(1325, 'ahead', 1000) is None
    joiner.other('confidence', 830, 'sure', 824)
    assert joiner.labels(830, 'older', 824) is None and dropped == {'unmatched': 1, 'late': 1}
    joiner.other('confidence', 480, 'sure', 480)
    assert joiner.labels(480, 'anew', 480) is not None


def test_what_waits_is_bounded_in_bytes_but_for_the_newest() -> None:
    joiner = Joiner({'cloud': 1000}, 1000, lambda reason: None)
    for stamp, size in ((1, KEPT_BYTES // 2), (2, KEPT_BYTES // 2), (3, 10), (4, 2 * KEPT_BYTES)):
        joiner.other('cloud', stamp, SimpleNamespace(data=range(size)), stamp)
        kept = [waiting for waiting, _ in joiner._others['cloud']]
        assert kept == {1: [1], 2: [1, 2], 3: [2, 3], 4: [4]}[stamp]
