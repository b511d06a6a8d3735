#!/bin/sh
# Make .venv and install a group into it: sh requirements/install.sh runtime|torch|test
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
    .venv/bin/python -m pip --disable-pip-version-check "$@"
}

# Install a pinned file and nothing else. With dependencies, pip looks for whatever is wanted with an extra (coverage[toml]) in the
# index as well, and stops over a release newer than the pinned one. What is published as source is built with the pinned setuptools.
pinned() {
    pip install --quiet --no-compile --no-deps --no-build-isolation --use-pep517 --require-hashes -r "requirements/$1.txt"
}

install_runtime() {
    echo 'Installing ROS 2 (Jazzy, rclpy) and the libraries: a minute or two'
    pinned build
    pinned runtime
    # From the source tree, so that `git pull` suffices; its script then lies in .venv/bin.
    pip install --quiet --no-deps --no-build-isolation --use-pep517 --editable .
}

install_torch() {
    echo 'Installing PyTorch'
    [ -n "${TORCH_INDEX:-}" ] || [ -e /proc/driver/nvidia ] ||
        echo 'Without an NVIDIA driver, TORCH_INDEX=https://download.pytorch.org/whl/cpu brings a far smaller one'
    pinned torch-dependencies
    # The one exception: torch is pinned by its version, and the GPU libraries that a build asks for come as it names them.
    pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --progress-bar on -r requirements/torch.in
}

install_test() {
    echo 'Installing what the tests need'
    pinned test
}

case $1 in
    runtime) later='torch test' ;;
    torch) later='test' ;;
    test) later= ;;
    *) fail "runtime, torch or test, not $1" ;;
esac
"install_$1"
# A group that was there before follows, or the check would find it out of step.
for group in $later; do
    [ ! -e ".venv/.$group" ] || "install_$group"
done
pip check || fail 'the libraries in .venv do not fit together; remove it and run make again'
