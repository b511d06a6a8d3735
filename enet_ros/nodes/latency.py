"""``latency_node``: how late every frame's labels are, stage by stage and end to end. See docs/latency.md."""

from typing import Any, List, Optional

from .runtime import Stop, spin_main

DESCRIPTION = """\
latency_node: records how late every frame's labels are, stage by stage and end to end.

Subscribes a segmentation node's ~/timing and ~/labels; writes latency.csv, .json, .png and .hlog
into `output`; publishes /diagnostics; service ~/report."""


def create(stop: Stop) -> Any:
    """Make the node; imports happen here, where Ctrl-C is already heard."""
    from .latency_node import LatencyNode
    return LatencyNode(stop)


def main(argv: Optional[List[str]] = None) -> int:
    """Run the node; return the exit code."""
    return spin_main(create, argv, DESCRIPTION)
