"""A street that can be drawn: its layout, the camera that drives along it, and the painting of it."""
