#!/bin/sh
# Installs with pip what the base image lacks of what a robot needs, and nothing else.
#
#   install_python.sh [TARGET]      into TARGET, or where pip installs
#
# TORCH_SPEC (for example 'torch') and TORCH_INDEX name a PyTorch and the index to take it from, for
# bases that have none; empty: the base must have it. DRY_RUN=1 prints what would be installed.
set -eu
python=${PYTHON:-python3}
target=${1:-}

missing() { ! "$python" -c "import $1" 2>/dev/null; }
older() { "$python" -c "import sys; sys.exit(sys.version_info >= ($1))"; }

packages=
# Ubuntu 24.04's Python guards its own packages (PEP 668); in a container they are ours.
options='--no-cache-dir --disable-pip-version-check'
if "$python" -c 'import os, sysconfig as s, sys
sys.exit(not os.path.exists(os.path.join(s.get_path("stdlib"), "EXTERNALLY-MANAGED")))'; then
    options="$options --break-system-packages"
fi
if [ -n "$target" ]; then
    options="$options --target $target"
fi

if older '3, 7'; then
    if missing dataclasses; then packages="$packages dataclasses==0.8"; fi
fi
if missing yaml; then packages="$packages pyyaml"; fi
if missing numpy; then packages="$packages numpy<2"; fi
if missing cv2; then packages="$packages opencv-python-headless"; fi
# torch2trt compares versions with it.
if missing packaging; then packages="$packages packaging"; fi

run() {
    if [ "${DRY_RUN:-0}" = 1 ]; then
        echo "$*"
    else
        "$@"
    fi
}

if [ -n "$packages" ]; then
    # shellcheck disable=SC2086  # both are lists of words
    run "$python" -m pip install $options $packages
fi
if missing torch; then
    if [ -z "${TORCH_SPEC:-}" ]; then
        echo 'this base has no PyTorch: give TORCH_SPEC, and TORCH_INDEX where the default has none for it' >&2
        exit 1
    fi
    # shellcheck disable=SC2086
    run "$python" -m pip install $options ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} $TORCH_SPEC
fi
