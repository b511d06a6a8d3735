"""The OpenVINO engine against the published networks, layer by layer and as a whole."""

import copy
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

torch = pytest.importorskip('torch')
openvino = pytest.importorskip('openvino')
op = openvino.opset13

import exact_networks  # noqa: E402

from enet_ros import networks, weights  # noqa: E402
from enet_ros.deploy import openvino_engine, openvino_layers, openvino_network  # noqa: E402
from enet_ros.deploy.engine import EngineError  # noqa: E402

SIZE = (48, 80)


def alive(network, seed=0):
    """Give every parameter and statistic a value that is not its default, so that none can be forgotten."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
        elif isinstance(module, torch.nn.PReLU):
            module.weight.data.uniform_(-0.5, 1.5, generator=generator)
    return network.eval()


def checkpoint_of(network, name, variant, classes):
    return networks.to_checkpoint(network, {
        'format': 1, 'network': name, 'variant': variant, 'input_size': list(SIZE),
        'classes': classes.to_dict(), 'normalisation': weights.NORMALISATION})


def frames(count, size=SIZE):
    return np.random.default_rng(1).integers(0, 256, (count,) + size + (3,), dtype=np.uint8)


def reference(network, frame):
    """Logits of the published network for one frame."""
    image = torch.from_numpy(frame).permute(2, 0, 1)[None].double() / 255
    with torch.no_grad():
        return copy.deepcopy(network).double()(image)[0].numpy()


@pytest.mark.parametrize('name, variant, size', [
    ('enet', 'authors', SIZE), ('enet', 'authors-prelu', SIZE), ('enet', 'paper', SIZE),
    ('enet', 'pytorch-enet', SIZE),
    ('segnet', 'authors', (40, 72))])
def test_bit_for_bit_the_published_network_where_the_arithmetic_is_exact(name, variant, size, camvid_classes):
    """Ties of pooling cells and of classes included, on any processor."""
    network = exact_networks.build(name, variant)
    checkpoint = exact_networks.checkpoint(network, camvid_classes, name, variant, size)
    with openvino_engine.open(checkpoint, size, threads=1) as engine:
        for kind in exact_networks.IMAGES[:1 if name == 'segnet' else None]:
            truth = exact_networks.truth(network, exact_networks.image(kind, *size))[0].numpy()
            frame = exact_networks.frame(kind, *size)
            assert np.array_equal(engine.logits(frame), truth)
            assert np.array_equal(engine.labels(frame), truth.argmax(0))


@pytest.mark.parametrize('name, variant, size', [
    ('enet', 'authors', SIZE), ('enet', 'authors-prelu', SIZE), ('enet', 'paper', SIZE),
    ('enet', 'pytorch-enet', SIZE),
    ('segnet-basic', 'authors', (40, 72))])
def test_equals_the_published_network_to_rounding(name, variant, size, camvid_classes):
    """Any weights; where rounding decides a pooling cell, a value lands one pixel away."""
    torch.manual_seed(0)
    network = alive(networks.build(name, 11, variant))
    checkpoint = checkpoint_of(network, name, variant, camvid_classes)
    with openvino_engine.open(checkpoint, size, threads=1) as engine:
        for frame in frames(2, size):       # a second one, for what might have been baked in
            logits, labels = engine.logits(frame), engine.labels(frame)
            truth = reference(network, frame)
            error = np.abs(logits - truth).max(0) / np.abs(truth).max()
            assert np.median(error) < 1e-6
            assert (labels == truth.argmax(0)).mean() > 0.99
            assert len(np.unique(labels)) > 1


@pytest.mark.parametrize('height, strip', [(8, 1), (40, 1), (40, 3), (48, 5)])
def test_strips_change_nothing(exact_checkpoint, monkeypatch, height, strip):
    frame = exact_networks.frame('random', height, 64)
    with openvino_engine.open(exact_checkpoint, (height, 64), threads=1) as engine:
        whole = engine.labels(frame).copy()
    monkeypatch.setattr(openvino_network, '_CACHED_BYTES', 0)
    monkeypatch.setattr(openvino_network, '_STRIP', strip)
    with openvino_engine.open(exact_checkpoint, (height, 64), threads=1) as engine:
        assert np.array_equal(engine.labels(frame), whole)


def run(inputs, build):
    """Run a small OpenVINO model: `build` makes its output from parameters shaped as the inputs."""
    parameters = [op.parameter(list(array.shape), array.dtype.type) for array in inputs]
    model = openvino.Model([build(*parameters).output(0)], parameters, 'test')
    compiled = openvino.Core().compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    return compiled(inputs)[0]


@pytest.mark.parametrize('size', [(6, 10), (5, 10), (6, 9), (7, 7)])
@pytest.mark.parametrize('kind', ['ties', 'constant', 'zeros', 'noise'])
def test_unpooling_equals_indices_where_maxima_tie(kind, size):
    rng = np.random.default_rng(0)
    pooled = {'ties': rng.integers(-1, 2, (1, 16) + size), 'constant': np.full((1, 16) + size, 0.7),
              'zeros': np.maximum(rng.standard_normal((1, 16) + size), 0),
              'noise': rng.standard_normal((1, 16) + size)}[kind].astype(np.float32)
    cells = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    values = rng.standard_normal((1, 16) + cells).astype(np.float32)
    got = run([values, pooled], lambda values, pooled: openvino_layers.unpool(
        values, openvino_layers.pool(pooled)[1], *size))
    maxima, indices = torch.nn.functional.max_pool2d(
        torch.from_numpy(pooled), 2, 2, ceil_mode=True, return_indices=True)
    truth = torch.nn.functional.max_unpool2d(torch.from_numpy(values), indices, 2, 2, output_size=size)
    assert np.array_equal(got, truth.numpy())
    assert np.array_equal(run([pooled], lambda x: openvino_layers.pool(x)[0]), maxima.numpy())


@pytest.mark.parametrize('classes', [1, 2, 4, 5, 11, 19, 20, 34])
def test_best_class_is_the_first_of_equal_ones(classes):
    rng = np.random.default_rng(classes)
    scores = rng.integers(-2, 3, (classes, 257)).astype(np.float32)     # many ties
    bias = rng.integers(-1, 2, classes).astype(np.float32)
    for offset in (None, bias):
        got = run([scores], lambda x, offset=offset: op.convert(openvino_layers.best_class(x, offset), 'f32'))
        shifted = scores if offset is None else scores + offset[:, None]
        assert np.array_equal(np.broadcast_to(got, (1, 257))[0], shifted.argmax(0))


def test_halved_image_is_max_pooling():
    image = np.random.default_rng(0).integers(0, 256, (1, 6, 10, 3)).astype(np.uint8)
    got = run([image], openvino_layers.halved_image)
    planes = torch.from_numpy(image.astype(np.float32)).permute(0, 3, 1, 2)
    assert np.array_equal(got, torch.nn.functional.max_pool2d(planes, 2, 2).numpy())


def test_a_view_with_strides_is_a_frame_too(random_checkpoint):
    with openvino_engine.open(random_checkpoint, SIZE, threads=1) as engine:
        frame = frames(1)[0]
        padded = np.zeros((SIZE[0], SIZE[1] + 7, 3), np.uint8)
        padded[:, :SIZE[1]] = frame
        straight = engine.labels(frame).copy()
        assert np.array_equal(engine.labels(padded[:, :SIZE[1]]), straight)
        assert not np.array_equal(engine.labels(frame[::-1]), straight)


@pytest.mark.parametrize('threads', [1, None])
def test_engines_of_two_processes_share_the_cores(random_checkpoint, threads):
    """No thread is bound to a core: both processes would choose the same one and leave the others idle."""
    def bound():
        # onnxruntime, which other tests use, binds threads of its own, and keeps them.
        for thread in os.listdir('/proc/self/task'):
            try:
                yield thread, frozenset(os.sched_getaffinity(int(thread)))
            except ProcessLookupError:
                pass

    cores, before = frozenset(os.sched_getaffinity(0)), set(bound())
    found, done = set(), threading.Event()

    def look():
        while not done.is_set():
            found.update(set(bound()) - before)

    with openvino_engine.open(random_checkpoint, (240, 320), threads=threads) as engine:
        looking = threading.Thread(target=look)
        looking.start()
        for frame in frames(10, (240, 320)):
            engine.labels(frame)
        done.set()
        looking.join()
    assert found and {affinity for _, affinity in found} == {cores}


def test_foreign_frames_are_refused(random_checkpoint):
    with openvino_engine.open(random_checkpoint, SIZE, threads=1) as engine:
        for frame in (np.zeros((48, 72, 3), np.uint8), np.zeros(SIZE + (3,), np.float32)):
            with pytest.raises(ValueError, match='takes uint8 frames'):
                engine.labels(frame)


def test_a_closed_engine_says_so(random_checkpoint):
    engine = openvino_engine.open(random_checkpoint, SIZE, threads=1)
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match='closed'):
        engine.labels(frames(1)[0])
    with pytest.raises(RuntimeError, match='closed'):
        engine.logits(frames(1)[0])


def test_precisions(random_checkpoint):
    with pytest.raises(EngineError, match='fp32 or bf16, not fp16'):
        openvino_engine.open(random_checkpoint, SIZE, 'fp16')
    if 'BF16' in openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        engine = openvino_engine.open(random_checkpoint, SIZE, 'bf16', threads=1)
        assert engine.precision == 'bf16'
    else:
        with pytest.raises(EngineError, match='does not compute in bf16'):
            openvino_engine.open(random_checkpoint, SIZE, 'bf16')


def test_the_compiled_model_is_kept(random_checkpoint, tmp_path):
    cache = tmp_path / 'not' / 'there'
    frame = frames(1)[0]
    with openvino_engine.open(random_checkpoint, SIZE, cache=cache, threads=1) as engine:
        first = engine.labels(frame).copy()
    blobs = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert blobs
    with openvino_engine.open(random_checkpoint, SIZE, cache=cache, threads=1) as engine:
        assert np.array_equal(engine.labels(frame), first)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == blobs


def test_a_damaged_cache_is_replaced(random_checkpoint, tmp_path):
    """Cut short or with changed weights inside: not used, and compiled again."""
    frame = frames(1)[0]
    with openvino_engine.open(random_checkpoint, SIZE, cache=tmp_path, threads=1) as engine:
        first = engine.labels(frame).copy()
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for place in (0.3, 0.6, 0.8, 0.9, 0.97, None):
        for path, content in whole.items():
            at = 100 if place is None else int(len(content) * place)
            changed = b'' if place is None else bytes(value ^ 0x55 for value in content[at:at + 64])
            path.write_bytes(content[:at] + changed + content[at + 64:] * (place is not None))
        with openvino_engine.open(random_checkpoint, SIZE, cache=tmp_path, threads=1) as engine:
            assert np.array_equal(engine.labels(frame), first), place


def test_a_cache_that_cannot_be_made_is_told(random_checkpoint, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(EngineError, match='engine cache'):
        openvino_engine.open(random_checkpoint, SIZE, cache=tmp_path / 'file' / 'cache')


def changed(checkpoint, **arrays):
    """Return the checkpoint with arrays replaced, or removed where None."""
    changes = {name.replace('__', '.'): array for name, array in arrays.items()}
    merged = dict(checkpoint.arrays, **changes)
    return weights.Checkpoint({name: array for name, array in merged.items() if array is not None},
                              checkpoint.metadata, 'odd.npz')


@pytest.mark.parametrize('change, message', [
    ({'decoder__last__weight': None}, 'odd.npz: lacks array decoder.last.weight'),
    ({'encoder__section2__3__branch__0__weight': None}, 'does not fit enet near encoder.section2.3'),
    ({'encoder__down1__branch__1__running_var': None}, 'lacks array encoder.down1.branch.1.running_var'),
    ({'encoder__surprise': np.zeros(3, np.float32)}, 'odd.npz: holds the unknown array encoder.surprise'),
    ({'encoder__section1__0__branch__0__weight': np.zeros((16, 32, 1, 1), np.float32)},
     'odd.npz: .*does not fit enet near encoder.section1.0'),
    ({'encoder__section1__0__branch__1__running_var': np.ones(7, np.float32)},
     'odd.npz: .*does not fit enet near encoder.section1.0'),
    ({'decoder__last__weight': np.zeros((16, 12, 2, 2), np.float32)}, 'gives 12 classes, but .* has 11')])
def test_arrays_that_do_not_fit_are_named(random_checkpoint, change, message):
    with pytest.raises(weights.WeightsError, match=message) as caught:
        openvino_network.build(changed(random_checkpoint, **change), SIZE)
    assert '\n' not in str(caught.value)


def test_no_torch_is_imported(random_weights):
    code = ('import sys, numpy; from enet_ros import Segmenter; '
            "segment = Segmenter.open(sys.argv[1], engine='openvino', threads=1); "
            'assert segment(numpy.zeros((100, 200, 3), numpy.uint8)).shape == (100, 200); '
            "print('torch' in sys.modules)")
    done = subprocess.run([sys.executable, '-c', code, str(random_weights)],
                          stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().strip() == 'False'
