#!/bin/sh
# Make .venv and install into it: sh requirements/install.sh runtime|test
# PYTHON names the interpreter, TORCH_INDEX the package index that torch alone is taken from.
set -eu
cd "$(dirname "$0")/.."
unset PIP_USER PIP_TARGET PIP_PREFIX

fail() {
    echo "enet_ros: $1" >&2
    exit 2
}

suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# Print the name of an interpreter that can make a virtual environment.
pick_python() {
    lacking=
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        suitable "$python" || continue
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$python"
            return
        fi
        lacking=${lacking:-$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')}
    done
    [ -z "$lacking" ] || fail "$lacking cannot make virtual environments; on Debian and Ubuntu: apt install $lacking-venv"
    found=$(python3 --version 2>/dev/null || echo 'no python3')
    fail "CPython 3.10, 3.11, 3.12 or 3.13 is needed (${PYTHON:-$found} found); install one or name it: make PYTHON=/path/to/python3"
}

case "$(uname -s) $(uname -m)" in
    'Linux x86_64') ;;
    *) fail "ROS 2's client library comes as packages for Linux on x86-64 only; elsewhere build with colcon on a ROS 2 (README.md)" ;;
esac
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(pick_python)
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
suitable .venv/bin/python || fail ".venv has $(.venv/bin/python --version); remove it, so that it is made anew with 3.10 to 3.13"

pip() {
    .venv/bin/python -m pip --disable-pip-version-check install "$@"
}
case $1 in
    runtime)
        echo 'Installing ROS 2 (Jazzy, rclpy) and the libraries: a minute or two'
        pip --quiet --require-hashes -r requirements/runtime.txt
        echo 'Installing PyTorch'
        pip ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --progress-bar on -r requirements/torch.in
        ;;
    test)
        echo 'Installing what the tests need'
        pip --quiet --require-hashes -r requirements/test.txt
        ;;
    *) fail "runtime or test, not $1" ;;
esac
