"""Share of time by kind of operation: where the paper lost more than a quarter to PReLU."""

import collections
from typing import Dict, Tuple

import numpy as np

from ... import networks, weights

Shares = Dict[str, float]

# Kernels of PyTorch's profiler, by what a reader calls them; what is not listed is 'other'.
_TORCH_KINDS = {
    'mkldnn_convolution': 'convolution', '_slow_conv2d_forward': 'convolution',
    'slow_conv_dilated2d': 'convolution', 'slow_conv_transpose2d': 'convolution',
    'cudnn_convolution': 'convolution', 'cudnn_convolution_transpose': 'convolution',
    '_convolution': 'convolution', 'native_batch_norm': 'batch norm', 'cudnn_batch_norm': 'batch norm',
    '_prelu_kernel': 'PReLU', 'prelu': 'PReLU', 'clamp_min': 'ReLU', 'clamp_min_': 'ReLU', 'relu': 'ReLU',
    'add': 'sum', 'add_': 'sum', 'max_pool2d_with_indices': 'pooling', 'max_unpool2d': 'unpooling',
    'argmax': 'argmax', 'cat': 'copies', 'copy_': 'copies', 'constant_pad_nd': 'copies', 'fill_': 'copies'}

# Layer types of OpenVINO's profiling; element-wise operations after a convolution are inside it.
_OPENVINO_KINDS = {
    'Convolution': 'convolution', 'ConvolutionBackpropData': 'convolution', 'GroupConvolution': 'convolution',
    'Subgraph': 'element-wise', 'PRelu': 'PReLU', 'Relu': 'ReLU', 'MaxPool': 'pooling',
    'StridedSlice': 'unpooling', 'DepthToSpace': 'unpooling', 'Concat': 'unpooling', 'Reorder': 'copies',
    'Transpose': 'copies', 'Pad': 'copies', 'Split': 'copies', 'MatMul': 'convolution', 'TopK': 'argmax'}


def torch_shares(checkpoint: weights.Checkpoint, size: Tuple[int, int], repetitions: int = 5) -> Shares:
    """Profile the published network in PyTorch, eager; return shares of time that sum to 1."""
    import torch
    from torch.profiler import ProfilerActivity, profile
    network = networks.from_checkpoint(checkpoint)
    image = torch.rand((1, 3) + size)
    with torch.no_grad():
        network(image).argmax(1)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(repetitions):
                network(image).argmax(1)
    times: Dict[str, float] = collections.defaultdict(float)
    for event in profiler.key_averages():
        kernel = event.key.replace('aten::', '')
        times[_TORCH_KINDS.get(kernel, 'other')] += event.self_cpu_time_total
    return _shares(times)


def openvino_shares(checkpoint: weights.Checkpoint, size: Tuple[int, int], repetitions: int = 20) -> Shares:
    """Profile the OpenVINO engine's model; return shares of time that sum to 1.

    Each operation counts with its median. A PReLU that became part of a convolution's kernel counts
    as convolution.
    """
    import openvino

    from ...deploy.openvino_network import build
    compiled = openvino.Core().compile_model(
        build(checkpoint, size), 'CPU', {'PERFORMANCE_HINT': 'LATENCY', 'PERF_COUNT': True})
    request = compiled.create_infer_request()
    frame = np.random.default_rng(0).integers(0, 256, (1,) + size + (3,), np.uint8)
    times: Dict[Tuple[str, str], list] = collections.defaultdict(list)
    for _ in range(repetitions):
        request.infer([frame])
        for node in request.profiling_info:
            times[node.node_type, node.node_name].append(node.real_time.total_seconds())
    sums: Dict[str, float] = collections.defaultdict(float)
    for (kind, _), seconds in times.items():
        sums[_OPENVINO_KINDS.get(kind, 'other')] += float(np.median(seconds))
    return _shares(sums)


def _shares(times: Dict[str, float]) -> Shares:
    total = sum(times.values())
    return {kind: times[kind] / total for kind in sorted(times, key=lambda kind: -times[kind])}
