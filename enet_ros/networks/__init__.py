"""The networks as published: ENet and, beside it, SegNet and SegNet-Basic."""

from .enet import ENet, EncoderClassifier

__all__ = ['ENet', 'EncoderClassifier']
