"""The runner, its buffers and what is refused; with the double, without torch2trt."""

import importlib
import os

import numpy as np
import pytest
import torch
from torch import nn

from enet_ros.deploy import tensorrt_engine
from enet_ros.deploy.engine import EngineError
from enet_ros.deploy.frames import FrameBuffers

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


def runner(trt, content, precision='fp16', size=SIZE):
    module = importlib.import_module('enet_ros.deploy.tensorrt_runner')
    return module.TensorRTEngine(content, size, precision, device='cpu')


@pytest.mark.parametrize('precision, tolerance', [('fp16', 2e-3), ('fp32', 1e-6)])
def test_bytes_in_labels_out(trt, precision, tolerance):
    frames = np.random.RandomState(0).randint(0, 256, (3,) + SIZE + (3,)).astype(np.uint8)
    with runner(trt, plan(trt, precision), precision) as engine:
        for frame in frames:
            with torch.no_grad():
                truth = Tiny()(torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255)[0].numpy()
            assert np.abs(engine.logits(frame) - truth).max() < tolerance
            assert np.mean(engine.labels(frame) == truth.argmax(0)) > 0.99
            assert engine.labels(frame).dtype == np.uint8
    engine.close()
    with pytest.raises(RuntimeError, match='closed'):
        engine.labels(frames[0])


def test_frames_of_another_size_are_refused(trt):
    with runner(trt, plan(trt)) as engine, pytest.raises(ValueError, match='uint8 frames of shape'):
        engine.labels(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize('content', [b'', b'no plan', b'\0' * 1000])
def test_a_foreign_plan_is_one_clear_error(trt, content):
    with pytest.raises(EngineError, match='cannot load'):
        runner(trt, content)


def test_a_plan_for_another_size_is_refused(trt):
    with pytest.raises(EngineError, match='another size'):
        runner(trt, plan(trt, size=(16, 16)))


def test_the_second_image_finds_a_frozen_engine(trt):
    build = importlib.import_module('enet_ros.deploy.tensorrt_build')
    with runner(trt, plan(trt, 'fp32'), 'fp32') as engine:
        build.check(engine, Tiny())
    with runner(trt, plan(trt, 'fp32', spoil=True), 'fp32') as engine:
        black = np.zeros(SIZE + (3,), np.uint8)
        with torch.no_grad():
            truth = Tiny()(torch.zeros((1, 3) + SIZE))[0].numpy()
        assert np.abs(engine.logits(black) - truth).max() < 1e-6      # right on what it was traced with
        with pytest.raises(EngineError, match='second input'):
            build.check(engine, Tiny())


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
    assert tensorrt_engine.available() == 'PyTorch sees no CUDA device' or torch.cuda.is_available()
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


def test_the_gpu_is_asked_without_a_context_of_its_own(monkeypatch):
    """By the driver: PyTorch would hold memory that the child needs for building."""
    class Driver:
        def cuInit(self, flags):
            return 0

        def cuDeviceGet(self, device, number):
            return 0

        def cuDeviceGetName(self, name, length, device):
            name.value = b'NVIDIA Tegra X1'
            return 0

        def cuDeviceGetAttribute(self, value, attribute, device):
            value._obj.value = {75: 5, 76: 3}[attribute]
            return 0

    monkeypatch.setattr(tensorrt_engine.ctypes, 'CDLL', lambda name: Driver())
    assert tensorrt_engine._gpu() == ('NVIDIA Tegra X1', '53')
    monkeypatch.setattr(Driver, 'cuInit', lambda self, flags: 100)
    with pytest.raises(EngineError, match='does not answer .error 100'):
        tensorrt_engine._gpu()


@pytest.mark.parametrize('trt', ['10.3.0'], indirect=True)
def test_from_ten_on_a_plan_needs_no_torch2trt(trt, random_checkpoint, monkeypatch):
    """Strongly typed and of our own tracing, built and run by the double; its refusals are told."""
    from enet_ros.deploy.graph import rewrite
    from enet_ros.networks import from_checkpoint
    build = importlib.import_module('enet_ros.deploy.tensorrt_build')
    graph = rewrite(from_checkpoint(random_checkpoint))
    for precision in ('fp16', 'fp32'):
        built = build.build(graph, SIZE, precision, 1 << 20, tactics=['cublas'])
        with runner(trt, built.plan, precision) as engine:
            build.check(engine, graph)
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
