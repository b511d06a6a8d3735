"""Training: recipes, augmentation, losses and the loop (needs torch; not on the robot's path)."""
