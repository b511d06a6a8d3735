"""playback_node: a camera made of a recording."""
