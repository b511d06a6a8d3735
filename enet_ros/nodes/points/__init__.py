"""points_node: labels become points in space."""
