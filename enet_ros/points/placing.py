"""Labels and a geometry become points; what is not known stays unknown.

A point's class is 255, unknown, where the label is 255 or no class of the table, where its confidence is
below the least that is believed, and where a class of the ground does not lie on the ground. What cannot be
placed, or lies out of range, is no point at all.
"""

from typing import Any, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..classes import IGNORE, ClassTable
from ..errors import InputError
from .camera import CameraModel, Ground

#: One point: metres in the camera's optical frame, label, confidence 0..1 or NaN where there is none.
POINT = np.dtype({'names': ['x', 'y', 'z', 'confidence', 'class_id'],
                  'formats': ['<f4', '<f4', '<f4', '<f4', 'u1'], 'itemsize': 20})


class Rules(NamedTuple):
    """What is believed: which labels (256,) bool are known and ground, limits in metres, the thinning."""

    known: np.ndarray
    ground: np.ndarray
    min_confidence: float = 0.0
    min_range: float = 0.3
    max_range: float = 20.0
    ground_tolerance: float = 0.3
    mark_unknown: bool = True
    step: int = 1       # side in pixels of the blocks of which one point each is kept

    @classmethod
    def of(cls, classes: ClassTable, ground: Sequence[str], **limits: Any) -> 'Rules':
        """Return the rules for a class table; InputError where `ground` names none of its classes."""
        known, lower = np.arange(256) < len(classes), [name.lower() for name in classes.names]
        is_ground = np.zeros(256, bool)
        for name in ground:
            if name.lower() not in lower:
                raise InputError(f"ground_classes: {classes.name} has no class '{name}'; it has: "
                                 + ', '.join(classes.names))
            is_ground[lower.index(name.lower())] = True
        return cls(known, is_ground, **limits)


class Placed(NamedTuple):
    """What one frame tells: `points` of all classes, (rows, columns) POINT, and `obstacles`, (N,) POINT.

    Points without a place have x, y, z NaN and class 255. `obstacles` are those not known to be ground;
    unknown ones are among them if the rules want it.
    """

    points: np.ndarray
    obstacles: np.ndarray

    @property
    def known(self) -> bool:
        """Whether any point has a class: where none has, the camera is as good as blind."""
        return bool((self.points['class_id'] != IGNORE).any())


