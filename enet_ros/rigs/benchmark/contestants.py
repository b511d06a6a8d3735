"""The contestants: the package's engines, and what users otherwise run an ENet with.

Everyone does the same: (H, W, 3) uint8 RGB frame in, (H, W) uint8 labels out.
"""

import io
import tempfile
from typing import Any, Callable, Dict, Optional, Tuple
import warnings

import cv2
import numpy as np

from ... import networks, weights
from ...classes import ClassTable
from ...deploy.factory import open_engine
from ...errors import InputError

Labeller = Callable[[np.ndarray], np.ndarray]
Size = Tuple[int, int]

ENGINES = ('tensorrt', 'openvino', 'torch')
PEERS = ('PyTorch eager', 'onnxruntime', 'OpenCV dnn', 'OpenCV dnn, classic engine', 'OpenVINO from ONNX',
         'torch.compile')


def untrained(network: str, classes: Optional[ClassTable] = None) -> weights.Checkpoint:
    """Return an untrained checkpoint: the values of weights do not change the time.

    But no two arrays are equal: the exporter would let layers share them, which no trained network does
    and which OpenCV's new engine does not read.
    """
    import torch
    classes = classes or ClassTable.load('camvid')
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    module = networks.build(network, len(classes))
    for array in module.state_dict().values():
        if array.is_floating_point():
            array += 0.01 * torch.rand_like(array)
    torch.random.set_rng_state(state)
    return networks.to_checkpoint(module, {
        'format': weights.FORMAT, 'network': network, 'variant': 'authors', 'input_size': [360, 640],
        'classes': classes.to_dict(), 'normalisation': weights.NORMALISATION})


def engines(checkpoint: weights.Checkpoint, size: Size, threads: Optional[int] = None,
            names: Tuple[str, ...] = ENGINES) -> Tuple[Dict[str, Labeller], Dict[str, str]]:
    """Open every engine there is; return them by name, and why the others are missing."""
    found: Dict[str, Labeller] = {}
    missing: Dict[str, str] = {}
    for name in names:
        try:
            engine = open_engine(checkpoint, name, input_size=size, threads=threads)
        except (InputError, ImportError) as error:
            missing[name] = str(error)
        else:
            found[f'{engine.name} {engine.precision}'] = engine.labels
    return found, missing


def peers(checkpoint: weights.Checkpoint, size: Size,
          names: Tuple[str, ...] = PEERS) -> Tuple[Dict[str, Labeller], Dict[str, str]]:
    """Set up every peer there is, in its defaults; return them by name, and why the others are missing."""
    makers = dict(zip(PEERS, (eager, onnx_runtime, opencv_dnn, opencv_classic_dnn, stock_openvino,
                              compiled)))
    found: Dict[str, Labeller] = {}
    missing: Dict[str, str] = {}
    for name in names:
        try:
            found[name] = makers[name](checkpoint, size)
        except Exception as error:      # a peer may fail in any way; the benchmark goes on without it
            lines = str(error).strip().splitlines()
            missing[name] = '{}: {}'.format(type(error).__name__, lines[0] if lines else '')
    return found, missing


def compiled(checkpoint: weights.Checkpoint, size: Size) -> Labeller:
    """Return the same as `eager` under torch.compile, which needs a C++ compiler."""
    import torch
    labels = eager(checkpoint, size, torch.compile)
    labels(np.zeros(size + (3,), np.uint8))     # compiles now, or fails
    return labels


def stock_openvino(checkpoint: weights.Checkpoint, size: Size) -> Labeller:
    """Return the exported inference graph in OpenVINO, argmax included; defaults for the least delay."""
    import openvino
    core = openvino.Core()
    model = core.compile_model(core.read_model(io.BytesIO(_exported(checkpoint, size, 'labels'))), 'CPU',
                               {'PERFORMANCE_HINT': 'LATENCY'})

    def labels(frame: np.ndarray) -> np.ndarray:
        answer: np.ndarray = model(cv2.dnn.blobFromImage(frame, 1 / 255))[0]
        return answer[0].astype(np.uint8)
    return labels


def eager(checkpoint: weights.Checkpoint, size: Size, prepared: Callable[[Any], Any] = lambda network: network
          ) -> Labeller:
    """Return the published network in PyTorch as it comes: what a port's `predict` does."""
    import torch
    network = prepared(networks.from_checkpoint(checkpoint))

    def labels(frame: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            image = torch.from_numpy(frame).permute(2, 0, 1)[None].float().contiguous() / 255
            answer: np.ndarray = network(image).argmax(1)[0].to(torch.uint8).numpy()
        return answer
    return labels


def onnx_runtime(checkpoint: weights.Checkpoint, size: Size) -> Labeller:
    """Return the exported inference graph in onnxruntime, argmax included; defaults otherwise."""
    import onnxruntime
    session = onnxruntime.InferenceSession(_exported(checkpoint, size, 'labels'),
                                           providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name

    def labels(frame: np.ndarray) -> np.ndarray:
        answer: np.ndarray = session.run(None, {name: cv2.dnn.blobFromImage(frame, 1 / 255)})[0]
        return answer[0].astype(np.uint8)
    return labels


def opencv_classic_dnn(checkpoint: weights.Checkpoint, size: Size) -> Labeller:
    """Return the same in the engine that OpenCV had alone before version 5."""
    if not hasattr(cv2.dnn, 'ENGINE_CLASSIC'):
        raise InputError(f'OpenCV {cv2.__version__} has one engine only')
    return opencv_dnn(checkpoint, size, engine=cv2.dnn.ENGINE_CLASSIC)


def opencv_dnn(checkpoint: weights.Checkpoint, size: Size, **options: Any) -> Labeller:
    """Return the exported inference graph in OpenCV's dnn module, argmax by NumPy."""
    with tempfile.NamedTemporaryFile(suffix='.onnx') as file:
        file.write(_exported(checkpoint, size, 'logits'))
        file.flush()
        net: Any = cv2.dnn.readNetFromONNX(file.name, **options)

    def labels(frame: np.ndarray) -> np.ndarray:
        net.setInput(cv2.dnn.blobFromImage(frame, 1 / 255))
        answer: np.ndarray = net.forward()[0].argmax(0).astype(np.uint8)
        return answer
    labels(np.zeros(size + (3,), np.uint8))
    return labels


def _exported(checkpoint: weights.Checkpoint, size: Size, head: str) -> bytes:
    """Export the inference graph: the published network's max-unpooling has no ONNX form."""
    import torch

    from ...deploy.graph import rewrite
    graph = rewrite(networks.from_checkpoint(checkpoint), head=head)
    buffer = io.BytesIO()
    options: Dict[str, Any] = {'opset_version': 17, 'input_names': ['image']}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            torch.onnx.export(graph, (torch.zeros((1, 3) + size),), buffer, dynamo=False, **options)
        except TypeError:       # before torch 2.5 there was only this exporter
            torch.onnx.export(graph, (torch.zeros((1, 3) + size),), buffer, **options)
    return buffer.getvalue()
