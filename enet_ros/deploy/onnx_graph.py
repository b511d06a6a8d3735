"""A small writer of ONNX files: float tensors of known shapes, nodes, weights; no library needed.

The file is a protocol buffer (https://protobuf.dev/programming-guides/encoding); the numbers of its fields
are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import struct
from typing import Any, List, NamedTuple, Sequence, Tuple, Union

import numpy as np

_IR_VERSION, _OPSET = 7, 13
_FLOAT = 1      # TensorProto.DataType
_INT, _STRING, _INTS = 2, 3, 7      # AttributeProto.AttributeType


class Maps(NamedTuple):
    """A tensor of a graph: its name there, and its shape (1, C, H, W)."""

    graph: 'Graph'
    name: str
    shape: Tuple[int, ...]


class Graph:
    """A graph that grows node by node."""

    def __init__(self) -> None:
        self._nodes: List[bytes] = []
        self._weights: List[bytes] = []

    def input(self, name: str, shape: Sequence[int]) -> Maps:
        """Return the graph's input."""
        return Maps(self, name, tuple(shape))

    def node(self, operator: str, inputs: Sequence[Union[Maps, np.ndarray]], shape: Sequence[int],
             **attributes: Union[int, str, Sequence[int]]) -> Maps:
        """Append a node that makes a tensor of `shape`; arrays among its inputs become weights."""
        name = f'{operator}_{len(self._nodes)}'
        names = [each.name if isinstance(each, Maps) else self._weight(each) for each in inputs]
        fields: List[Tuple[int, Any]] = [(1, each) for each in names] + [(2, name), (3, name), (4, operator)]
        fields += [(5, _attribute(key, value)) for key, value in sorted(attributes.items())]
        self._nodes.append(_message(*fields))
        return Maps(self, name, tuple(shape))

    def file(self, image: Maps, output: Maps) -> bytes:
        """Return the ONNX file of what computes `output` from `image`."""
        graph = _message(*[(1, node) for node in self._nodes], (2, 'enet_ros'),
                         *[(5, weight) for weight in self._weights],
                         (11, _value(image)), (12, _value(output)))
        return _message((1, _IR_VERSION), (2, 'enet_ros'), (7, graph), (8, _message((1, ''), (2, _OPSET))))

    def _weight(self, array: np.ndarray) -> str:
        name = f'weight_{len(self._weights)}'
        dimensions = [(1, length) for length in array.shape]
        content = np.ascontiguousarray(array, '<f4').tobytes()
        self._weights.append(_message(*dimensions, (2, _FLOAT), (8, name), (9, content)))
        return name


def _attribute(name: str, value: Union[int, str, Sequence[int]]) -> bytes:
    if isinstance(value, int):
        return _message((1, name), (3, value), (20, _INT))
    if isinstance(value, str):
        return _message((1, name), (4, value), (20, _STRING))
    return _message((1, name), *[(8, each) for each in value], (20, _INTS))


def _value(maps: Maps) -> bytes:
    """Return the ValueInfoProto that names a float tensor and its shape."""
    shape = _message(*[(1, _message((1, length))) for length in maps.shape])
    return _message((1, maps.name), (2, _message((1, _message((1, _FLOAT), (2, shape))))))


def _message(*fields: Tuple[int, Any]) -> bytes:
    """Encode fields (number, value): a number of 0 or more as a varint, text and bytes by their length."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts += [_varint(number << 3), _varint(value)]
        else:
            content = value.encode() if isinstance(value, str) else value
            parts += [_varint(number << 3 | 2), _varint(len(content)), content]
    return b''.join(parts)


def _varint(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return struct.pack(f'{len(groups) + 1}B', *groups, value)
