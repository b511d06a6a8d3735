"""What torch2trt fills a network definition with in half precision, real or double; prints JSON.

Run by test_torch2trt; with 'real' it takes NVIDIA's builder for `tensorrt`, else the double on PYTHONPATH.
"""

import importlib
import json
import sys

if sys.argv[1] == 'real':
    trt = importlib.import_module('tensorrt_rtx_bindings')
    # It is gone there, and torch2trt sets it.
    trt.ITensor.location = property(lambda tensor: trt.TensorLocation.DEVICE, lambda tensor, value: None)
    sys.modules['tensorrt'] = trt
else:
    import tensorrt as trt
    create = trt.Builder.create_network
    trt.Builder.create_network = lambda builder, flags: create(
        builder, 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))

from test_real_builder import FORMS, SIZE, described, graph_of, logger  # noqa: E402
import torch  # noqa: E402

from enet_ros.deploy.tensorrt_trace import record  # noqa: E402

found, errors = {}, []
torch.set_num_threads(1)
for name, variant, head, prelu, as_bytes in FORMS:
    if not as_bytes:
        log = logger(trt)
        recorded = record(graph_of(name, variant, head).half(), torch.zeros((1, 3) + SIZE).half(), log, prelu)
        found[f'{name} {variant} {head} {prelu}'] = described(recorded.network)
        # There is no GPU, and torch2trt sets the output's type, which a typed network has by itself.
        errors += [line for line in log.errors if 'catchCudaError' not in line and 'setType' not in line]
print(json.dumps([found, errors]))
