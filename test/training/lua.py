"""A writer of Torch7's format, to make files like the authors' own."""

import struct
from typing import Any, Dict, List

import numpy as np
from torch import nn


class Writer:
    """Appends values as Lua's torch.save writes them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._objects = 0

    def integer(self, *values: int) -> None:
        """Append 32-bit integers."""
        self.data += struct.pack(f'<{len(values)}i', *values)

    def long(self, *values: int) -> None:
        """Append 64-bit integers."""
        self.data += struct.pack(f'<{len(values)}q', *values)

    def text(self, text: str) -> None:
        """Append a length and its bytes."""
        self.integer(len(text))
        self.data += text.encode('latin1')

    def value(self, value: Any) -> None:
        """Append a number, text, truth, dictionary, array or `Layer`."""
        if value is None:
            self.integer(0)
        elif isinstance(value, bool):
            self.integer(5, int(value))
        elif isinstance(value, (int, float)):
            self.integer(1)
            self.data += struct.pack('<d', value)
        elif isinstance(value, str):
            self.integer(2)
            self.text(value)
        elif isinstance(value, dict):
            self.integer(3, self._next())
            self.integer(len(value))
            for key, entry in value.items():
                self.value(key)
                self.value(entry)
        elif isinstance(value, np.ndarray):
            self.tensor(value)
        else:
            self.header(value.kind)
            self.value(value.fields)

    def header(self, kind: str) -> None:
        """Begin a torch object."""
        self.integer(4, self._next())
        self.text('V 1')
        self.text(kind)

    def tensor(self, array: np.ndarray, kind: str = 'Cuda') -> None:
        """Append a tensor with its storage."""
        self.header(f'torch.{kind}Tensor')
        self.integer(array.ndim)
        self.long(*array.shape)
        self.long(*(step // array.itemsize for step in array.strides))
        self.long(1)
        self.header(f'torch.{kind}Storage')
        self.long(array.size)
        self.data += np.ascontiguousarray(array).tobytes()

    def _next(self) -> int:
        self._objects += 1
        return self._objects


class Layer:
    """A torch object: its class and fields."""

    def __init__(self, kind: str, **fields: Any) -> None:
        self.kind, self.fields = kind, dict(fields, train=False)


def sequential(layers: List[Layer]) -> Layer:
    """Return a container of layers."""
    modules: Dict[Any, Any] = dict(enumerate(layers, 1))
    return Layer('nn.Sequential', modules=modules)


def layers_of(network: nn.Module) -> List[Layer]:
    """Return the network as the authors' program lists it; dropout scales its input by 1 - p at rest."""
    layers = []
    for block in [network.encoder.initial, network.encoder.down1, *network.encoder.section1,
                  network.encoder.down2, *network.encoder.section2, *network.encoder.section3,
                  network.decoder.up4, *network.decoder.section4, network.decoder.up5,
                  *network.decoder.section5, network.decoder.last]:
        parts = [getattr(block, name) for name in ('conv', 'norm', 'branch', 'skip', 'activation')
                 if hasattr(block, name)] or [block]
        for module in (leaf for part in parts for leaf in part.modules() if not list(leaf.children())):
            if isinstance(module, nn.Dropout2d):
                layers.append(Layer('nn.SpatialDropout', p=module.p))
            elif list(module.parameters()):
                arrays = {name: array.numpy() for name, array in module.state_dict().items() if array.ndim}
                layers.append(Layer('nn.Any', output=np.zeros(0, np.float32), **arrays))
    return layers


def authors_file(network: nn.Module) -> bytes:
    """Return a file like the authors', its first layers one container deeper."""
    writer = Writer()
    layers = layers_of(network)
    writer.value(sequential([sequential(layers[:40]), *layers[40:]]))
    return bytes(writer.data)
