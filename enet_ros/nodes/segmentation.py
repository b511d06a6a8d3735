"""``segmentation_node``: camera images in, labels and overlays out. See docs/nodes.md."""

from typing import Any, List, Optional

from .runtime import Stop, spin_main

DESCRIPTION = """\
segmentation_node: labels every pixel of a camera's images.

Subscribes `image` (remap it, as -r image:=/camera/image_raw); publishes ~/labels, ~/overlay, ~/timing,
/diagnostics."""


def create(stop: Stop) -> Any:
    """Make the node; imports happen here, where Ctrl-C is already heard."""
    from .segmentation_node import SegmentationNode
    return SegmentationNode(stop)


def main(argv: Optional[List[str]] = None) -> int:
    """Run the node; return the exit code."""
    return spin_main(create, argv, DESCRIPTION, sends_images=True)
