#!/bin/bash
# Healthy is: a segmentation node of this container runs and is active.
#
# HEALTH_NODE names it if it is not /segmentation_node; HEALTH_COMMAND replaces the question, for tests.
set -u
for script in "${ROS_SETUP:-}" "${WORKSPACE:-/workspace}/install/setup.bash"; do
    if [ -f "$script" ]; then
        set +u
        # shellcheck disable=SC1090
        source "$script"
        set -u
    fi
done
ask=${HEALTH_COMMAND:-ros2 lifecycle get}
# shellcheck disable=SC2086  # a command and its words
answer=$($ask "${HEALTH_NODE:-/segmentation_node}" 2>/dev/null) || exit 1
case $answer in
    active*) exit 0 ;;
esac
exit 1
