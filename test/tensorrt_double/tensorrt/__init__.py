"""A double of TensorRT's Python module: it records a network definition and can execute it.

It holds the names our code and torch2trt use, with TensorRT's documented meaning, and refuses
everything else: an unknown layer attribute is an error, as with the real binding. Which names exist
depends on TENSORRT_DOUBLE_VERSION (8.2.1.9 unless set): `add_pooling` and workspaces of the old kind
are gone in 10. `execute(network, feeds)` runs the definition with torch; nothing is built for a GPU, and
`build_serialized_network` gives bytes that `deserialize_cuda_engine` takes back in the same process.
"""

import os

from ._builder import *  # noqa: F403
from ._layer import *  # noqa: F403
from ._network import *  # noqa: F403
from ._runtime import *  # noqa: F403
from ._types import *  # noqa: F403

__version__ = os.environ.get('TENSORRT_DOUBLE_VERSION', '8.2.1.9')


class IHostMemory(bytes):
    """A serialized engine."""
