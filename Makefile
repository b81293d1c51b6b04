# Everything sets itself up: `make demo` in a fresh clone needs Python 3.11 or newer, git and nothing else.
.DEFAULT_GOAL := help
.PHONY: help demo test check bench lab

SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# A proxy is for the world outside: the local Hub and the apps that it runs answer on loopback.
comma := ,
export NO_PROXY := 127.0.0.1,localhost,::1$(if $(NO_PROXY),$(comma)$(NO_PROXY))
export no_proxy := $(NO_PROXY)

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(STAMP) ## The whole job on an embedded local Hub, in about a minute
	@$(BIN)/spaceops demo $(ARGS)

# Tests wait more for apps to come up than they compute.
export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))

test: $(STAMP) ## The tests (containers excepted: make test ARGS="-m container")
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(STAMP) ## Formatting, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(STAMP) ## Speed and memory, beside what people use today
	@for script in tests/benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

lab: $(STAMP) ## JupyterLab on notebooks/, with a local Hub beside it
	@$(BIN)/spaceops hub serve & hub=$$!; trap "kill $$hub 2>/dev/null" EXIT INT TERM; $(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)

# One line that says what to install, before anything is begun.
$(STAMP): pyproject.toml constraints.txt
	@command -v git >/dev/null || { echo "git is missing: apt-get install git (macOS: xcode-select --install)" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: install Python 3.11 or newer, then make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv (once) …" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[all,test]' \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,test]'
	@touch $(STAMP)
