# enet_ros on a machine that has python3 (3.10 to 3.13), make and git.
#
#   make demo    playback, segmentation and live scoring over DDS; leaves out/demo/report.html
#   make test    every test and linter
#   make benchmark    speed on this machine, beside peers; leaves out/benchmark/ (ARGS=--quick: four minutes)
#   make coverage    the same, and the lines of enet_ros that no test runs; slower
#   make test-py36    the library's tests under Python 3.6, the robot's
#   make test-isa    the numeric tests under the instruction sets of older processors
#   make docs-long    the lines of the documents that take over a minute as well
#   make container-test    Dockerfile.l4t built and run, where buildah, podman and debootstrap are installed
#   make paper    docs/paper.md: the paper's tables and ours; CAMVID=folder, ARGS=--quick
#   make torch    PyTorch into .venv, for training and its engine
#   make fuzz    every reader of files against damaged ones; SECONDS=600 SEED=0
#   make soak    the whole graph under twice what it holds, with faults; DURATION=300 SEED=0
#
# ARGS is passed on: make demo ARGS='--source my_bag', make test ARGS='test/metrics'.
# TORCH_INDEX=URL takes PyTorch from another package index, PYTHON=... another interpreter.

PYTHON ?=
TORCH_INDEX ?=
ARGS ?=
VENV := .venv/bin
WORKERS ?= 2
DURATION ?= 300
SECONDS ?= 600
SEED ?= 0
export PYTHON TORCH_INDEX

# A ROS that this shell has sourced must not leak into the environment made here.
LEAKS := $(filter AMENT_% COLCON_% ROS_% RMW_% _ROS_%,$(.VARIABLES)) \
	PYTHONPATH PYTHONHOME LD_LIBRARY_PATH CMAKE_PREFIX_PATH VIRTUAL_ENV
unexport $(LEAKS)

.PHONY: paper docs-long container-test coverage demo benchmark test test-py36 test-isa fuzz soak lint torch requirements clean help
help:
	@sed -n 's/^#   make/make/p' Makefile

demo: .venv/.runtime
	@$(VENV)/python -m enet_ros demo $(ARGS)

# Of the peers, those that the tests need are installed with them.
benchmark: .venv/.test
	@$(VENV)/python -m enet_ros benchmark $(ARGS)

test: .venv/.test
	@OMP_NUM_THREADS=1 $(VENV)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0 $(ARGS)

# On Python 3.11 counting lines tripled the processor time of pure tests, so `make test` does without. Processes that
# tests start are counted too (setup.cfg).
coverage: export COVERAGE_CORE := sysmon
coverage:
	@$(MAKE) --no-print-directory test ARGS='--cov --cov-report=term:skip-covered $(ARGS)'

soak: .venv/.runtime
	@ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST $(VENV)/python -m enet_ros soak \
		--duration $(DURATION) --seed $(SEED) $(ARGS)

# The library under CPython 3.6 and PyTorch 1.10, as on a Jetson TX1; PYTHON36=... names the interpreter.
test-py36:
	@sh test/py36/run.sh $(ARGS)

# The caps that libraries have: PyTorch (its kernels, oneDNN, MKL), OpenVINO (oneDNN, its own) and OpenCV.
# onnxruntime has none. Tests that only count, or compare definitions, are the same under each.
NUMERIC := test/deploy test/networks test/test_segmenter.py $(addprefix --ignore=test/, deploy/test_cache.py \
	deploy/test_real_builder.py deploy/test_tensorrt_names.py deploy/test_traffic.py networks/test_cost.py)
test-isa: .venv/.test
	@ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OV_CPU_MAX_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2 \
		OPENCV_CPU_DISABLE=AVX512_SKX,AVX2,FMA3,AVX OMP_NUM_THREADS=1 $(VENV)/python -m pytest -q -n $(WORKERS) $(NUMERIC) $(ARGS)
	@ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OV_CPU_MAX_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 \
		OMP_NUM_THREADS=1 $(VENV)/python -m pytest -q -n $(WORKERS) $(NUMERIC) $(ARGS)

# Guided by coverage where Atheris is there: .venv/bin/pip install atheris
fuzz: .venv/.test
	@$(VENV)/python test/hardening/fuzz.py --seconds $(SECONDS) --seed $(SEED) $(ARGS)

docs-long: .venv/.test
	@DOCS_LONG=1 $(VENV)/python -m pytest -o timeout=0 test/docs $(ARGS)

paper: .venv/.test
	@$(VENV)/python docs/paper.py $(if $(CAMVID),--camvid $(CAMVID)) $(ARGS)

container-test: .venv/.test
	@sh test/docker/container.sh $(ARGS)

lint: .venv/.test
	@$(VENV)/python -m pytest test/lint $(ARGS)

torch: .venv/.torch

# The stamps lie in .venv: installing again is quick, and happens only when what is pinned has changed.
.venv/.runtime: requirements/build.txt requirements/runtime.txt requirements/install.sh setup.py setup.cfg
.venv/.torch: .venv/.runtime requirements/torch-dependencies.txt requirements/torch.in
.venv/.test: .venv/.torch requirements/test.txt
.venv/.%:
	@sh requirements/install.sh $*
	@touch $@

requirements: .venv/.runtime
	@$(VENV)/python -m pip install --quiet uv
	sh requirements/compile.sh $(VENV)/uv
	@$(VENV)/python -m pip uninstall --quiet --yes uv

clean:
	rm -rf build install log out .pytest_cache .ruff_cache .hypothesis enet_ros.egg-info
	find enet_ros test -name __pycache__ -prune -exec rm -rf {} +
