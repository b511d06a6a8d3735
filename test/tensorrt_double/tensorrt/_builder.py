"""Builder and configuration."""

import enum
import os
import sys
import threading

from ._network import INetworkDefinition
from ._runtime import serialize
from ._types import VERSION

__all__ = ['Builder', 'BuilderFlag', 'IBuilderConfig', 'ILogger', 'Logger', 'MemoryPoolType',
           'NetworkDefinitionCreationFlag', 'TacticSource']

BuilderFlag = enum.Enum('BuilderFlag', ['FP16', 'INT8', 'GPU_FALLBACK', 'STRICT_TYPES'])
MemoryPoolType = enum.Enum('MemoryPoolType', ['WORKSPACE'])
TacticSource = enum.IntEnum('TacticSource', ['CUBLAS', 'CUBLAS_LT', 'CUDNN'], start=0)

_OLD = VERSION < (8, 4)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    """Bits of `Builder.create_network`."""

    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class ILogger:
    """Base class of loggers."""

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self):
        """Do nothing."""


class Logger(ILogger):
    """Takes messages; `Logger(severity)`."""

    def __init__(self, severity=ILogger.WARNING):
        self.severity = severity

    def log(self, severity, message):
        """Print errors."""
        print(message, file=sys.stderr)


class IBuilderConfig:
    """Remembers what was set."""

    def __init__(self):
        self.flags, self.pools, self.max_workspace_size = set(), {}, 0
        if not _OLD:
            self.set_memory_pool_limit = self.pools.__setitem__

    def set_device_type(self, layer, device):
        """Accept any device."""

    def can_run_on_DLA(self, layer):
        """Answer for a board that has no DLA."""
        return False

    def set_tactic_sources(self, mask):
        """Remember the libraries to try."""
        self.tactics = mask

    def set_flag(self, flag):
        """Set a flag."""
        self.flags.add(flag)

class Builder:
    """Makes configurations and networks."""

    def __init__(self, logger):
        assert isinstance(logger, ILogger)
        self.logger = logger
        self.max_batch_size = 1
        self.platform_has_fast_fp16 = True

    def create_builder_config(self):
        """Return a configuration."""
        return IBuilderConfig()

    def create_network(self, flags=0):
        """Return an empty network; only explicit batch exists, by itself from 10 on."""
        typed = bool(flags & 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        assert flags & 1 << NetworkDefinitionCreationFlag.EXPLICIT_BATCH or typed and VERSION >= (10,)
        return INetworkDefinition(self.logger, typed)

    def build_serialized_network(self, network, config):
        """Return a plan, or None, with a word to the logger, where TENSORRT_DOUBLE_FAIL has one.

        With TENSORRT_DOUBLE_WAIT it writes its process id to that file and builds for ever.
        """
        if os.environ.get('TENSORRT_DOUBLE_FAIL'):
            self.logger.log(ILogger.ERROR, os.environ['TENSORRT_DOUBLE_FAIL'])
            return None
        if os.environ.get('TENSORRT_DOUBLE_WAIT'):
            with open(os.environ['TENSORRT_DOUBLE_WAIT'], 'w') as file:
                file.write(str(os.getpid()))
            threading.Event().wait()
        if network.broken:
            return None
        return serialize(network)
