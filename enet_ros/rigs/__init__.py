"""What starts whole graphs of nodes, to try them, measure them and watch them."""
