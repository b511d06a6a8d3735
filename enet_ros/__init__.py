"""Real-time road-scene segmentation with ENet, for ROS 2.

The library's face is :class:`Segmenter`: camera image in, label image out.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, List

__version__ = '0.2.0'
_FACE = {'ClassTable': 'classes', 'InputError': 'errors', 'Segmenter': 'segmenter'}
__all__ = sorted(_FACE) + ['__version__']


class _Package(ModuleType):
    """Loads the face when it is asked for: an executable hears Ctrl-C before NumPy and OpenCV are there.

    A module's own ``__getattr__`` would do from Python 3.7 on.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in _FACE:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        value = getattr(importlib.import_module('.' + _FACE[name], __name__), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> List[str]:
        return sorted(set(super().__dir__()) | set(__all__))


sys.modules[__name__].__class__ = _Package
