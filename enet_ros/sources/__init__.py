"""Where frames come from: images, folders, videos, cameras, bags and the synthetic street."""

from .ahead import ahead
from .frame import DEFAULT_RATE, Source, SourceFrame, is_compressed
from .opening import open_source

__all__ = ['DEFAULT_RATE', 'Source', 'SourceFrame', 'ahead', 'is_compressed', 'open_source']
