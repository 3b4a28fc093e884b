# 秒批 Miaopi. `make` lists what there is; CI runs `make test` and nothing else.
.DEFAULT_GOAL := help
SHELL  := /bin/sh
PYTHON ?= python3
T      ?= tests
V      := .venv
PY     := $(V)/bin/python
UV     := $(V)/bin/uv
READY  := $(V)/.ready

# uv takes the Python it is given, and trusts the certificates that the machine trusts.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := true
export UV_NO_PROGRESS := 1
# CPython 3.13 dropped the name that the sdist of durable-rules still calls.
export CC := cc -DPyEval_CallObject=PyObject_CallObject
export PACT_DO_NOT_TRACK := true

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory doctor
	@test -x $(PY) || $(PYTHON) -m venv $(V)
	@test -x $(UV) || grep -A9 '^uv==' requirements.uv.lock > /dev/null && $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.uv.lock || echo "uv cannot be had; pip takes its place"
	@if test -x $(UV); then $(UV) pip install --quiet --python $(PY) --require-hashes --no-build-isolation-package durable-rules -r requirements.lock; fi
	@touch $@
