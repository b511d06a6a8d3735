#!/bin/bash
# Gives every command ROS and the workspace: `docker run IMAGE ros2 launch enet_ros segment.launch.py`.
set -e
for script in "${ROS_SETUP:-}" "${WORKSPACE:-/workspace}/install/setup.bash"; do
    if [ -f "$script" ]; then
        # shellcheck disable=SC1090
        source "$script"
    fi
done
if [ $# -eq 0 ]; then
    set -- ros2 launch enet_ros segment.launch.py
fi
exec "$@"
