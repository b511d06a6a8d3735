"""Real-time road-scene segmentation with ENet, for ROS 2."""
