#!/bin/sh
# Installs with pip what the base image lacks of what a robot needs, and nothing else.
#
#   install_python.sh [TARGET]      into TARGET, or where pip installs
#
# Versions and hashes are in requirements.txt. TORCH_SPEC (for example 'torch==2.8.0') and TORCH_INDEX name a
# PyTorch and the index to take it from, for bases that have none; empty: the base must have it. PIP_INDEX names the
# index for everything else, instead of the one that the base is set to. DRY_RUN=1 prints what would be installed.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
target=${1:-}

# Found, not imported: while an image is built, the GPU's libraries may not be there to import it with.
missing() { "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$1') is not None)"; }
older() { "$python" -c "import sys; sys.exit(sys.version_info >= ($1))"; }

# Ubuntu 24.04's Python guards its own packages (PEP 668); in a container they are ours.
options='--no-cache-dir --disable-pip-version-check'
if "$python" -c 'import os, sysconfig as s, sys
sys.exit(not os.path.exists(os.path.join(s.get_path("stdlib"), "EXTERNALLY-MANAGED")))'; then
    options="$options --break-system-packages"
fi
if [ -n "$target" ]; then
    options="$options --target $target"
fi
# In the environment, where it also replaces one that the base has put there.
if [ -n "${PIP_INDEX:-}" ]; then
    export PIP_INDEX_URL="$PIP_INDEX" UV_DEFAULT_INDEX="$PIP_INDEX"
fi

run() {
    if [ "${DRY_RUN:-0}" = 1 ]; then
        echo "$*"
    else
        "$@"
    fi
}

wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
# Add the pinned entry of a package, hashes included: its line and those that it is continued on.
want() {
    sed -n "/^$2==/,/[^\\\\]\$/p" "$1" >> "$wanted"
    packages="$packages $(sed -n "s/^\($2==[^ ]*\).*/\1/p" "$1")"
}

packages=
if older '3, 7'; then
    if missing dataclasses; then want requirements-py36.txt dataclasses; fi
    for module in numpy cv2 yaml; do
        if missing "$module"; then
            echo "this base has Python 3.6 without $module; take one that has it" >&2
            exit 1
        fi
    done
else
    if missing yaml; then want requirements.txt pyyaml; fi
    if missing numpy; then want requirements.txt numpy; fi
    if missing cv2; then want requirements.txt opencv-python-headless; fi
    # torch2trt compares versions with it.
    if missing packaging; then want requirements.txt packaging; fi
fi
if [ -n "$packages" ]; then
    echo "installing$packages"
    # shellcheck disable=SC2086  # a list of words
    run "$python" -m pip install $options --no-deps --require-hashes -r "$wanted"
fi
if missing torch; then
    if [ -z "${TORCH_SPEC:-}" ]; then
        echo 'this base has no PyTorch: give TORCH_SPEC, and TORCH_INDEX where the default has none for it' >&2
        exit 1
    fi
    # shellcheck disable=SC2086
    if [ -n "${TORCH_INDEX:-}" ]; then      # which may have nothing but PyTorch: what that needs comes after it
        run "$python" -m pip install $options --no-deps --index-url "$TORCH_INDEX" $TORCH_SPEC
    fi
    # shellcheck disable=SC2086
    run "$python" -m pip install $options $TORCH_SPEC
fi
