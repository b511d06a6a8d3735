"""Licences that travel from data to weights, and from weights to what is trained from them."""

from typing import Iterable, List

CAMVID = 'CamVid names no licence: research and non-commercial use'
CITYSCAPES = 'Cityscapes: non-commercial use'
ENET_CITYSCAPES = 'CC BY-NC 4.0 (the authors of ENet)'
FREE = 'Apache-2.0'


def together(licences: Iterable[str]) -> str:
    """Return the licence of something made from all of these: each of them once, what restricts first."""
    found: List[str] = []
    for text in licences:
        found += [part for part in text.split('; ') if part and part not in found]
    return '; '.join([part for part in found if part != FREE] or found)
