"""A small writer of ONNX files: tensors of known shapes, nodes, weights; no library needed.

The file is a protocol buffer (https://protobuf.dev/programming-guides/encoding); the numbers of its fields
are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import struct
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

_IR_VERSION, _OPSET = 7, 13
FLOAT, UINT8, INT64, _HALF = 1, 2, 7, 10    # TensorProto.DataType
_MOST_HALF = 65504.0
_INT, _STRING, _INTS = 2, 3, 7      # AttributeProto.AttributeType


class Maps(NamedTuple):
    """A tensor of a graph: its name there, and its shape (1, C, H, W)."""

    graph: 'Graph'
    name: str
    shape: Tuple[int, ...]


class Graph:
    """A graph that grows node by node."""

    def __init__(self, half: bool = False) -> None:
        """`half` stores weights in fp16, which a Cast makes fp32 again as the file is loaded."""
        self._half = half
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

    def file(self, image: Maps, output: Maps, image_type: int = FLOAT, output_type: int = FLOAT,
             metadata: Optional[Mapping[str, str]] = None) -> bytes:
        """Return the ONNX file of what computes `output` from `image`, `metadata` among its properties."""
        graph = _message(*[(1, node) for node in self._nodes], (2, 'enet_ros'),
                         *[(5, weight) for weight in self._weights],
                         (11, _value(image, image_type)), (12, _value(output, output_type)))
        told = [(14, _message((1, key), (2, text))) for key, text in sorted((metadata or {}).items())]
        return _message((1, _IR_VERSION), (2, 'enet_ros'), (7, graph), (8, _message((1, ''), (2, _OPSET))),
                        *told)

    def _weight(self, array: np.ndarray) -> str:
        name = f'weight_{len(self._weights)}'
        dimensions = [(1, length) for length in array.shape]
        # A scalar is not worth a Cast, and large constants overflow.
        half = self._half and array.size > 1 and float(np.abs(array).max()) < _MOST_HALF
        content = np.ascontiguousarray(array, '<f2' if half else '<f4').tobytes()
        self._weights.append(_message(*dimensions, (2, _HALF if half else FLOAT), (8, name), (9, content)))
        if not half:
            return name
        self._nodes.append(_message((1, name), (2, name + '_fp32'), (3, name + '_cast'), (4, 'Cast'),
                                    (5, _attribute('to', FLOAT))))
        return name + '_fp32'


def _attribute(name: str, value: Union[int, str, Sequence[int]]) -> bytes:
    if isinstance(value, int):
        return _message((1, name), (3, value), (20, _INT))
    if isinstance(value, str):
        return _message((1, name), (4, value), (20, _STRING))
    return _message((1, name), *[(8, each) for each in value], (20, _INTS))


def _value(maps: Maps, kind: int) -> bytes:
    """Return the ValueInfoProto that names a tensor, its type and its shape."""
    shape = _message(*[(1, _message((1, length))) for length in maps.shape])
    return _message((1, maps.name), (2, _message((1, _message((1, kind), (2, shape))))))


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
