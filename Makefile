# 秒批 Miaopi. `make` lists what there is; CI runs `make test` and nothing else.
.DEFAULT_GOAL := help
SHELL  := /bin/sh
PYTHON ?= python3
T      ?= tests
V      := .venv
PY     := $(V)/bin/python
READY  := $(V)/.ready

# uv takes the Python it is given, and trusts the certificates that the machine trusts.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := true
# CPython 3.13 dropped the name that the sdist of durable-rules still calls.
BUILD := CC="cc -DPyEval_CallObject=PyObject_CallObject"
# pact-python reports its use unless told not to.
export PACT_DO_NOT_TRACK := true

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: doctor
doctor: ## Say what this machine lacks, and how to get it
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or newer is missing: install it, or name it: make PYTHON=python3.12 run"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python has no venv: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' \
	  || { echo "Python.h is missing: apt-get install python3-dev"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: apt-get install gcc"; exit 1; }
	@echo "this machine has all that Miaopi needs"

# Tools first, each at the version and hash of the lock; then everything; then the project itself.
$(READY): requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory doctor
	@test -x $(PY) || $(PYTHON) -m venv $(V)
	@awk '/^[a-z]/ {tool = /^(uv|setuptools|wheel|packaging)==/} tool' requirements.lock > $(V)/tools.lock
	@echo "installing what requirements.lock names ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(V)/tools.lock \
	  || echo "uv cannot be had here; pip takes its place"
	@if test -x $(V)/bin/uv; then \
	  $(BUILD) $(V)/bin/uv pip install --quiet --compile-bytecode --python $(PY) --require-hashes --no-build-isolation-package durable-rules -r requirements.lock \
	  && $(V)/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation -e .; \
	else \
	  $(BUILD) $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock \
	  && $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@$(PY) -m compileall -q decision_service evidence_adapters audit
	@touch $@

.PHONY: run
run: $(READY) ## Start the sandbox city and the service, decide applications before your eyes, keep serving
	@$(PY) -m decision_service run

.PHONY: demo
demo: $(READY) ## The same, then exit
	@$(PY) -m decision_service run --once

.PHONY: test
test: $(READY) lint types layers ## Everything CI runs, in the order in which it fails fastest; T="-k word" for some
	$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(T)

.PHONY: check
check: $(READY) lint types layers ## The same without the slow tests
	$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow" $(T)

.PHONY: lint
lint: $(READY) ## Style, the contract, and that nothing generated has drifted
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@$(V)/bin/buf lint
	@$(V)/bin/buf format -d --exit-code proto
	@$(V)/bin/buf breaking proto --against proto/released.binpb
	@$(PY) proto/generate.py --check

.PHONY: types
types: $(READY) ## Type-check, strictly
	@$(PY) -m mypy

.PHONY: layers
layers: $(READY) ## Who may import whom: see [tool.importlinter]
	@$(V)/bin/lint-imports

.PHONY: rules
rules: $(READY) ## Policy staff: check every rule file and run its scenarios
	@$(V)/bin/miaopi rules check
	@$(V)/bin/miaopi rules test

.PHONY: proto
proto: $(READY) ## Generate decision_service/v1 from proto/
	@$(PY) proto/generate.py

.PHONY: release
release: $(READY) ## At a release, and at no other time: promise the contract as it is
	@$(V)/bin/buf build proto --exclude-source-info -o proto/released.binpb

.PHONY: lock
lock: $(READY) ## Resolve requirements.lock anew; no registry's host may stand in it
	@$(V)/bin/uv pip compile pyproject.toml --group dev --group build --universal --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock
	@$(V)/bin/uv pip compile --group bench --universal --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o benchmarks/requirements.lock
	@! grep -nE 'https?://' requirements.lock benchmarks/requirements.lock

.PHONY: agree
agree: $(READY) ## Ask engine, reference and interpreter about 100,000 applications to every matter; AGREE="--cases 1000"
	@$(PY) -m tests.agreement $(AGREE)

# What only the benchmarks need: other engines, beside which the rules are measured.
$(V)/.bench: benchmarks/requirements.lock $(READY)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.lock
	@touch $@

.PHONY: bench
bench: $(READY) $(V)/.bench ## Measure: ratios within one run, medians of several
	@for one in rules rule_engines adapters audit_log decide; do $(PY) benchmarks/$$one.py || exit 1; done
