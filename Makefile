# Everything a fresh machine needs is Python 3.11+ and make.
#   make run     the embedded broker, a worker, the bundled recording, a live view
#   make test    everything that must be true before a change lands
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

.PHONY: run test lint lock bench judge kafka-jars
run: $(VENV)/.run
	$(BIN)/flashover run --speed $(SPEED)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# How good the alerts are on recorded threads whose truth is known, beside the best static rules
FLASHOVER_DATA ?= ../shared/data
judge: $(VENV)/.run
	$(BIN)/flashover judge $(FLASHOVER_DATA)/threads.jsonl.gz --truth $(FLASHOVER_DATA)/threads-truth.csv
	FLASHOVER_DATA=$(FLASHOVER_DATA) PYTHONPATH=. $(BIN)/python tests/benchmarks/judge_threads.py --crossed
	FLASHOVER_DATA=$(FLASHOVER_DATA) PYTHONPATH=. $(BIN)/python tests/benchmarks/judge_surge.py
	FLASHOVER_DATA=$(FLASHOVER_DATA) PYTHONPATH=. $(BIN)/python tests/benchmarks/judge_words.py

# How fast, how soon and how big. BENCH narrows it, e.g. BENCH="speed --rounds 1", BENCH="--broker HOST:PORT",
# BENCH="latency --broker kafka". The peers that flashover is measured against have an environment of their own.
bench: $(VENV)/.dev .venv-bench/.done
	FLASHOVER_DATA=$(FLASHOVER_DATA) $(BIN)/python -m tests.benchmarks $(BENCH)

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
