"""How late labels are: rows, joins, percentiles, coordinated omission, reports. No ROS in here."""
