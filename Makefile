# Everything a fresh machine needs is Python 3.11+ and make.
#   make run     the embedded broker, a worker, the bundled recording, a live view
#   make test    everything that must be true before a change lands
#   make compiled   the same program, its hot path compiled to C: half as fast again (needs a C compiler)
#   make bench   speed beside other stream processors, latency, memory (some 20 minutes)
PYTHON ?= python3
VENV   ?= .venv
SPEED  ?= 720
BIN    := $(VENV)/bin

# pip's own quiet mode; the lock pins every file by hash
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/.run: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "flashover needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --require-hashes -r requirements.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	touch $@

# The same program, what it spends its time on compiled by mypyc: needs a C compiler and Python's headers
COMPILED := build/compiled
CAN_COMPILE := $(PYTHON) -c "import os, shutil, sys, sysconfig as of; \
  cc, headers = (of.get_config_var('CC') or 'cc').split()[0], of.get_paths()['include']; \
  sys.exit(not (shutil.which(cc) and os.path.isfile(headers + '/Python.h')))"
$(COMPILED)/.done: $(VENV)/.dev hatch_build.py $(shell find streams agents -type f -not -name '*.pyc')
	rm -rf $(COMPILED)
	FLASHOVER_COMPILED=1 $(PIP_INSTALL) --no-deps --no-build-isolation --target $(COMPILED) .
	touch $@

.PHONY: run test test-compiled compiled can-compile lint lock bench judge kafka-jars
run: $(VENV)/.run
	$(BIN)/flashover run --speed $(SPEED)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

PYTEST := -m pytest -n 2 --dist loadfile --no-loadscope-reorder
test: lint
	$(BIN)/python $(PYTEST)
	@if $(CAN_COMPILE); then $(MAKE) --no-print-directory test-compiled; else \
	  echo "no C compiler, or no headers of Python: the compiled hot path is not tested here"; fi

# The same tests on the compiled hot path: of the core, the shell, and what a death or a stranger must not break
test-compiled: $(COMPILED)/.done
	PYTHONPATH=$(CURDIR)/$(COMPILED) $(BIN)/python -P $(PYTEST) -o pythonpath="$(COMPILED) ." \
	  tests/test_packaging.py tests/streams tests/agents tests/integration/test_hostile.py \
	  tests/integration/test_effectively_once.py::test_a_worker_killed_again_and_again

can-compile:
	@$(CAN_COMPILE)

compiled: $(COMPILED)/.done
	@echo "put it before the source: PYTHONPATH=$(COMPILED) $(BIN)/flashover worker"

# How good the alerts are on recorded threads whose truth is known, beside the best static rules
FLASHOVER_DATA ?= ../shared/data
judge: $(VENV)/.run
	$(BIN)/flashover judge $(FLASHOVER_DATA)/threads.jsonl.gz --truth $(FLASHOVER_DATA)/threads-truth.csv
	FLASHOVER_DATA=$(FLASHOVER_DATA) PYTHONPATH=. $(BIN)/python tests/benchmarks/judge_threads.py --crossed
	FLASHOVER_DATA=$(FLASHOVER_DATA) PYTHONPATH=. $(BIN)/python tests/benchmarks/judge_surge.py
	FLASHOVER_DATA=$(FLASHOVER_DATA) PYTHONPATH=. $(BIN)/python tests/benchmarks/judge_words.py

# How fast, how soon and how big. BENCH narrows it, e.g. BENCH="speed --rounds 1", BENCH="--broker HOST:PORT",
# BENCH="latency --broker kafka". The peers that flashover is measured against have an environment of their own.
bench: $(COMPILED)/.done .venv-bench/.done
	FLASHOVER_DATA=$(FLASHOVER_DATA) PYTHONPATH=$(CURDIR)/$(COMPILED):$(CURDIR) $(BIN)/python -P -m tests.benchmarks $(BENCH)

.venv-bench/.done: tests/benchmarks/peers.lock
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# Fetch the Kafka server that the integration tests start (they do it themselves where it is missing)
kafka-jars: $(VENV)/.dev
	$(BIN)/python -m tests.integration.brokers

# Re-resolve the locks; needs `uv` from PyPI. They name no index address.
UV_COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" --quiet
lock:
	$(UV_COMPILE) --extra embedded --extra build --extra reddit pyproject.toml -o requirements.lock
	$(UV_COMPILE) --extra embedded --extra build --extra reddit --extra zstd --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(UV_COMPILE) tests/benchmarks/peers.in -o tests/benchmarks/peers.lock
