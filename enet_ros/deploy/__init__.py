"""From a trained network to something fast: the inference graph and the engines that run it."""
