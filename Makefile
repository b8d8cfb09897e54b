# One command a job; `make` lists them. Everything runs in .venv, made here from pyproject.toml.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# LiteLLM pins versions that are not ours.
LITELLM := $(abspath $(VENV))/litellm
STAMP := $(VENV)/.stamp
DEMO := demo

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-live check lint types test test-all bench clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("gamekeeper needs Python 3.11 or later, found " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,guard,redis,otel]'
	@touch $@

setup: $(STAMP) ## make .venv with what is light

demo: $(STAMP) ## compose a labelled month, hunt it, show what was found beside the truth
	@$(BIN)/gamekeeper demo --out $(DEMO)

demo-live: $(STAMP) ## a month at a guarded model API in four minutes, to watch
	@$(BIN)/gamekeeper demo-live --out $(DEMO)-live

check: $(STAMP) ## format, lint, types, fast tests
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/pytest tests/test_architecture.py tests/evidence tests/verdict

test: $(STAMP) ## all tests that need nothing heavy; names what it left out
	$(BIN)/pytest -m 'not slow and not extra and not browser'
	@echo "left out: tests marked slow, extra (what wants an extra, a Redis, the vendors' clients) and browser (chromium); make test-all runs them"

test-all: $(STAMP) ## every test, with every extra and a browser
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,guard,audit,torch,onnx,redis,otel,witness,geo,clients,multilingual,encrypted,kms,vault,pkcs11,provenance]'
	@command -v chromium >/dev/null || (apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null)
	@command -v redis-server >/dev/null || (apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null)
	@command -v softhsm2-util >/dev/null || (apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends softhsm2 >/dev/null)
	@test -x $(LITELLM)/bin/litellm || ($(PYTHON) -m venv $(LITELLM) && \
		$(LITELLM)/bin/pip install --quiet --disable-pip-version-check -e '.[guard]' 'litellm[proxy]==1.106.2')
	GAMEKEEPER_LITELLM_PYTHON=$(LITELLM)/bin/python $(BIN)/pytest

bench: $(STAMP) ## the tables of benchmarks/detection (wants DATA and TOOLS, see its head)
	$(BIN)/python benchmarks/detection/run.py --data $(DATA) --tools $(TOOLS)

clean: ## remove what these commands made
	rm -rf $(VENV) $(DEMO) $(DEMO)-live build dist
