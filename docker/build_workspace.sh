#!/bin/sh
# Builds the workspace with colcon, as on any ROS machine.
#
#   build_workspace.sh WORKSPACE        which holds src/enet_ros; ROS_SETUP is sourced if it exists
set -eu
if [ $# -ne 1 ] || [ ! -f "$1/src/enet_ros/package.xml" ]; then
    echo "usage: $0 WORKSPACE (a folder that holds src/enet_ros)" >&2
    exit 2
fi
if [ -f "${ROS_SETUP:-}" ]; then
    set +u      # ROS's scripts use variables that nobody has set
    # shellcheck disable=SC1090
    . "$ROS_SETUP"
    set -u
fi
cd "$1"
colcon build --merge-install --packages-select enet_ros
