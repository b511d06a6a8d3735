#!/bin/sh
# Pin requirements/*.in with hashes for every CPython from 3.10 to 3.13: sh requirements/compile.sh path/to/uv
set -eu
cd "$(dirname "$0")"
pin() {
    target=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
        --no-annotate --no-header --upgrade --output-file "$target" "$@"
}
uv=${1:-uv}
pin runtime.txt ros.in workstation.in torch-dependencies.in
pin test.txt --constraints runtime.txt test.in
