"""The one coding of how grave a finding is: the levels of diagnostic_msgs/DiagnosticStatus, without ROS."""

OK, WARN, ERROR = 0, 1, 2
