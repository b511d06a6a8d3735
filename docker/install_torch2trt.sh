#!/bin/sh
# Puts torch2trt's Python package where Python finds it, without its setup.py, which wants TensorRT.
#
#   install_torch2trt.sh SOURCE REF PREFIX
#
# SOURCE is a clone of torch2trt (a path or URL that git takes), REF a commit of it in full, PREFIX the folder
# that goes on PYTHONPATH. On Python 3.6 torch2trt's own fix for tensor indexing is applied.
set -eu
if [ $# -ne 3 ]; then
    echo "usage: $0 SOURCE REF PREFIX" >&2
    exit 2
fi
source=$1 ref=$2 prefix=$3
python=${PYTHON:-python3}
if ! echo "$ref" | grep -qxE '[0-9a-f]{40}'; then
    echo "torch2trt is taken by its commit, 40 hexadecimal digits, not by '$ref': a tag can move" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet "$source" "$work/clone"
git -C "$work/clone" -c advice.detachedHead=false checkout --quiet "$ref"

if "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 7))'; then
    git -C "$work/clone" apply examples/contrib/pre_py3.7/fix-getitem.patch
fi
mkdir -p "$prefix"
rm -rf "$prefix/torch2trt"
cp -r "$work/clone/torch2trt" "$prefix/torch2trt"
rm -rf "$prefix/torch2trt/contrib" "$prefix/torch2trt/tests"
cp "$work/clone/LICENSE.md" "$prefix/torch2trt/LICENSE.md"
git -C "$work/clone" rev-parse HEAD > "$prefix/torch2trt/REVISION"
