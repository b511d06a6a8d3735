"""The runner, its buffers and what is refused; with the double, without torch2trt."""

import ctypes
import importlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from torch import nn

from enet_ros.deploy import cuda_memory, tensorrt_engine
from enet_ros.deploy.engine import EngineError
from enet_ros.deploy.frames import FrameBuffers
from enet_ros.deploy.graph import rewrite
from enet_ros.deploy.tensorrt_build import unseen_frame
from enet_ros.networks import from_checkpoint

SIZE = (16, 24)


class Tiny(nn.Module):
    """A network small enough to be written for TensorRT by hand."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, image):
        return self.conv(image)


def plan(trt, precision='fp16', size=SIZE, spoil=False):
    """Return the plan of `Tiny`; spoiled: its answer is that to one image, whatever it is asked."""
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1)
    dtype = trt.float16 if precision == 'fp16' else trt.float32
    image = network.add_input('image', dtype, (1, 3) + size)
    conv = Tiny().conv
    weight, bias = [tensor.detach().numpy() for tensor in (conv.weight, conv.bias)]
    layer = network.add_convolution_nd(image, 5, (3, 3), weight, bias)
    layer.padding_nd = (1, 1)
    output = layer.get_output(0)
    if spoil:
        baked = conv(torch.zeros((1, 3) + size)).detach().numpy()
        output = network.add_constant(baked.shape, baked).get_output(0)
    output.dtype = dtype
    network.mark_output(output)
    return builder.build_serialized_network(network, builder.create_builder_config())


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setattr(tensorrt_engine, 'DEVICE', 'cpu')


def runner(content, precision='fp16', size=SIZE, head='logits'):
    return tensorrt_engine.run(content, size, precision, head)


def built(checkpoint, precision, head):
    """Return a plan of our own tracing."""
    build = importlib.import_module('enet_ros.deploy.tensorrt_build')
    return build.build(rewrite(from_checkpoint(checkpoint), head), SIZE, precision, 1 << 20).plan


@pytest.fixture
def any_plan(trt, random_checkpoint):
    return built(random_checkpoint, 'fp16', 'logits') if tensorrt_engine.takes_bytes() else plan(trt)


old = pytest.mark.parametrize('trt', ['8.2.1.9'], indirect=True)
with_bytes = pytest.mark.parametrize('trt', ['8.5.3', '8.6.1', '10.3.0'], indirect=True)


@old
@pytest.mark.parametrize('precision, tolerance', [('fp16', 2e-3), ('fp32', 1e-6)])
def test_floats_by_torch_where_there_are_no_bytes(trt, precision, tolerance):
    frames = np.random.RandomState(0).randint(0, 256, (3,) + SIZE + (3,)).astype(np.uint8)
    with runner(plan(trt, precision), precision) as engine:
        for frame in frames:
            with torch.no_grad():
                truth = Tiny()(torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255)[0].numpy()
            assert np.abs(engine.logits(frame) - truth).max() < tolerance
            assert np.mean(engine.labels(frame) == truth.argmax(0)) > 0.99
            assert engine.labels(frame).dtype == np.uint8
    engine.close()
    with pytest.raises(RuntimeError, match='closed'):
        engine.labels(frames[0])


@with_bytes
@pytest.mark.parametrize('precision', ['fp16', 'fp32'])
def test_bytes_in_labels_out(trt, random_checkpoint, precision):
    """One plan of labels, and one of logits that is opened when first asked for."""
    graph = rewrite(from_checkpoint(random_checkpoint))
    plans = {head: built(random_checkpoint, precision, head) for head in ('labels', 'logits')}
    opened = []

    def open_plan(head):
        opened.append(head)
        return tensorrt_engine.Plan(plans[head], SIZE, 'cpu')

    frame = unseen_frame(SIZE, seed=4)
    with tensorrt_engine.TensorRTEngine(open_plan, SIZE, precision) as engine:
        labels = engine.labels(frame)
        assert opened == ['labels'] and labels.dtype == np.uint8 and labels.shape == SIZE
        inside = engine._plans['labels']
        assert not any(np.shares_memory(labels, own) for own in (inside._fetched, inside._frame))
        with torch.no_grad():
            truth = graph(torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255)[0].numpy()
        logits = engine.logits(frame)
        assert opened == ['labels', 'logits'] and logits.dtype == np.float32
        assert np.abs(logits - truth).max() < (0.02 if precision == 'fp16' else 1e-4) * np.abs(truth).max()
        assert np.mean(engine.labels(frame) == truth.argmax(0)) > (0.98 if precision == 'fp16' else 0.999)
    engine.close()
    with pytest.raises(RuntimeError, match='closed'):
        engine.labels(frame)


def test_a_robot_that_has_its_plan_imports_no_torch(double_environment, random_weights, tmp_path):
    """Built in a child at the first opening, loaded at the second; no torch2trt anywhere."""
    program = """
