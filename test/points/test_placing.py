"""Labels in space against the synthetic street's own camera, ground and depth, and pixel by pixel."""

from typing import Any, Optional, Tuple

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from enet_ros.classes import IGNORE, ClassTable
from enet_ros.datasets.synthetic import SyntheticStreet
from enet_ros.errors import InputError
from enet_ros.points.camera import CameraModel, Ground
from enet_ros.points.placing import POINT, Placed, Placer, Rules

CAMVID = ClassTable.load('camvid')
ROAD, PAVEMENT, CAR, PERSON, CYCLIST = (
    CAMVID.index(name) for name in ('Road', 'Pavement', 'Car', 'Pedestrian', 'Bicyclist'))
RULES = Rules.of(CAMVID, ['Road', 'pavement'], max_range=40.0)


def street(index: int, seed: int = 0, step: int = 1) -> Tuple[np.ndarray, np.ndarray, Placer]:
    """Return a frame's labels and true depth, and the placer that knows its camera."""
    made = SyntheticStreet((360, 640), seed)
    depth, height, pitch = made.geometry(index)
    camera = CameraModel(made.size, made.camera_matrix)
    return made[index].label, depth, Placer(camera, RULES._replace(step=step),
                                            Ground.from_angles(height, pitch, 0.0))


@pytest.mark.parametrize('index, seed', [(0, 0), (100, 0), (250, 3)])
def test_flat_ground_is_where_the_street_has_it(index: int, seed: int) -> None:
    """Within 0.1 m at 10 m, asked for; a half pixel or a pitch of the wrong sign would be more."""
    labels, depth, placer = street(index, seed)
    points = placer.from_ground(labels, None).points
    road = RULES.ground[labels] & (depth > 9) & (depth < 11)
    assert road.sum() > 2000
    assert np.abs(points['z'] - depth)[road].max() < 0.01
    across = (np.arange(640) - placer.camera.matrix[0, 2]) / placer.camera.matrix[0, 0] * depth
    assert np.abs(points['x'] - across)[road].max() < 0.01
    assert (points['class_id'][road] == labels[road]).all()
    x, y, z = (points[name][road] for name in 'xyz')
    assert np.abs(np.stack((x, y, z), 1).dot(placer.ground.up) + placer.ground.height).max() < 1e-4


@pytest.mark.parametrize('index, seed', [(100, 0), (250, 3)])
def test_depth_places_everything_on_its_surface(index: int, seed: int) -> None:
    labels, depth, placer = street(index, seed)
    placed = placer.from_depth(labels, depth, None)
    points = placed.points
    seen = np.isfinite(points['z'])
    assert seen.mean() > 0.5 and not np.isfinite(depth[~seen]).all()
    np.testing.assert_allclose(points['z'][seen], depth[seen])
    assert (points['class_id'][seen] == labels[seen]).all(), 'true depth contradicts no label'
    assert (points['class_id'][~seen] == IGNORE).all()
    assert len(placed.obstacles) == (seen & ~RULES.ground[labels]).sum()
    assert not RULES.ground[placed.obstacles['class_id']].any()


