"""The engine that is there wherever the package is: OpenCV's dnn, fed by an ONNX file of our own writing."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from enet_ros import networks, weights  # noqa: E402
from enet_ros.deploy import onnx_layers, opencv_engine  # noqa: E402
from enet_ros.deploy.engine import EngineError  # noqa: E402
from enet_ros.deploy.onnx_graph import Graph  # noqa: E402

SIZE = (48, 80)
# What `rosdep install` does not bring, or not everywhere.
ABSENT = ('torch', 'openvino', 'onnx', 'onnxruntime', 'rosbags', 'tensorrt', 'torch2trt')
SEGMENT = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT!r}))      # None: importing it fails
import numpy
from enet_ros import Segmenter
with Segmenter.open(sys.argv[1], input_size={SIZE}) as segment:
    numpy.save(sys.argv[3], segment(numpy.load(sys.argv[2])))
    print(segment.engine.name)
"""


def frames(count, size=SIZE):
    """Return smooth pictures, with a flat part: there, corners of pooling cells tie."""
    noise = np.random.default_rng(3).integers(0, 256, (count,) + size + (3,), dtype=np.uint8)
    smooth = np.stack([cv2.normalize(cv2.GaussianBlur(frame, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
                       for frame in noise])
    smooth[:, :10, :20] = 90
    return smooth


def reference(network, frame):
    """Return the published network's logits in float64."""
    image = torch.from_numpy(frame).permute(2, 0, 1)[None].double() / 255
    with torch.no_grad():
        return network.double()(image)[0].numpy()


def agree(labels, logits):
    """Hold labels against float64 logits where rounding cannot have decided: there, and almost everywhere."""
    ranked = np.sort(logits, axis=0)
    clear = ranked[-1] - ranked[-2] > 1e-3 * np.abs(logits).max()
    assert clear.mean() > 0.9
    # A pooling cell that ties to within rounding moves a value by a pixel, which few others see.
    assert (labels == logits.argmax(0))[clear].mean() > 0.995
    assert len(np.unique(labels)) > 1


@pytest.mark.parametrize('variant', ['authors', 'paper', 'pytorch-enet'])
def test_equals_the_published_network(random_checkpoint, variant):
    torch.manual_seed(2)
    network = networks.build('enet', 11, variant)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
        elif isinstance(module, torch.nn.PReLU):
            module.weight.data.uniform_(-0.5, 1.5)
    checkpoint = networks.to_checkpoint(network.eval(), dict(random_checkpoint.metadata, variant=variant))
    with opencv_engine.open(checkpoint, SIZE) as engine:
        for frame in frames(2):
            logits = reference(network, frame)
            error = np.abs(engine.logits(frame) - logits).max(0) / np.abs(logits).max()
            assert np.median(error) < 1e-5 and (error > 1e-4).mean() < 0.02
            agree(engine.labels(frame), logits)


def test_segments_where_nothing_else_is_installed(random_weights, random_checkpoint, tmp_path):
    """As on a robot after `rosdep install`; whoever is passed over, the way to be fast is one line."""
    frame = frames(1)[0]
    np.save(str(tmp_path / 'frame.npy'), frame)
    done = subprocess.run(
        [sys.executable, '-c', SEGMENT, str(random_weights), str(tmp_path / 'frame.npy'),
         str(tmp_path / 'labels.npy')],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == 'opencv'
    told = [line for line in done.stderr.splitlines() if 'pip install' in line]
    assert len(told) == 1 and 'slower' in told[0] and 'openvino' in told[0]
    logits = reference(networks.from_checkpoint(random_checkpoint), frame)
    agree(np.load(str(tmp_path / 'labels.npy')), logits)


def run(graph_input, output, image):
    """Run what computes `output` in OpenCV."""
    net = cv2.dnn.readNetFromONNX(np.frombuffer(graph_input.graph.file(graph_input, output), np.uint8))
    net.setInput(image)
    return net.forward()


@pytest.mark.parametrize('kind', ['ties', 'constant', 'zeros', 'noise', 'tiny'])
def test_unpooling_equals_indices_where_maxima_tie(kind):
    rng = np.random.default_rng(0)
    shape = (1, 16, 6, 10)
    pooled = {'ties': rng.integers(-1, 2, shape), 'constant': np.full(shape, 0.7),
              'zeros': np.maximum(rng.standard_normal(shape), 0), 'noise': rng.standard_normal(shape),
              'tiny': 1e-20 * rng.standard_normal(shape)}[kind].astype(np.float32)
    x = Graph().input('image', shape)
    maxima, winners = onnx_layers.pool(x)
    got = run(x, onnx_layers.unpool(maxima, winners, 6, 10), pooled)
    tensor, indices = torch.nn.functional.max_pool2d(torch.from_numpy(pooled), 2, 2, return_indices=True)
    assert np.array_equal(got, torch.nn.functional.max_unpool2d(tensor, indices, 2, 2).numpy())


def test_the_file_is_valid_onnx(random_checkpoint, tmp_path):
    onnx = pytest.importorskip('onnx')
    model = onnx.load_from_string(opencv_engine.onnx_file(random_checkpoint, SIZE))
    onnx.checker.check_model(model, full_check=True)
    shape = [side.dim_value for side in model.graph.output[0].type.tensor_type.shape.dim]
    assert shape == [1, 11, 48, 80]


def test_what_it_cannot_run_is_named(random_checkpoint, camvid_classes):
    with pytest.raises(EngineError, match='fp32, not fp16'):
        opencv_engine.open(random_checkpoint, SIZE, 'fp16')
    segnet = weights.Checkpoint({}, dict(random_checkpoint.metadata, network='segnet'))
    with pytest.raises(EngineError, match='ENet, not segnet'):
        opencv_engine.open(segnet, SIZE)
    odd = weights.Checkpoint(dict(random_checkpoint.arrays, surprise=np.zeros(3)),
                             random_checkpoint.metadata, 'odd.npz')
    with pytest.raises(weights.WeightsError, match='odd.npz: holds the unknown array surprise'):
        opencv_engine.open(odd, SIZE)
    kernel = 'encoder.section1.0.branch.0.weight'
    odd.arrays.pop('surprise')
    odd.arrays[kernel] = np.zeros((16, 32, 1, 1), np.float32)
    with pytest.raises(weights.WeightsError, match='odd.npz: .*does not fit enet near encoder.section1.0'):
        opencv_engine.open(odd, SIZE)


def test_a_closed_engine_says_so(random_checkpoint):
    engine = opencv_engine.open(random_checkpoint, SIZE)
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match='closed'):
        engine.labels(frames(1)[0])
