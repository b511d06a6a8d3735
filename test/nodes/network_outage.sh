#!/bin/sh
# A camera on one machine, the nodes on another, and the network between them goes away and comes back.
#
# Run by hand, as root, on Linux with iproute2: sh test/nodes/network_outage.sh [PYTHON] [SECONDS]; nothing here
# is used by the suite. Two network namespaces with a cable between them stand for the two machines.
set -eu
PYTHON=${1:-python3} SECONDS_DOWN=${2:-45}
if [ -z "${INSIDE:-}" ]; then
    INSIDE=1 exec unshare -nm sh "$0" "$PYTHON" "$SECONDS_DOWN"
fi
OUT=$(mktemp -d)
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
ip netns add robot
ip link add here type veth peer name there netns robot
ip addr add 10.77.0.1/24 dev here
ip -n robot addr add 10.77.0.2/24 dev there
for link in lo here; do ip link set "$link" up; done
for link in lo there; do ip -n robot link set "$link" up; done
export ROS_DOMAIN_ID=7 ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET PYTHONPATH="$PWD"
children=
trap 'kill -INT $children 2>/dev/null; wait' EXIT
ip netns exec robot "$PYTHON" -m enet_ros playback_node --ros-args -p source:=synthetic -p rate:=10.0 \
    -p loop:=true > "$OUT/playback.log" 2>&1 &
children="$children $!"
for node in "segmentation_node --ros-args -p weights:=synthetic" "latency_node --ros-args -p output:=$OUT"; do
    # shellcheck disable=SC2086
    "$PYTHON" -m enet_ros $node > "$OUT/${node%% *}.log" 2>&1 &
    children="$children $!"
done
rows() { cat "$OUT/latency.csv" 2>/dev/null | wc -l; }
until [ "$(rows)" -gt 50 ]; do sleep 1; done
before=$(rows)
ip link set here down
sleep "$SECONDS_DOWN"
during=$(rows)
ip link set here up
waited=0
until [ "$(rows)" -gt $((during + 50)) ] || [ $waited -ge 120 ]; do sleep 1; waited=$((waited + 1)); done
echo "frames recorded: $before before, $((during - before)) during $SECONDS_DOWN s without network," \
    "$(($(rows) - during)) within $waited s afterwards; see $OUT"
