"""Memory and a stream of the first GPU, by NVIDIA's driver alone: no PyTorch, no CUDA toolkit."""

import contextlib
import ctypes
from typing import Any, Tuple

import numpy as np

from .engine import EngineError

_COMPUTE_CAPABILITY = (75, 76)      # CU_DEVICE_ATTRIBUTE_..._MAJOR and ..._MINOR
_NON_BLOCKING = 1                   # CU_STREAM_NON_BLOCKING


def gpu() -> Tuple[str, str]:
    """Return name and compute capability ('53') of the first GPU; EngineError where there is none.

    No CUDA context is made: it would take half a gigabyte of a TX1's four, which the child that
    builds needs.
    """
    driver = _Driver()
    name, value, capability = ctypes.create_string_buffer(256), ctypes.c_int(), ''
    driver('cuDeviceGetName', name, len(name), driver.device)
    for attribute in _COMPUTE_CAPABILITY:
        driver('cuDeviceGetAttribute', ctypes.byref(value), attribute, driver.device)
        capability += str(value.value)
    return name.value.decode(), capability


class CudaMemory:
    """Buffers of one engine and the stream that it runs on, in the context that TensorRT uses too."""

    def __init__(self) -> None:
        """Open the stream; EngineError where the driver refuses."""
        self._driver, self._releases = _Driver(), contextlib.ExitStack()
        self._context, self._stream = ctypes.c_void_p(), ctypes.c_void_p()
        device = self._driver.device
        self._take(('cuDevicePrimaryCtxRelease', device), 'cuDevicePrimaryCtxRetain',
                   ctypes.byref(self._context), device)
        self._driver('cuCtxSetCurrent', self._context)
        self._take(('cuStreamDestroy_v2', self._stream), 'cuStreamCreate', ctypes.byref(self._stream),
                   _NON_BLOCKING)
        self.stream = self._stream.value or 0

    def pair(self, shape: Tuple[int, ...], dtype: Any) -> Tuple[np.ndarray, int]:
        """Return an array that the GPU can read and write, and the address of as much memory of its own."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        host, device = ctypes.c_void_p(), ctypes.c_uint64()
        self._take(('cuMemFreeHost', host), 'cuMemHostAlloc', ctypes.byref(host), ctypes.c_size_t(size), 0)
        self._take(('cuMemFree_v2', device), 'cuMemAlloc_v2', ctypes.byref(device), ctypes.c_size_t(size))
        content = (ctypes.c_char * size).from_address(host.value or 0)
        return np.frombuffer(content, dtype).reshape(shape), device.value

    def _take(self, release: Tuple[Any, ...], name: str, *arguments: Any) -> None:
        """Take what `release` gives back; where it is refused, everything is given back."""
        try:
            self._driver(name, *arguments)
        except EngineError:
            self.close()
            raise
        self._releases.callback(self._driver, *release)

    def upload(self, address: int, array: np.ndarray) -> None:
        """Queue the way of an array to the GPU."""
        self._driver('cuCtxSetCurrent', self._context)      # of whichever thread calls
        self._driver('cuMemcpyHtoDAsync_v2', ctypes.c_uint64(address), ctypes.c_void_p(array.ctypes.data),
                     ctypes.c_size_t(array.nbytes), self._stream)

    def fetch(self, array: np.ndarray, address: int) -> None:
        """Queue the way from the GPU to an array, and wait for all that is queued."""
        self._driver('cuMemcpyDtoHAsync_v2', ctypes.c_void_p(array.ctypes.data), ctypes.c_uint64(address),
                     ctypes.c_size_t(array.nbytes), self._stream)
        self._driver('cuStreamSynchronize', self._stream)

    def close(self) -> None:
        """Give back all that the driver lets go of; the arrays must not be used after it."""
        self._releases.callback(self._driver, 'cuCtxSetCurrent', self._context)     # the first that is called
        self._releases.close()


class _Driver:
    """Calls of the driver's functions by name; EngineError for what they refuse."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL('libcuda.so.1')
        except OSError as error:
            raise EngineError(f"NVIDIA's driver does not load: {error}") from None
        self.device = ctypes.c_int()
        self('cuInit', 0)
        self('cuDeviceGet', ctypes.byref(self.device), 0)

    def __call__(self, name: str, *arguments: Any) -> None:
        failed = getattr(self._library, name)(*arguments)
        if failed:
            raise EngineError(f"NVIDIA's driver refuses {name} (error {failed})")
