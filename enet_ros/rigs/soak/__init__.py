"""The parts of the soak test that need no ROS: which faults come when, and the account of every frame."""
