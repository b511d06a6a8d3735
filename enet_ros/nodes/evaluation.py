"""evaluation_node: the score of a running segmentation, while a bag or a data set replays.

Topics in: `labels` (remap it to the segmentation node's), `ground_truth`, `timing`, and `image` for the
report. Out: `~/summary` (std_msgs/String, JSON, latched) and `/diagnostics`. Services: `~/save` writes the
result now, `~/reset` begins anew. Everything is joined by exact header stamp.
"""

from typing import Any, List, Optional

from .runtime import Stop, spin_main


def create(stop: Stop) -> Any:
    """Make the node; rclpy is imported here, after Ctrl-C is heard."""
    from .evaluation_node import EvaluationNode
    return EvaluationNode(stop)


def main(argv: Optional[List[str]] = None) -> int:
    """Run the node until it is asked to stop; the result is written then."""
    return spin_main(create, argv, description=__doc__)
