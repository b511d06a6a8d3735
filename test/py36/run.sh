#!/bin/sh
# The library's tests under CPython 3.6 and PyTorch 1.10, the language and libraries of a Jetson TX1.
#
#   sh test/py36/run.sh [PYTEST ARGUMENTS]
#   sh test/py36/run.sh --find      prints the interpreter; exit code 1 where there is none
#
# PYTHON36 names the interpreter; else the PATH is searched, then pyenv's versions. A pyenv shim may
# exist and not run, so each is asked.
set -eu
cd "$(dirname "$0")/../.."

find_python() {
    for candidate in "${PYTHON36:-}" python3.6 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.6.*/bin/python /opt/pyenv/versions/3.6.*/bin/python; do
        case $("$candidate" --version 2>&1 || true) in
            "Python 3.6."*) command -v "$candidate" && return 0 ;;
        esac
    done
    return 1
}

if ! python=$(find_python); then
    echo 'no CPython 3.6 that runs was found (PATH, pyenv, PYTHON36)' >&2
    exit 1
fi
if [ "${1:-}" = --find ]; then
    echo "$python"
    exit 0
fi

environment=.venv-py36
stamp=$environment/.installed
if ! cmp -s test/py36/requirements.txt "$stamp"; then
    "$python" -m venv --clear "$environment"
    # The pip that comes with 3.6 takes sources where there are wheels.
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip<22'
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
        -r test/py36/requirements.txt
    cp test/py36/requirements.txt "$stamp"
fi

# Left out: what only a workstation does (counting costs, Cityscapes' own evaluator, OpenVINO).
PYTHONPATH=. OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$environment/bin/python" -m pytest -p no:cacheprovider -q \
    test/networks --ignore test/networks/test_cost.py \
    test/metrics test/latency test/points --ignore test/metrics/test_instance.py \
    test/deploy --ignore test/deploy/test_openvino_engine.py \
    test/test_timing.py test/test_weights.py test/test_classes.py test/test_segmenter.py test/test_overlay.py test/test_images.py "$@"
