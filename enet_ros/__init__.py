"""Real-time road-scene segmentation with ENet, for ROS 2.

The library's face is :class:`Segmenter`: camera image in, label image out.
"""

from .classes import ClassTable
from .errors import InputError
from .segmenter import Segmenter

__version__ = '0.1.0'
__all__ = ['ClassTable', 'InputError', 'Segmenter', '__version__']
