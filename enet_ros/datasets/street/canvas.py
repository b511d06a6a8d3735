"""A picture and its truth, painted together: each stroke goes into the image, its number into `strokes`.

A stroke's ident is class * 1000 + instance number (0: a class without instances, as in Cityscapes' instance
images). What a stroke shows is flat, so the inverse of its depth is linear across the picture.
"""

from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from .camera import FAR, NEAR, Camera
from .textures import Texture

HAZE = 205.0  # the grey that distance fades to
THINNEST = 0.2  # pixels of radius; thinner lines are left out
_SHIFT = 3  # fractional bits of pixel coordinates
NEAR_TEXTURE = 1.5  # metres; nearer, a wall beside the road is outside the picture anyhow
# The idents of the strokes that every picture begins with: the backdrop's three, then the ground's two.
IDENTS = (0, 1000, 5000, 3000, 4000)
SKY, SKYLINE, CROWNS, ROAD, PAVEMENT = range(len(IDENTS))
_CLASS_OF = (np.arange(65536) // 1000).astype(np.uint8)

Colour = Tuple[float, float, float]
_INSTANCE_OF = np.where(np.arange(65536) % 1000 == 0, 0, np.arange(65536)).astype(np.int32)


class Part(NamedTuple):
    """A flat convex piece of a thing, or with a `radius` in metres a line with round ends.

    `points` are (N, 3) metres. `colour` is RGB or the number of one of the thing's own colours; with `cull`
    the part is seen only from the side from which its points run clockwise.
    """

    points: np.ndarray
    colour: Union[int, Colour]
    ident: int
    radius: float = 0.0
    light: float = 1.0
    cull: bool = False


class Model:
    """A thing made of parts, its points in one array so that they are placed and projected together."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.points = np.concatenate([part.points for part in parts])
        self.stops = np.cumsum([len(part.points) for part in parts])


class Canvas:
    """Image (H, W, 3) uint8 RGB and strokes (H, W) uint16, painted through a camera, far things first."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.image = np.zeros(camera.size + (3,), np.uint8)
        self.strokes = np.zeros(camera.size, np.uint16)
        self._idents = list(IDENTS)
        self._surfaces: List[Tuple[np.ndarray, np.ndarray]] = []    # of the strokes after `IDENTS`

    def haze(self, s: float) -> float:
        """Return how much of what is at `s` is lost in the haze, 0 to 1."""
        return min(max(s - self.camera.pose.s, 0.0) / FAR, 1.0) ** 1.3 * 0.55

    def model(self, model: Model, points: np.ndarray, colours: Sequence[Colour] = (), instance: int = 0,
              size: float = 1.0) -> None:
        """Paint a model whose points lie at the street points (N, 3), part by part in its order.

        `size` is what lines are thicker by than the model's.
        """
        if points[:, 0].min() < self.camera.pose.s + NEAR:
            clipped = self._clipped(model, points)
            if clipped is None:
                return
            model, points = clipped, clipped.points
        pixels = self.camera.project(points)
        if pixels[:, 0].max() < 0 or pixels[:, 0].min() > self.camera.size[1]:
            return
        fixed = _fixed(pixels)
        scale, haze = size * self.camera.scale(float(points[0, 0])), self.haze(float(points[0, 0]))
        start = 0
        for part, stop in zip(model.parts, model.stops.tolist()):
            outline, corners = fixed[start:stop], pixels[start:start + 3]
            start = stop
            if part.cull and _turned_away(corners.tolist()) or 0 < part.radius * scale < THINNEST:
                continue
            light, fog = part.light * (1 - haze), HAZE * haze
            r, g, b = colours[part.colour] if isinstance(part.colour, int) else part.colour
            along = points[stop - len(outline):stop, 0]
            stroke = self._stroke(part.ident + instance, pixels[stop - len(outline):stop],
                                  np.full(len(along), along.mean()) if part.radius else along)
            self._part(outline, (r * light + fog, g * light + fog, b * light + fog), stroke,
                       part.radius * scale)

    def _stroke(self, ident: int, pixels: np.ndarray, along: np.ndarray) -> int:
        """Return the number of a new stroke: what it shows, and where points of it are along the road."""
        self._idents.append(ident)
        self._surfaces.append((pixels, along))
        return len(self._idents) - 1

    def _part(self, outline: np.ndarray, colour: Colour, stroke: int, radius: float) -> None:
        if radius:
            thickness = min(max(1, int(2 * radius + 0.5)), 255)
            cv2.polylines(self.image, [outline], False, colour, thickness, cv2.LINE_AA, _SHIFT)
            cv2.polylines(self.strokes, [outline], False, stroke, thickness, cv2.LINE_8, _SHIFT)
        else:
            cv2.fillConvexPoly(self.image, outline, colour, cv2.LINE_AA, _SHIFT)
            cv2.fillConvexPoly(self.strokes, outline, stroke, cv2.LINE_8, _SHIFT)

    def _clipped(self, model: Model, points: np.ndarray) -> Optional[Model]:
        """Return what of a model is not too near to be seen: faces cut, lines that come too near left out."""
        kept: List[Part] = []
        start = 0
        for part, stop in zip(model.parts, model.stops.tolist()):
            piece = points[start:stop]
            start = stop
            if part.radius and piece[:, 0].min() < self.camera.pose.s + NEAR:
                continue
            piece = self.camera.clip(piece)
            if len(piece) >= 2:
                kept.append(part._replace(points=piece))
        return Model(kept) if kept else None

    def textured(self, corners: np.ndarray, texture: Texture, ident: int, light: float = 1.0) -> None:
        """Paint a texture on an upright rectangle: street points from the top left, clockwise."""
        corners, source = _clip_texture(self.camera, corners)
        if corners is None:
            return
        pixels = self.camera.project(corners)
        box = self._box(pixels)
        if box is None:
            return
        x0, y0, x1, y1 = box
        width = min(abs(pixels[1, 0] - pixels[0, 0]),
                    abs(pixels[2, 0] - pixels[3, 0])) / (source[1, 0] - source[0, 0])
        height = max(pixels[3, 1] - pixels[0, 1], pixels[2, 1] - pixels[1, 1])
        level = texture.level(width, height)
        scale = np.array([level.shape[1], level.shape[0]])
        shifted = pixels - (x0, y0)
        warp = cv2.getPerspectiveTransform((source * scale).astype(np.float32), shifted.astype(np.float32))
        patch = cv2.warpPerspective(level, warp, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR,
                                    borderMode=cv2.BORDER_REPLICATE)
        haze = self.haze(float(corners[:, 0].mean()))
        patch = cv2.addWeighted(patch, light * (1 - haze), patch, 0.0, HAZE * haze)
        mask = np.zeros(patch.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, _fixed(shifted), 255, cv2.LINE_8, _SHIFT)
        cv2.copyTo(patch, mask, self.image[y0:y1, x0:x1])
        stroke = self._stroke(ident, pixels, corners[:, 0])
        cv2.fillConvexPoly(self.strokes, _fixed(pixels), stroke, cv2.LINE_8, _SHIFT)

    def sprite(self, foot: Tuple[float, float, float], height: float, texture: Texture, ident: int,
               light: float = 1.0) -> None:
        """Paint a cut-out (RGBA texture) that stands on a street point, `height` metres high."""
        if foot[0] < self.camera.pose.s + 1.5:
            return
        u, v = self.camera.project_one(*foot)
        tall = height * self.camera.scale(foot[0])
        wide = tall * texture.aspect
        corners = np.array([[u - wide / 2, v - tall], [u + wide / 2, v - tall], [u - wide / 2, v]])
        box = self._box(np.array([[u - wide / 2, v - tall], [u + wide / 2, v]]))
        if box is None:
            return
        x0, y0, x1, y1 = box
        level = texture.level(wide, tall)
        rows, columns = level.shape[:2]
        warp = cv2.getAffineTransform(np.array([[0, 0], [columns, 0], [0, rows]], np.float32),
                                      (corners - (x0, y0)).astype(np.float32))
        patch = cv2.warpAffine(level, warp, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        haze = self.haze(foot[0])
        mask = (patch[:, :, 3] > 127).astype(np.uint8)
        colours = cv2.addWeighted(cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR), light * (1 - haze),
                                  np.zeros_like(patch[:, :, :3]), 0.0, HAZE * haze)
        cv2.copyTo(colours, mask, self.image[y0:y1, x0:x1])
        self.strokes[y0:y1, x0:x1][mask != 0] = self._stroke(ident, corners, np.full(3, foot[0]))

    def truth(self) -> Tuple[np.ndarray, np.ndarray]:
        """Return labels (H, W) uint8 and instances (H, W) int32, 0 where a pixel belongs to none."""
        ids = np.array(self._idents, np.uint16)[self.strokes]
        return np.take(_CLASS_OF, ids), np.take(_INSTANCE_OF, ids)

    def depth(self) -> np.ndarray:
        """Return metres along the optical axis, (H, W) float32; infinite where the backdrop is."""
        camera = self.camera
        planes = np.zeros((len(self._idents), 3))       # 1 / depth = planes . (column, row, 1)
        for stroke in np.unique(self.strokes[self.strokes >= len(IDENTS)]).tolist():
            pixels, along = self._surfaces[stroke - len(IDENTS)]
            middle = pixels.mean(0)
            design = np.column_stack((pixels - middle, np.ones(len(pixels))))
            plane = np.linalg.lstsq(design, 1.0 / (along - camera.pose.s), rcond=None)[0]
            planes[stroke] = plane[0], plane[1], plane[2] - middle.dot(plane[:2])
        on_ground = np.isin(self._idents, [IDENTS[ROAD], IDENTS[PAVEMENT]])     # crossings, too
        planes[on_ground] = np.array([0.0, 1.0, 0.5 - camera.horizon]) / (camera.focal * camera.pose.height)
        rows, columns = np.indices(camera.size)
        found = planes[self.strokes]
        inverse = found[..., 0] * columns + found[..., 1] * rows + found[..., 2]
        with np.errstate(divide='ignore'):
            return np.where(inverse > 1.0 / (2 * FAR), 1.0 / inverse, np.inf).astype(np.float32)

    def _box(self, pixels: np.ndarray) -> Optional[Tuple[int, int, int, int]]:
        height, width = self.camera.size
        low = np.maximum(np.floor(pixels.min(0)), 0)
        high = np.minimum(np.ceil(pixels.max(0)) + 1, (width, height))
        if (high - low < 1).any():
            return None
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _fixed(pixels: np.ndarray) -> np.ndarray:
    """Return pixels as the fixed-point numbers that OpenCV draws with, far-off ones drawn nearer."""
    return np.rint(np.minimum(np.maximum(pixels, -16000), 16000) * (1 << _SHIFT)).astype(np.int32)


def _turned_away(corners: List[List[float]]) -> bool:
    (ax, ay), (bx, by), (cx, cy) = corners
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) <= 0


def _clip_texture(camera: Camera, corners: np.ndarray) -> Tuple:
    """Return corners cut off at the near plane, and their places in the texture (both from 0 to 1)."""
    left, right = 0.0, 1.0
    limit = camera.pose.s + NEAR_TEXTURE
    first, last = corners[0, 0], corners[1, 0]
    if max(first, last) <= limit + 0.1:
        return None, None
    if first < limit:
        left = (limit - first) / (last - first)
    if last < limit:
        right = (limit - first) / (last - first)
    top = corners[0] + np.outer((left, right), corners[1] - corners[0])
    bottom = corners[3] + np.outer((right, left), corners[2] - corners[3])
    source = np.array([[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]])
    return np.concatenate((top, bottom)), source