def test_things_stand_where_they_meet_the_ground() -> None:
    """The nearest point of each is its foot: half a metre off at most, a car's wheel behind its bumper."""
    made, errors = SyntheticStreet((360, 640), 3), {CAR: [], PERSON: [], CYCLIST: []}   # type: Any, Any
    for index in (0, 100, 250):
        labels, depth, placer = street(index, 3)
        z, instances = placer.from_ground(labels, None).points['z'], made[index].instances
        for number in np.unique(instances):
            whole = instances == number
            if number // 1000 in errors and whole.sum() > 150 and depth[whole].min() < 15 and (
                    np.isfinite(z[whole]).any() and not whole[-1].any()):
                errors[number // 1000].append(np.nanmin(z[whole]) - depth[whole].min())
    assert len(errors[CAR]) > 5 and min(errors[CAR]) > -0.5 and max(errors[CAR]) < 1.3
    people = errors[PERSON] + errors[CYCLIST]
    assert len(people) > 3 and np.abs(people).max() < 0.5


def test_a_pixel_of_ground_says_nothing_of_what_is_not_seen() -> None:
    """Behind a thing, above the horizon, and under 255 there is no point; 255 above ground is unknown."""
    labels = np.full((20, 30), ROAD, np.uint8)
    labels[:12, 5:10] = CAR
    labels[3:12, 15:20] = IGNORE
    labels[16:, 25:] = IGNORE       # the bonnet
    placer = Placer(CameraModel((20, 30), [[20, 0, 14.5], [0, 20, 4.5], [0, 0, 1]]), RULES,
                    Ground.from_angles(1.5, 0.0, 0.0))
    points = placer.from_ground(labels, None).points
    seen = np.isfinite(points['z'])
    assert not seen[:5].any(), 'above the horizon'
    assert not seen[:11, 5:10].any() and seen[11, 5:10].all() and (points['class_id'][11, 5:10] == CAR).all()
    assert not seen[5:11, 15:20].any() and (points['class_id'][11, 15:20] == IGNORE).all() \
        and seen[11, 15:20].all()
    assert not seen[16:, 25:].any() and seen[12:, :25].all()
    labels[12:, 5:10] = CAR         # cut off by the picture's edge
    cut = placer.from_ground(labels, None).points[-1, 5:10]
    assert np.isfinite(cut['z']).all() and (cut['class_id'] == CAR).all()


@st.composite
def scenes(draw: Any) -> Tuple[Any, ...]:
    """Draw labels, depth, confidence and rules of a small camera."""
    rng = np.random.RandomState(draw(st.integers(0, 2 ** 31)))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    labels = rng.choice(np.array([ROAD, PAVEMENT, CAR, PERSON, 0, 11, 200, IGNORE], np.uint8), size)
    depth = rng.choice(np.float32([0, np.nan, np.inf, -1, 0.2, 3, 8, 19, 50]), size)
    depth += np.where(depth > 1, rng.rand(*size), 0).astype(np.float32)
    confidence = draw(st.sampled_from((None, rng.randint(0, 256, size).astype(np.uint8))))
    rules = Rules.of(CAMVID, ['Road', 'Pavement'], min_confidence=draw(st.sampled_from((0.0, 0.5, 1.0))),
                     step=draw(st.integers(1, 4)), mark_unknown=draw(st.booleans()))
    ground = draw(st.sampled_from((None, Ground.from_angles(1.5, 0.3, 0.1))))
    return labels, depth, confidence, rules, ground


def believed(row: int, column: int, scene: Tuple[Any, ...],
             camera: CameraModel) -> Optional[Tuple[int, float]]:
    """Say of one pixel, from the rules as docs/points.md words them, its class and range; None: no point."""
    labels, depth, confidence, rules, ground = scene
    ray = np.append(camera.rays[row, column], 1.0)
    if not 0 < depth[row, column] < 1e3:
        return None
    point = ray * depth[row, column]
    distance = float(np.linalg.norm(point))
    if not 0.3 <= distance <= 20:
        return None
    label = int(labels[row, column])
    if label >= len(CAMVID):
        label = IGNORE
    if confidence is not None and confidence[row, column] / 255 < rules.min_confidence:
        label = IGNORE
    if ground is not None and label in (ROAD, PAVEMENT) and abs(point.dot(ground.up) + 1.5) > 0.3:
        label = IGNORE
    return label, distance


def rank(found: Optional[Tuple[int, float]]) -> Tuple[bool, float]:
    assert found is not None
    return found[0] in (ROAD, PAVEMENT), found[1]


@settings(max_examples=150, deadline=None)
@given(scene=scenes())
def test_every_block_tells_its_nearest_obstacle(scene: Tuple[Any, ...]) -> None:
    """Pixel by pixel: no ground where the rules believe none, and no obstacle lost to thinning."""
    labels, depth, confidence, rules, ground = scene
    height, width = labels.shape
    camera = CameraModel((height, width), [[8, 0, width / 2], [0, 8, height / 2], [0, 0, 1]])
    placed = Placer(camera, rules, ground).from_depth(labels, depth, confidence)
    step, marked = rules.step, []
    assert placed.points.shape == (-(-height // step), -(-width // step))
    for row, column in np.ndindex(placed.points.shape):
        block = [believed(v, u, scene, camera) for v in range(row * step, min((row + 1) * step, height))
                 for u in range(column * step, min((column + 1) * step, width))]
        point = placed.points[row, column]
        known = [found for found in block if found]
        if not known:
            assert point['class_id'] == IGNORE and all(np.isnan(point[name]) for name in 'xyz')
            continue
        label, distance = min(known, key=rank)
        assert (point['class_id'] in (ROAD, PAVEMENT)) == (label in (ROAD, PAVEMENT))
        assert np.sqrt(sum(float(point[n]) ** 2 for n in 'xyz')) == pytest.approx(distance, rel=1e-5)
        assert np.isnan(point['confidence']) == (confidence is None)
        if label not in (ROAD, PAVEMENT) and (rules.mark_unknown or point['class_id'] != IGNORE):
            marked.append(point.tobytes())
    assert sorted(marked) == sorted(point.tobytes() for point in placed.obstacles)


def test_a_cloud_says_what_the_depth_says() -> None:
    labels, depth, placer = street(100)
    rays = np.dstack((placer.camera.rays, np.ones(labels.shape, np.float32)))
    some = (slice(None, None, 3), slice(None, None, 3))
    cloud = (rays * depth[..., None])[some].reshape(-1, 3)
    behind = np.float32([[0, 0, -5], [np.nan, 0, 5], [50, 0, 1], [0, np.inf, 5]])
    by_cloud = placer.from_cloud(labels, np.concatenate((cloud, behind)), None)
    by_depth = placer.from_depth(labels, depth, None).points[some]
    by_depth = by_depth[np.isfinite(by_depth['z'])]
    assert by_cloud.points.shape == (1, len(by_depth)) and by_cloud.known
    for name in POINT.names:
        np.testing.assert_allclose(by_cloud.points[0][name], by_depth[name], atol=1e-5)
    assert not placer.from_cloud(labels, np.zeros((0, 3), np.float32), None).known


def test_an_obstacle_that_is_called_road_is_not_believed() -> None:
    """A fallen tree that the network takes for road has a height, and the depth tells it."""
    labels, depth, placer = street(100)
    tricked = np.where(labels == PERSON, ROAD, labels).astype(np.uint8)
    tall = (labels == PERSON) & (depth < 15)
    high = placer.ground.height + placer._climb * depth > 0.35
    points = placer.from_depth(tricked, depth, None).points
    assert (tall & high).sum() > 200 and (points['class_id'][tall & high] == IGNORE).all()
    without_pose = Placer(placer.camera, RULES).from_depth(tricked, depth, None).points
    assert (without_pose['class_id'][tall] == ROAD).all()


def test_ground_classes_are_those_of_the_table() -> None:
    assert Rules.of(ClassTable.load('cityscapes'), ['Road']).ground.nonzero()[0].tolist() == [0]
    with pytest.raises(InputError, match="ground_classes: camvid has no class 'floor'; it has: Sky"):
        Rules.of(CAMVID, ['floor'])


def test_nothing_known_is_told() -> None:
    labels = np.full((4, 4), IGNORE, np.uint8)
    placer = Placer(CameraModel((4, 4), np.eye(3)), RULES, Ground.from_angles(1.0, 0.1, 0.0))
    depth = np.full((4, 4), 3.0, np.float32)
    placed: Placed = placer.from_depth(labels, depth, None)
    assert not placed.known and len(placed.obstacles) == 16
    assert not placer.from_ground(labels, None).known
