"""A checkpoint as a file for other runtimes: ONNX or OpenVINO, everything that is needed to use it inside.

Both take uint8 RGB (1, H, W, 3), and give uint8 class indices (1, H, W) or float32 logits (1, C, H, W).
"""

import json
from pathlib import Path
from typing import Dict, Tuple

import numpy as np

from .. import __version__
from ..errors import InputError
from ..files import write_bytes
from ..weights import Checkpoint
from .onnx_graph import FLOAT, UINT8, Graph
from .opencv_engine import onnx_logits

HEADS = ('labels', 'logits')


def metadata(checkpoint: Checkpoint, input_size: Tuple[int, int], head: str,
             precision: str) -> Dict[str, str]:
    """Return what the file says of itself: JSON texts by key."""
    record = checkpoint.metadata
    told = {
        'classes': list(checkpoint.classes.names), 'colours': [list(rgb) for rgb in checkpoint.classes.rgb],
        'unknown': checkpoint.classes.ignore_index, 'input_size': list(input_size), 'head': head,
        'input': 'uint8 RGB, (1, H, W, 3), values 0 to 255', 'weights': precision,
        'network': checkpoint.network,
        'normalisation': f'{record["normalisation"]}, inside the file', 'sha256': checkpoint.sha256,
        'licence': checkpoint.licence or 'nobody has said', 'temperature': checkpoint.temperature,
        'made_by': f'enet_ros {__version__}'}
    return {key: json.dumps(value) for key, value in told.items()}


def write_onnx(path: Path, checkpoint: Checkpoint, input_size: Tuple[int, int], head: str,
               precision: str) -> None:
    """Write ONNX (opset 13), of ENet alone; 'fp16' stores the weights in half the bytes, nothing else."""
    if checkpoint.network != 'enet':
        raise InputError(f'ONNX is written for ENet, not for {checkpoint.network}: use --format openvino')
    height, width = input_size
    graph = Graph(precision == 'fp16')
    image = graph.input('image', (1, height, width, 3))
    values = graph.node('Cast', [image], image.shape, to=FLOAT)
    planes = graph.node('Transpose', [values], (1, 3, height, width), perm=(0, 3, 1, 2))
    output = onnx_logits(planes, checkpoint)
    if head == 'labels':
        best = graph.node('ArgMax', [output], (1, height, width), axis=1, keepdims=0)
        output = graph.node('Cast', [best], best.shape, to=UINT8)
    content = graph.file(image, output, UINT8, UINT8 if head == 'labels' else FLOAT,
                         metadata(checkpoint, input_size, head, precision))
    write_bytes(path, content, 'the network was')


def write_openvino(path: Path, checkpoint: Checkpoint, input_size: Tuple[int, int], head: str,
                   precision: str) -> None:
    """Write OpenVINO's .xml and, beside it, .bin; 'fp16' stores the weights in half the bytes."""
    import openvino
    from openvino import opset13 as op

    from .openvino_network import build
    model = build(checkpoint, input_size, 'logits')
    output = model.output(0)
    if head == 'labels':
        logits = model.get_results()[0].input_value(0)
        best = op.topk(logits, op.constant(np.int64(1)), 1, 'max', 'none', index_element_type='i32')
        labels = op.convert(op.squeeze(best.output(1), op.constant(np.array([1]))), 'u8')
        model = openvino.Model([labels.output(0)], model.get_parameters(), checkpoint.network)
        output = model.output(0)
    output.set_names({head})
    for key, value in metadata(checkpoint, input_size, head, precision).items():
        model.set_rt_info(value, ['enet_ros', key])
    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, str(path), compress_to_fp16=precision == 'fp16')
