"""Enumerations and small types."""

import enum
import os

import numpy as np

__all__ = ['CalibrationAlgoType', 'DataType', 'DeviceType', 'IInt8Calibrator', 'TensorLocation', 'Weights',
           'bool', 'float16', 'float32', 'int32', 'int64', 'int8', 'uint8']


VERSION = tuple(int(part) for part in os.environ.get('TENSORRT_DOUBLE_VERSION', '8.2.1.9').split('.'))


class DataType(enum.Enum):
    """Element types of tensors."""

    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    INT64 = 6

    @classmethod
    def of(cls, weights):
        """Return the type of a numpy array or of `Weights`."""
        if isinstance(weights, Weights):
            return weights.type
        return {np.float32: cls.FLOAT, np.float16: cls.HALF}[np.asarray(weights).dtype.type]

    @property
    def numpy(self):
        """The numpy type."""
        return {0: np.float32, 1: np.float16, 2: np.int8, 3: np.int32, 4: np.bool_, 5: np.uint8,
                6: np.int64}[self.value]


float32, float16, int8, int32, bool, uint8, int64 = DataType


class TensorLocation(enum.Enum):
    """Where a network's input or output lies."""

    DEVICE = 0
    HOST = 1


class DeviceType(enum.Enum):
    """What a layer runs on."""

    GPU = 0
    DLA = 1


class CalibrationAlgoType(enum.Enum):
    """INT8 calibration, which torch2trt names at import."""

    ENTROPY_CALIBRATION = 1
    ENTROPY_CALIBRATION_2 = 2


class IInt8Calibrator:
    """Base class of torch2trt's calibrator."""


class Weights:
    """Constant values; with a type alone, none."""

    def __init__(self, values):
        self.values = None if isinstance(values, DataType) else np.array(values)
        self.type = values if self.values is None else DataType.of(self.values)
