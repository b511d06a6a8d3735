"""Road, pavement and their shadows: one strip of texture across the street, repeated along it."""

from typing import List, Tuple

import cv2
import numpy as np

from .camera import FAR, Camera
from .canvas import HAZE, PAVEMENT, ROAD, Canvas
from .textures import Texture, noise, shade

KERB = 5.5  # metres from the centre line to the kerb
HOUSES = 8.8  # metres from the centre line to the house fronts
_HALF = 24.0  # metres to either side that the strip covers
_PERIOD = 24.0  # metres after which it repeats
_DENSITY = 20  # pixels per metre


class Ground:
    """The street's surface, painted row by row from the horizon down."""

    def __init__(self, rng: np.random.RandomState) -> None:
        shape = (int(_PERIOD * _DENSITY), int(2 * _HALF * _DENSITY))
        self._strip = Texture(_strip(rng, shape))

    def paint(self, canvas: Canvas, shadows: List[np.ndarray]) -> None:
        """Paint all below the horizon; `shadows` are polygons (N, 3) of street points in shade."""
        camera = canvas.camera
        height, width = camera.size
        top = max(int(np.ceil(camera.horizon + camera.focal * camera.pose.height / FAR)), 0)
        if top >= height:
            return
        depth = camera.focal * camera.pose.height / (np.arange(top, height) + 0.5 - camera.horizon)
        s = camera.pose.s + depth
        across = (np.arange(width) + 0.5 - camera.centre[0]) / camera.focal
        d = np.outer(depth.astype(np.float32), across.astype(np.float32))
        d -= camera.sideways(s).astype(np.float32)[:, None]
        canvas.strokes[top:] = PAVEMENT
        canvas.strokes[top:][np.abs(d) < KERB] = ROAD
        image = canvas.image[top:]
        self._sample(camera, image, d, s, depth)
        self._shade(canvas, image, top, shadows)
        edges = np.linspace(0, len(depth), 13).astype(int).tolist()
        for first, last in zip(edges, edges[1:]):
            if first < last:
                haze, band = canvas.haze(float(s[first:last].mean())), image[first:last]
                cv2.addWeighted(band, 1 - haze, band, 0.0, HAZE * haze, band)

    def _sample(self, camera: Camera, image: np.ndarray, d: np.ndarray, s: np.ndarray,
                depth: np.ndarray) -> None:
        """Look the strip up for bands of rows, each in the copy that suits its distance."""
        start = 0
        while start < len(depth):
            stop = start + max(int(np.count_nonzero(depth[start:] > depth[start] * 0.72)), 1)
            middle = depth[(start + stop) // 2 if stop < len(depth) else start]
            across = camera.focal / middle * 2 * _HALF
            along = camera.focal * camera.pose.height / middle ** 2 * _PERIOD
            level = self._strip.level(across, along)
            x = (d[start:stop] + _HALF) * (level.shape[1] / (2 * _HALF)) - 0.5
            y = (s[start:stop] % _PERIOD) * (level.shape[0] / _PERIOD) - 0.5
            y = cv2.repeat(y.astype(np.float32)[:, None], 1, d.shape[1])
            image[start:stop] = cv2.remap(level, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            start = stop

    @staticmethod
    def _shade(canvas: Canvas, image: np.ndarray, top: int, shadows: List[np.ndarray]) -> None:
        shade_map = np.full(image.shape[:2], 255, np.uint8)
        for polygon in shadows:
            polygon = canvas.camera.clip(polygon)
            if len(polygon) >= 3:
                pixels = np.clip(canvas.camera.project(polygon) - (0, top), -9000, 9000)
                cv2.fillConvexPoly(shade_map, np.round(pixels * 8).astype(np.int32), 154, cv2.LINE_8, 3)
        blur = max(image.shape[1] // 160, 1) * 2 + 1
        cv2.multiply(image, cv2.merge([cv2.blur(shade_map, (blur, 3))] * 3), image, 1 / 255.0)


def _strip(rng: np.random.RandomState, shape: Tuple[int, int]) -> np.ndarray:
    """Return the strip (along, across, 3): asphalt, worn tracks, markings, kerb, slabs."""
    grain = 1 + 0.05 * noise(rng, shape, 5, 6) + 0.05 * rng.randn(*shape).astype(np.float32)
    tone = rng.uniform(88, 118)
    strip = shade(np.array([tone, tone, tone + 4]), grain)
    d = (np.arange(shape[1]) + 0.5) / _DENSITY - _HALF
    slabs = shade(np.array([158.0, 152.0, 146.0]) * rng.uniform(0.85, 1.1), grain)
    slabs[::_DENSITY] = slabs[::_DENSITY] * 0.8
    slabs[:, ::_DENSITY] = slabs[:, ::_DENSITY] * 0.8
    pavement = np.abs(d) >= KERB
    strip[:, pavement] = slabs[:, pavement]
    grass = np.abs(d) > HOUSES + 0.4
    strip[:, grass] = strip[:, grass] * 0.82
    kerb = (np.abs(d) >= KERB) & (np.abs(d) < KERB + 0.22)
    strip[:, kerb] = np.clip(strip[:, kerb] * 1.18, 0, 255)
    gutter = (np.abs(d) < KERB) & (np.abs(d) > KERB - 0.3)
    strip[:, gutter] = strip[:, gutter] * 0.86
    for track in (-2.5, -0.9, 0.9, 2.5):
        worn = np.exp(-(((d - track) / 0.25) ** 2))[None, :, None]
        strip[:] = np.clip(strip * (1 - 0.07 * worn), 0, 255)
    paint = (205.0 * grain).clip(0, 255).astype(np.uint8)[:, :, None]
    along = np.arange(shape[0]) / _DENSITY % 6.0
    dashes = np.ix_(along < 3.4, np.abs(d) < 0.08)
    strip[dashes] = paint[dashes]
    edge = np.ix_(along >= 0, np.abs(np.abs(d) - 3.35) < 0.055)
    strip[edge] = paint[edge]
    return strip
