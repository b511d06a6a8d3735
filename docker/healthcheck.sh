#!/bin/sh
# Healthy is: this container's segmentation node is active, and said so within the last 15 seconds.
#
# While it is active the node touches $ENET_HEARTBEAT once a second, and removes it when it is not. Asking with
# `ros2` instead would cost seconds of processor each time and leave a daemon behind.
set -u
said=$(stat -c %Y "${ENET_HEARTBEAT:-/tmp/enet_ros.heartbeat}" 2>/dev/null) || exit 1
age=$(($(date +%s) - said))
# A clock that was set back makes it lie ahead.
[ "$age" -lt 15 ] && [ "$age" -gt -15 ]
