"""
``playback_node``: a camera made of a bag, a data-set folder, a video file or the synthetic street.

Publishes `image` (or `image/compressed`), `camera_info` and, where there is truth, `ground_truth` with the
image's stamp. See docs/nodes.md.
"""

from typing import Any, List, Optional

from .runtime import Stop, spin_main


def create(stop: Stop) -> Any:
    """Make the node; imports happen here, where Ctrl-C is already heard."""
    from .playback_node import PlaybackNode
    return PlaybackNode(stop)


def main(argv: Optional[List[str]] = None) -> int:
    """Run the node until its source ends; return the exit code."""
    return spin_main(create, argv, __doc__, sends_images=True)
