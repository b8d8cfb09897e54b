# One command a job; `make` lists them. Everything runs in .venv, made here from pyproject.toml.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# LiteLLM pins versions that are not ours: it gets an environment of its own.
LITELLM := $(abspath $(VENV))/litellm
STAMP := $(VENV)/.stamp
EVERYTHING := $(VENV)/.stamp-everything
DEMO := demo

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Tests in as many processes as there are cores; a process that is done takes over from the others.
PYTEST = $(BIN)/pytest -n logical --dist worksteal $(if $(COVERAGE),--cov --cov-append --cov-report= --cov-fail-under=0)
HEAVY := slow or extra or browser
CORE := $(foreach name,base evidence casebook exchange encoding linking signals campaigns verdict architecture words,\
	$(wildcard tests/$(name) tests/test_$(name).py src/gamekeeper/$(name) src/gamekeeper/$(name).py))
LIGHT := guard,audit,redis,otel
EXTRAS := $(LIGHT),torch,onnx,witness,geo,multilingual,encrypted,kms,vault,pkcs11,provenance,stores,sql,kafka,arrow,lake
# program:package of Debian that brings it
PROGRAMS := chromium:chromium redis-server:redis-server softhsm2-util:softhsm2 pg_ctlcluster:postgresql jq:jq zstd:zstd openssl:openssl
APT_INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-live check format lint types core test test-all everything extras litellm coverage docs bench clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("gamekeeper needs Python 3.11 or later, found " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) pip
	$(BIN)/python $(PIP_INSTALL) -e '.[$(LIGHT)]' --group test --group lint
	@touch $@

setup: $(STAMP) ## make .venv with what is light

demo: $(STAMP) ## compose a labelled month, hunt it, show what was found beside the truth
	@$(BIN)/gamekeeper demo --out $(DEMO)

demo-live: $(STAMP) ## a month at a guarded model API in four minutes, to watch
	@$(BIN)/gamekeeper demo-live --out $(DEMO)-live

# Types and tests run at the same time.
check: $(STAMP) ## format, lint, types and the fast tests of the core packages, in 90 s
	@$(MAKE) --no-print-directory --keep-going -j 2 format lint types core

core: $(STAMP) ## the fast tests of the core packages alone
	$(PYTEST) -m 'not ($(HEAVY))' $(CORE)

format: $(STAMP) ## is everything formatted?
	$(BIN)/ruff format --check src tests benchmarks

lint: $(STAMP) ## ruff's rules
	$(BIN)/ruff check src tests benchmarks

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

test: $(STAMP) ## all tests that need nothing heavy; names what it left out
	$(PYTEST) -m 'not ($(HEAVY))'
	@echo "left out: tests marked slow, extra (what wants an extra, a Redis, the vendors' clients) and browser (chromium); make test-all runs them"

# The two environments are filled at the same time.
$(EVERYTHING): $(STAMP)
	@$(MAKE) --no-print-directory --jobs 2 extras litellm
	@missing=; for need in $(PROGRAMS); do \
		command -v $${need%:*} >/dev/null || missing="$$missing $${need#*:}"; done; \
	test -z "$$missing" || (apt-get update -qq && $(APT_INSTALL) $$missing >/dev/null)
	@touch $@

extras: $(STAMP)
	$(BIN)/python $(PIP_INSTALL) -e '.[$(EXTRAS)]' --group test --group clients

litellm: $(STAMP)
	test -x $(LITELLM)/bin/python || $(PYTHON) -m venv --without-pip $(LITELLM)
	$(BIN)/python -m pip --python $(LITELLM)/bin/python install --quiet --disable-pip-version-check -e '.[guard]' 'litellm[proxy]==1.106.2'

everything: $(EVERYTHING) ## install what `make test-all` needs: every extra, the vendors' clients, LiteLLM, a browser, Redis, SoftHSM

test-all: $(EVERYTHING) ## the tests that `make test` left out, with every extra and a browser
	GAMEKEEPER_LITELLM_PYTHON=$(LITELLM)/bin/python $(PYTEST) -m '$(HEAVY)'

coverage: ## make test with line and branch coverage; fails if it fell
	rm -f .coverage
	@$(MAKE) --no-print-directory test COVERAGE=1
	$(BIN)/coverage report --skip-covered --sort=cover

docs: $(STAMP) ## write the pages that are made from code
	$(BIN)/python docs/generate.py

bench: $(STAMP) ## the tables of benchmarks/detection (wants DATA and TOOLS, see its head)
	$(BIN)/python benchmarks/detection/run.py --data $(DATA) --tools $(TOOLS)

clean: ## remove what these commands made
	rm -rf $(VENV) $(DEMO) $(DEMO)-live build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
