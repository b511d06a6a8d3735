"""A TensorRT network definition from an inference graph, through torch2trt."""

import contextlib
import importlib
import io
import re
import sys
from typing import Any, Dict, Iterator, List, NamedTuple

import numpy as np
import torch

from .engine import EngineError

_WARNING = re.compile(r'unsupported method (\S+)')

# A network's constants are slopes and single numbers; more than this many values are a baked activation.
_LARGEST_CONSTANT = 4096


class Recorded(NamedTuple):
    """A filled network and what must live as long as it."""

    network: Any
    builder: Any
    config: Any
    logger: Any


def record(graph: torch.nn.Module, example: torch.Tensor, logger: Any = None,
           prelu: str = 'pointwise') -> Recorded:
    """Fill a network definition; see `tensorrt_engine.trace`."""
    import tensorrt as trt

    from . import converters

    # By its full name: the package hides this module behind the function of the same name.
    machinery = importlib.import_module('torch2trt.torch2trt')

    logger = logger or trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    config = builder.create_builder_config()
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    keywords: Dict[str, Any] = {
        'module': graph, 'device_types': {}, 'default_device_type': trt.DeviceType.GPU, 'gpu_fallback': True,
        'fp16_mode': False, 'int8_mode': False, 'max_batch_size': 1,
        converters.PRELU_FORM: prelu}
    inputs = (example.detach().clone(),)        # torch2trt leaves a mark on it
    failure = None
    with torch.no_grad(), _unsupported_methods() as unsupported, _tensor_class_restored():
        conversion = machinery.ConversionContext(
            network, _harmless(machinery.CONVERTERS), torch2trt_kwargs=keywords, builder_config=config)
        with conversion as context, _static_shapes(machinery):
            baked = _watch_constants(context)
            context.add_inputs(inputs, ['image'])
            try:
                output = graph(*inputs)
                context.mark_outputs((output,), ['output'])
            except Exception as error:      # converters trip over what they do not know in many ways
                failure = error
    if unsupported or baked:
        raise EngineError('torch2trt has no converter for {}: their results would be frozen'.format(
            ', '.join(sorted(set(unsupported) | set(baked))))) from failure
    if failure is not None:
        raise EngineError(f'torch2trt cannot convert the network: {failure}') from failure
    return Recorded(network, builder, config, logger)


def _harmless(converters: Dict[Any, Any]) -> Dict[Any, Any]:
    """Leave out what cannot be hooked and unhooked: on Python 3.6 indexing, which we have none of.

    Without its converter a slice would have no counterpart in the network, which is an error here.
    """
    if sys.version_info >= (3, 7):
        return converters
    return {name: converter for name, converter in converters.items() if name != 'torch.Tensor.__getitem__'}


def _watch_constants(context: Any) -> List[str]:
    """Return a list that fills with the methods for which a map of the example became a constant."""
    baked: List[str] = []
    add_constant = context.network.add_constant

    def watched(shape: Any, values: Any) -> Any:
        if np.size(values) > _LARGEST_CONSTANT:
            baked.append('an input of ' + str(context.method_str))
        return add_constant(shape, values)

    context.network.add_constant = watched
    return baked


@contextlib.contextmanager
def _unsupported_methods() -> Iterator[List[str]]:
    """Collect the methods torch2trt prints a warning about; what else is printed goes to stderr."""
    found: List[str] = []
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield found
    finally:
        for line in printed.getvalue().splitlines():
            match = _WARNING.search(line)
            if match:
                found.append(match.group(1))
            else:
                print(line, file=sys.stderr)


@contextlib.contextmanager
def _tensor_class_restored() -> Iterator[None]:
    """Remove what torch2trt leaves on torch.Tensor."""
    before = set(vars(torch.Tensor))
    try:
        yield
    finally:
        for name in set(vars(torch.Tensor)) - before:
            delattr(torch.Tensor, name)


def _static_shapes(machinery: Any) -> Any:
    """Keep the newest torch2trt from recording layers that compute shapes."""
    if hasattr(machinery, 'use_shape_wrapping'):
        return machinery.use_shape_wrapping(False)
    return contextlib.ExitStack()