class Placer:
    """Places labels (H, W) uint8, with confidence (H, W) uint8 or None, of one camera.

    `ground` is None where the camera's pose is not known.
    """

    def __init__(self, camera: CameraModel, rules: Rules, ground: Optional[Ground] = None) -> None:
        self.camera, self.rules, self.ground = camera, rules, ground
        self._climbs: Optional[np.ndarray] = None

    @property
    def _climb(self) -> np.ndarray:
        """(H, W) metres upwards a metre of depth."""
        if self._climbs is None:
            up = np.array(self.ground.up if self.ground else (0, 0, 0), np.float32)
            self._climbs = self.camera.rays.dot(up[:2]) + up[2]
        return self._climbs

    def from_depth(self, labels: np.ndarray, depth: np.ndarray, confidence: Optional[np.ndarray]) -> Placed:
        """Place labels by their depth (H, W), metres along the optical axis; 0 and NaN: none is known."""
        height = None if self.ground is None else self.ground.height + self._climb * depth
        return self._thinned(self._believed(labels, confidence, height), depth, confidence)

    def from_ground(self, labels: np.ndarray, confidence: Optional[np.ndarray]) -> Placed:
        """Place labels on the flat ground: the ground where it is seen, all else where it meets the ground.

        Of what stands on the ground only the lowest pixels, those above a pixel of ground, have a place. A
        thing that the picture cuts off below is there at the picture's edge, or nearer.
        """
        assert self.ground is not None
        classes = self._believed(labels, confidence, None)
        ground = self.rules.ground[classes]
        placed = ground.copy()
        placed[:-1] |= ground[1:]
        placed[-1] |= classes[-1] != IGNORE
        with np.errstate(divide='ignore', invalid='ignore'):
            depth = np.where(placed, -self.ground.height / self._climb, np.nan)
        return self._thinned(classes, depth, confidence)

    def from_cloud(self, labels: np.ndarray, xyz: np.ndarray, confidence: Optional[np.ndarray]) -> Placed:
        """Give points (N, 3) of the optical frame the labels of the pixels that see them; drop the others."""
        pixels = self.camera.project(xyz)
        range_ = np.linalg.norm(xyz, axis=1)
        kept = (pixels[:, 0] >= 0) & (range_ >= self.rules.min_range) & (range_ <= self.rules.max_range)
        xyz, (columns, rows) = xyz[kept], pixels[kept].T
        height = None if self.ground is None else xyz.dot(self.ground.up) + self.ground.height
        sure = None if confidence is None else confidence[rows, columns][None]
        classes = self._believed(labels[rows, columns][None], sure, height)
        return self._made(xyz[None], classes, sure)

    def _believed(self, labels: np.ndarray, confidence: Optional[np.ndarray],
                  height: Optional[np.ndarray]) -> np.ndarray:
        """Return the labels that the rules let one believe, else 255; `height` is above the ground."""
        doubted = ~self.rules.known[labels]
        if confidence is not None:
            doubted |= confidence < self.rules.min_confidence * 255
        if height is not None:
            doubted |= self.rules.ground[labels] & ~(np.abs(height) <= self.rules.ground_tolerance)
        return np.where(doubted, np.uint8(IGNORE), labels)

    def _thinned(self, classes: np.ndarray, depth: np.ndarray, confidence: Optional[np.ndarray]) -> Placed:
        """Keep of each block the nearest point that is no ground; of ground alone the nearest."""
        rules, range_ = self.rules, depth * self.camera.lengths
        rank = range_ + np.where(rules.ground[classes], np.float32(2 * rules.max_range), np.float32(0))
        rank[~((range_ >= rules.min_range) & (range_ <= rules.max_range))] = np.inf
        at = _least_of_blocks(rank, rules.step)
        depth = np.where(np.isfinite(rank[at]), depth[at], np.nan)[..., None]
        xyz = np.concatenate((self.camera.rays[at] * depth, depth), -1)
        return self._made(xyz, classes[at], None if confidence is None else confidence[at])

    def _made(self, xyz: np.ndarray, classes: np.ndarray, confidence: Optional[np.ndarray]) -> Placed:
        points = np.zeros(classes.shape, POINT)
        points['x'], points['y'], points['z'] = np.moveaxis(xyz, -1, 0)
        placed = np.isfinite(points['z'])
        points['class_id'] = np.where(placed, classes, IGNORE)
        points['confidence'] = np.nan if confidence is None else np.where(placed, confidence / 255.0, np.nan)
        wanted = placed & ~self.rules.ground[classes] & (self.rules.mark_unknown | (classes != IGNORE))
        # By bytes: indexing the fields would leave between them whatever the memory held before.
        rows = points.view(np.uint8).reshape(-1, POINT.itemsize)[wanted.ravel()]
        return Placed(points, rows.reshape(-1).view(POINT))


def _least_of_blocks(rank: np.ndarray, step: int) -> Tuple[np.ndarray, np.ndarray]:
    """Return row and column of the least of each step x step block, both (ceil(H / step), ceil(W / step))."""
    (height, width), rows, columns = rank.shape, -(-rank.shape[0] // step), -(-rank.shape[1] // step)
    whole = np.full((rows * step, columns * step), np.inf, np.float32)
    whole[:height, :width] = rank
    blocks = whole.reshape(rows, step, columns, step).swapaxes(1, 2).reshape(rows, columns, step * step)
    best = blocks.argmin(-1)
    return (np.minimum(np.arange(rows)[:, None] * step + best // step, height - 1),
            np.minimum(np.arange(columns) * step + best % step, width - 1))