import sys
import numpy as np
from enet_ros import Segmenter, deploy
from enet_ros.deploy import tensorrt_engine
print('torch' in sys.modules)       # the double will import it: it computes with it
for opening in ('first', 'second'):
    print(opening, file=sys.stderr)
    with Segmenter.open(sys.argv[1], 'tensorrt', cache=sys.argv[2]) as segment:
        print(segment(np.zeros((20, 30, 3), np.uint8)).shape, segment.engine.name)
"""
    run = subprocess.run(
        [sys.executable, '-c', program, str(random_weights), str(tmp_path / 'engines')],
        env=double_environment(tmp_path, '10.3.0'), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        universal_newlines=True)
    assert run.stdout.splitlines() == ['False'] + ['(20, 30) tensorrt'] * 2, run.stderr
    first, second = run.stderr.split('second')
    assert 'building the engine' in first and 'building' not in second


@pytest.mark.parametrize('trt', ['8.2.1.9', '10.3.0'], indirect=True)
def test_frames_of_another_size_are_refused(trt, any_plan):
    with runner(any_plan) as engine, pytest.raises(ValueError, match='uint8 frames of shape'):
        engine.logits(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize('content', [b'', b'no plan', b'\0' * 1000])
def test_a_foreign_plan_is_one_clear_error(trt, content):
    with pytest.raises(EngineError, match='cannot load'):
        runner(content)


@pytest.mark.parametrize('trt', ['8.2.1.9', '10.3.0'], indirect=True)
def test_a_plan_for_another_size_is_refused(trt, any_plan):
    with pytest.raises(EngineError, match='another size'):
        runner(any_plan, size=(16, 16))


@old
def test_the_second_image_finds_a_frozen_engine(trt):
    build = importlib.import_module('enet_ros.deploy.tensorrt_build')
    with runner(plan(trt, 'fp32'), 'fp32') as engine:
        build.check(engine, Tiny(), 'logits')
    with runner(plan(trt, 'fp32', spoil=True), 'fp32') as engine:
        black = np.zeros(SIZE + (3,), np.uint8)
        with torch.no_grad():
            truth = Tiny()(torch.zeros((1, 3) + SIZE))[0].numpy()
        assert np.abs(engine.logits(black) - truth).max() < 1e-6      # right on what it was traced with
        with pytest.raises(EngineError, match='second input'):
            build.check(engine, Tiny(), 'logits')


@with_bytes
@pytest.mark.parametrize('precision', ['fp16', 'fp32'])
def test_labels_alone_tell_a_wrong_engine_too(trt, random_checkpoint, precision):
    build = importlib.import_module('enet_ros.deploy.tensorrt_build')
    graph = rewrite(from_checkpoint(random_checkpoint))
    with runner(built(random_checkpoint, precision, 'labels'), precision, head='labels') as engine:
        build.check(engine, graph)
        graph.last.weight[:, 2] *= 1.5      # another network's plan: one class is preferred
        with pytest.raises(EngineError, match='second input'):
            build.check(engine, graph)


def test_buffers_scale_exactly_and_take_the_first_of_equal_classes():
    buffers = FrameBuffers((16, 16), torch.float16, 'cpu', channels_last=True)
    frame = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    buffers.load(frame)
    exact = torch.from_numpy(frame).permute(2, 0, 1)[None].double() / 255
    assert torch.equal(buffers.image, exact.half())
    assert buffers.image.is_contiguous(memory_format=torch.channels_last)
    logits = torch.zeros(1, 4, 16, 16)
    logits[:, 2:, 3, 5] = 1
    buffers.store(logits)
    labels = buffers.labels()
    assert labels[3, 5] == 2 and labels.sum() == 2
    # Pinned memory stays inside: a TX1's processor reads it uncached.
    assert not any(np.shares_memory(labels, own.numpy()) for own in (buffers._labels, buffers._frame))


def test_why_it_is_not_available(monkeypatch, trt):
    monkeypatch.setattr(tensorrt_engine, 'DEVICE', 'cuda')
    assert "NVIDIA's driver" in tensorrt_engine.available() or torch.cuda.is_available()
    monkeypatch.setattr(tensorrt_engine, 'DEVICE', 'cpu')
    assert tensorrt_engine.available() is None
    for version in ('7.1.3', '12.0.0'):
        monkeypatch.setattr(trt, '__version__', version)
        assert 'is not supported' in tensorrt_engine.available()


@pytest.mark.skipif(importlib.util.find_spec('tensorrt') is not None, reason='TensorRT is installed')
def test_without_tensorrt_that_is_said():
    assert tensorrt_engine.available() == 'the tensorrt module is not installed'


def test_a_tensorrt_that_does_not_load_is_said(tmp_path, monkeypatch):
    (tmp_path / 'tensorrt.py').write_text('raise OSError("libnvinfer.so.8: cannot open shared object file")')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(tensorrt_engine, 'DEVICE', 'cpu')
    assert 'libnvinfer.so.8' in tensorrt_engine.available()


class Driver:
    """A double of libcuda: copies to the host happen at the wait, and a thread without context is refused."""

    def __init__(self):
        self.allocated, self.queued, self.current, self.contexts = {}, [], threading.local(), 0

    def __getattr__(self, name):
        raise AttributeError(f'undefined symbol: {name}')

    def cuInit(self, flags):
        return 0

    def cuDeviceGet(self, device, number):
        device._obj.value = number
        return 0

    def cuDeviceGetName(self, name, length, device):
        name.value = b'NVIDIA Tegra X1'
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = {75: 5, 76: 3}[attribute]
        return 0

    def cuDevicePrimaryCtxRetain(self, context, device):
        context._obj.value, self.contexts = 7, self.contexts + 1
        return 0

    def cuDevicePrimaryCtxRelease(self, device):
        self.contexts -= 1
        return 0

    def cuCtxSetCurrent(self, context):
        self.current.context = context.value
        return 0

    def _allocate(self, address, size):
        if getattr(self.current, 'context', None) != 7:
            return 201
        block = ctypes.create_string_buffer(size.value)
        address._obj.value = ctypes.addressof(block)
        self.allocated[address._obj.value] = block
        return 0

    def cuMemAlloc_v2(self, address, size):
        return self._allocate(address, size)

    def cuMemHostAlloc(self, address, size, flags):
        return self._allocate(address, size)

    def cuStreamCreate(self, stream, flags):
        stream._obj.value = 9
        return 0

    def cuMemcpyHtoDAsync_v2(self, target, source, size, stream):
        if getattr(self.current, 'context', None) != 7 or stream.value != 9:
            return 201
        ctypes.memmove(target.value, source.value, size.value)
        return 0

    def cuMemcpyDtoHAsync_v2(self, target, source, size, stream):
        self.queued.append((target.value, source.value, size.value))
        return 0 if stream.value == 9 else 400

    def cuStreamSynchronize(self, stream):
        while self.queued:
            ctypes.memmove(*self.queued.pop())
        return 0

    def _free(self, address):
        del self.allocated[address.value]
        return 0

    cuMemFree_v2 = cuMemFreeHost = _free

    def cuStreamDestroy_v2(self, stream):
        return 0 if stream.value == 9 else 400


@pytest.fixture
def driver(monkeypatch):
    found = Driver()
    monkeypatch.setattr(cuda_memory.ctypes, 'CDLL', lambda name: found)
    return found


def test_the_gpu_is_asked_without_a_context_of_its_own(monkeypatch, driver):
    """PyTorch would hold memory that the child needs for building."""
    assert cuda_memory.gpu() == ('NVIDIA Tegra X1', '53') and not driver.contexts
    monkeypatch.setattr(Driver, 'cuInit', lambda self, flags: 100)
    with pytest.raises(EngineError, match='refuses cuInit .error 100'):
        cuda_memory.gpu()


@pytest.mark.parametrize('trt', ['10.3.0'], indirect=True)
def test_memory_and_stream_by_the_driver(trt, random_checkpoint, driver, monkeypatch):
    """What goes through the driver is right, from any thread, and given back."""
    content, frame = built(random_checkpoint, 'fp32', 'labels'), unseen_frame(SIZE, seed=4)
    with runner(content, 'fp32', head='labels') as engine:
        truth = engine.labels(frame).copy()
    monkeypatch.setattr(tensorrt_engine, 'DEVICE', 'cuda')
    with runner(content, 'fp32', head='labels') as engine:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(engine.labels(frame).copy()))
        thread.start()
        thread.join()
        assert len(driver.allocated) == 4 and np.array_equal(answers[0], truth)
    assert not driver.allocated and not driver.contexts


@pytest.mark.parametrize('trt', ['10.3.0'], indirect=True)
@pytest.mark.parametrize('refused, told', [
    ('cuMemAlloc_v2', 'refuses cuMemAlloc_v2 .error 2'), ('cuStreamCreate', 'refuses cuStreamCreate'),
    ('cuMemcpyHtoDAsync_v2', 'refuses cuMemcpyHtoDAsync_v2')])
def test_a_plan_that_does_not_run_gives_everything_back(trt, random_checkpoint, driver, monkeypatch, refused,
                                                        told):
    content = built(random_checkpoint, 'fp32', 'labels')
    monkeypatch.setattr(tensorrt_engine, 'DEVICE', 'cuda')
    monkeypatch.setattr(Driver, refused, lambda *arguments: 2)
    with pytest.raises(EngineError, match=told):
        runner(content, 'fp32', head='labels')
    assert not driver.allocated and not driver.contexts


@pytest.mark.parametrize('trt', ['10.3.0'], indirect=True)
def test_what_the_driver_keeps_does_not_keep_the_rest(trt, random_checkpoint, driver, monkeypatch):
    monkeypatch.setattr(tensorrt_engine, 'DEVICE', 'cuda')
    engine = runner(built(random_checkpoint, 'fp32', 'labels'), 'fp32', head='labels')
    monkeypatch.setattr(Driver, 'cuMemFree_v2', lambda *arguments: 700)
    with pytest.raises(EngineError, match='refuses cuMemFree_v2 .error 700'):
        engine.close()
    assert len(driver.allocated) == 2 and not driver.contexts


@with_bytes
def test_a_network_that_tensorrt_does_not_run_is_an_engine_error(trt, random_checkpoint, monkeypatch):
    content = built(random_checkpoint, 'fp32', 'labels')
    monkeypatch.setattr(importlib.import_module('tensorrt')._runtime._Context10, 'execute_async_v3',
                        lambda self, stream: False)
    with pytest.raises(EngineError, match='does not run: TensorRT could not run the network'):
        runner(content, 'fp32', head='labels')


@pytest.mark.parametrize('trt', ['10.3.0'], indirect=True)
def test_what_the_builder_refuses_is_told(trt, random_checkpoint, monkeypatch):
    build = importlib.import_module('enet_ros.deploy.tensorrt_build')
    graph = rewrite(from_checkpoint(random_checkpoint), 'labels')
    assert build.build(graph, SIZE, 'fp16', 1 << 20, tactics=['cublas']).layers > 100
    with pytest.raises(EngineError, match="tactic source 'MAGIC', only CUBLAS"):
        build.build(graph, SIZE, 'fp16', 1 << 20, tactics=['MAGIC'])
    fill = importlib.import_module('enet_ros.deploy.tensorrt_fill')
    monkeypatch.setattr(fill.Network, 'array', lambda self, tensor: trt.Weights(trt.float32)
                        if tensor is None else tensor.numpy())
    with pytest.raises(EngineError, match='refuses the network: CONVOLUTION: inputs and weights of one type'):
        build.build(graph, SIZE, 'fp16', 1 << 20)


def test_other_precisions_are_refused():
    assert tensorrt_engine.checked_precision(None) == 'fp16'
    with pytest.raises(EngineError, match='fp16 or fp32, not bf16'):
        tensorrt_engine.checked_precision('bf16')


def test_the_key_names_what_a_plan_depends_on(monkeypatch, trt, random_checkpoint):
    monkeypatch.setattr(tensorrt_engine, 'DEVICE', 'cpu')
    monkeypatch.setenv('TORCH2TRT_REF', 'v0.4.0')
    key = tensorrt_engine.engine_key(random_checkpoint, (96, 128), 'fp16')
    assert key['tensorrt'] == os.environ['TENSORRT_DOUBLE_VERSION'] and key['torch2trt'] == 'v0.4.0'
    assert key['weights'] == random_checkpoint.sha256 and key['size'] == '96x128'
