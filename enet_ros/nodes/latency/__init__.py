"""latency_node: records how late every frame's labels are."""
