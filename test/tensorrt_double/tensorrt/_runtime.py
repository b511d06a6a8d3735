"""Plans: a pickled definition that is executed on the CPU, at addresses, as the real runtime would."""

import ctypes
import pickle

import numpy as np

from ._network import execute
from ._types import VERSION

__all__ = ['Memory', 'Runtime']

_MAGIC = b'double of TensorRT'


class Memory:
    """What `deploy.cuda_memory.CudaMemory` is on a GPU: here an array and a second one for the device."""

    stream = 0

    def __init__(self):
        self.held = []

    def pair(self, shape, dtype):
        """Return an array and the address of as much memory."""
        self.held.append((np.empty(shape, dtype), np.empty(shape, dtype)))
        return self.held[-1][0], self.held[-1][1].ctypes.data

    def upload(self, address, array):
        """Copy an array to an address."""
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def fetch(self, array, address):
        """Copy to an array what lies at an address."""
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def close(self):
        """Forget all."""
        self.held.clear()


class Runtime:
    """Loads plans."""

    def __init__(self, logger):
        self.logger = logger

    def deserialize_cuda_engine(self, plan):
        """Return an engine, or None for what is no plan."""
        if not plan.startswith(_MAGIC):
            return None
        return _ENGINES[_NAMED](pickle.loads(plan[len(_MAGIC):]))


def serialize(network):
    """Return the bytes of a plan."""
    return _MAGIC + pickle.dumps(network)


class _Engine:
    def __init__(self, network):
        self.network = network
        self.tensors = [network.get_input(0), network.get_output(0)]
        self.names = ['image', 'output']

    def create_execution_context(self):
        """Return a context."""
        return _CONTEXTS[_NAMED](self)

    def run(self, addresses):
        """Read the input where it lies, write the output where it shall lie."""
        arrays = []
        for tensor, address in zip(self.tensors, addresses):
            shape, dtype = tuple(tensor.shape), np.dtype(tensor.dtype.numpy)
            size = int(np.prod(shape)) * dtype.itemsize
            buffer = (ctypes.c_char * size).from_address(address)
            arrays.append(np.frombuffer(buffer, dtype).reshape(shape))
        arrays[1][...] = execute(self.network, [arrays[0]])[0]
        return True


class _Engine8(_Engine):
    def get_binding_index(self, name):
        return self.names.index(name)

    def get_binding_shape(self, index):
        return self.tensors[index].shape


class _Engine10(_Engine):
    num_io_tensors = 2

    def get_tensor_shape(self, name):
        return self.tensors[self.names.index(name)].shape

    def get_tensor_dtype(self, name):
        return self.tensors[self.names.index(name)].dtype


class _Context8:
    def __init__(self, engine):
        self.engine = engine

    def execute_async_v2(self, bindings, stream_handle):
        return self.engine.run(bindings)


class _Context10:
    def __init__(self, engine):
        self.engine, self.addresses = engine, {}

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle):
        return self.engine.run([self.addresses[name] for name in self.engine.names])


_NAMED = VERSION >= (8, 5)       # tensors go by their names
_ENGINES = {False: _Engine8, True: _Engine10}
_CONTEXTS = {False: _Context8, True: _Context10}
