"""ROS 2 nodes: topics, parameters and threads over the library. Only this package imports rclpy."""
