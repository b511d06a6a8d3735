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
pin build.txt build.in
pin runtime.txt --constraints build.txt ros.in workstation.in
pin torch-dependencies.txt --constraints build.txt --constraints runtime.txt torch-dependencies.in
pin test.txt --constraints build.txt --constraints runtime.txt --constraints torch-dependencies.txt test.in
