"""Building a TensorRT engine from an inference graph, and checking what was built."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch

from .engine import Engine, EngineError
from .tensorrt_engine import takes_bytes
from .tensorrt_trace import record

_STRONGLY_TYPED = 10        # the first TensorRT whose networks are

# Least share of equal labels, and largest RMS error of logits over their RMS, against fp32.
_AGREEMENT = {'fp16': 0.95, 'fp32': 0.999}
_ERROR = {'fp16': 0.15, 'fp32': 0.005}


class Built(NamedTuple):
    """A serialized engine and the number of layers that it was made from."""

    plan: bytes
    layers: int


def build(graph: torch.nn.Module, input_size: Tuple[int, int], precision: str, workspace: int,
          prelu: str = 'pointwise', tactics: Optional[Sequence[str]] = None) -> Built:
    """Build an engine for batch 1 at (height, width); `workspace` is what TensorRT may use, in bytes.

    `tactics` are the libraries whose kernels TensorRT tries, by its own names (CUDNN, CUBLAS, CUBLAS_LT,
    ...): fewer need less memory; all that are there where None.

    The graph is in fp32 on the CPU. From TensorRT 8.5 on the plan takes a frame's bytes, and gives labels as
    bytes where the graph has that head; before, its input and output are floats of `precision`.
    EngineError with TensorRT's own words where it fails.
    """
    import tensorrt as trt

    errors: List[str] = []

    class Log(trt.ILogger):
        """Keep what goes wrong."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            """Keep errors only: a build says thousands of things."""
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                errors.append(message)

    logger = Log()      # must live as long as the builder
    try:
        network, builder, config, typed = _filled(graph, input_size, precision, logger, prelu)
    except Exception as error:      # a refused layer shows in whatever next asks for its shape
        if not errors:
            raise
        raise EngineError(f'TensorRT refuses the network: {errors[0]}') from error
    if errors:      # a refused attribute keeps its old value, without an exception
        raise EngineError(f'TensorRT refuses the network: {errors[0]}')
    if precision == 'fp16' and not typed:
        config.set_flag(trt.BuilderFlag.FP16)
    if hasattr(config, 'set_memory_pool_limit'):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    else:       # before 8.4
        config.max_workspace_size = workspace
    if tactics is not None:
        config.set_tactic_sources(_mask(trt.TacticSource, tactics))
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError('TensorRT built nothing: ' + ('; '.join(errors[-3:]) or 'it does not say why'))
    return Built(bytes(plan), network.num_layers)


def _mask(sources: Any, names: Sequence[str]) -> int:
    known = {name.upper(): 1 << int(value) for name, value in sources.__members__.items()}
    unknown = [name for name in names if name.upper() not in known]
    if unknown:
        raise EngineError(f"this TensorRT knows no tactic source '{unknown[0]}', only {', '.join(known)}")
    return sum({known[name.upper()] for name in names})


def _filled(graph: torch.nn.Module, input_size: Tuple[int, int], precision: str, logger: Any,
            prelu: str) -> Tuple[Any, Any, Any, bool]:
    """Return a definition, its builder and configuration, and whether its types are its own.

    From TensorRT 10 on they are. Before 8.5, which has no bytes, torch2trt traces; then nothing but torch.
    """
    import tensorrt as trt
    if takes_bytes():
        from .tensorrt_fill import Network, fill
        typed = int(trt.__version__.split('.')[0]) >= _STRONGLY_TYPED
        builder = trt.Builder(logger)
        definition = builder.create_network(1 << int(
            trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED if typed else
            trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
        dtype = np.float16 if typed and precision == 'fp16' else np.float32
        fill(Network(definition, dtype, prelu), graph, input_size, as_bytes=True)
        return definition, builder, builder.create_builder_config(), typed
    recorded = record(graph, torch.zeros((1, 3) + tuple(input_size)), logger=logger, prelu=prelu)
    for tensor in (recorded.network.get_input(0), recorded.network.get_output(0)):
        tensor.location = trt.TensorLocation.DEVICE     # torch2trt took it from the CPU example
        tensor.dtype = trt.float16 if precision == 'fp16' else trt.float32
    return recorded.network, recorded.builder, recorded.config, False


def check(engine: Engine, graph: torch.nn.Module, head: str = 'labels') -> None:
    """Compare an engine with its graph of logits in fp32 on a frame it never saw; EngineError if they differ.

    A network with a frozen tensor is right on the input it was traced with, and only on that. `head` is
    what the engine is asked for. How wrong a label is: what the true logits lose by it.
    """
    frame = unseen_frame(engine.input_size)
    with torch.no_grad():
        image = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
        truth = graph(image)[0].numpy()
    if head == 'labels':
        labels = engine.labels(frame)
        known = np.minimum(labels, len(truth) - 1).astype(np.int64)
        off = truth.max(0) - np.take_along_axis(truth, known[None], 0)[0]
    else:
        off = engine.logits(frame) - truth
        labels = (off + truth).argmax(0)
    agreement = float(np.mean(labels == truth.argmax(0)))
    error = float(np.sqrt(np.mean(off ** 2)) / max(np.sqrt(np.mean(truth ** 2)), 1e-12))
    if not (agreement >= _AGREEMENT[engine.precision] and error <= _ERROR[engine.precision]):
        raise EngineError(f'the built engine is wrong: on a second input {agreement:.1%} of its labels are '
                          f'right and its logits are off by {error:.1%}')


def unseen_frame(input_size: Tuple[int, int], seed: int = 1) -> np.ndarray:
    """Return an (H, W, 3) uint8 image of coloured patches of many sizes, some flat, some noisy."""
    random = np.random.RandomState(seed)
    height, width = input_size
    frame = np.full((height, width, 3), 110, np.float32)
    for _ in range(60):
        top, left = random.randint(height), random.randint(width)
        bottom, right = top + 1 + random.randint(height // 2 + 1), left + 1 + random.randint(width // 2 + 1)
        frame[top:bottom, left:right] = random.uniform(0, 255, 3)
    frame[:, width // 2:] += random.normal(0, 12, (height, width - width // 2, 3))
    return np.clip(frame, 0, 255).astype(np.uint8)
