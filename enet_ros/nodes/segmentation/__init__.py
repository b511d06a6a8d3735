"""segmentation_node: camera images in, labels and overlays out."""
