# Every target makes its own set-up first: a fresh clone needs nothing but Python 3.11 or 3.12 and make.
# With npm the dashboard has charts; without, tables.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
WORKERS ?= auto
NPM := npm --prefix clients/typescript
UPLOT := assets/node_modules/uplot
VENDOR := server/static/vendor
RULE := deploy/kubernetes/components/prometheus-operator/prometheusrule

.PHONY: setup assets demo cluster serve test torture lint audit types bench bench-quick bench-cluster docs docs-html clean
.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/installed assets  ## make .venv and install

$(VENV)/installed: setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "Marquee needs Python 3.11 or 3.12 on the PATH (or make PYTHON=/path/to/python)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

assets: $(VENDOR)/uPlot.iife.min.js  ## fetch what the dashboard draws charts with

$(VENDOR)/uPlot.iife.min.js: assets/package.json assets/package-lock.json
	@if command -v npm >/dev/null && npm --prefix assets ci --silent --ignore-scripts --no-audit --no-fund; then \
	install -d $(VENDOR) && install -m 644 $(UPLOT)/dist/uPlot.min.css $(VENDOR)/uPlot.min.css \
	&& install -m 644 $(UPLOT)/LICENSE $(VENDOR)/uPlot.LICENSE.txt \
	&& install -m 644 $(UPLOT)/dist/uPlot.iife.min.js $@; \
	else echo "without npm and its registry the dashboard shows tables instead of charts"; \
	test "$$CI" != true; fi

demo: setup  ## the demo homepage and the dashboard, with simulated viewers and a live table
	$(BIN)/python examples/demo.py

cluster: setup  ## three machines around one Redis, all on this one, with simulated viewers
	$(BIN)/python examples/cluster.py

serve: setup  ## serve the example catalog without viewers
	$(BIN)/marquee serve --config examples/marquee.toml

test: setup lint  ## every check: ruff, mypy, import-linter, pytest
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

torture: setup  ## break it on purpose, many times: a row for each way, into build/torture.json
	$(BIN)/python -m tests.faults.torture

lint: setup  ## ruff with its security rules, mypy --strict, import-linter, pip-audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.audit

audit: setup  ## ask the package registry for known vulnerabilities of what is installed
	$(BIN)/python -m tests.audit

bench: setup  ## measure everything beside peers, into benchmarks/results
	$(BIN)/python -m benchmarks

bench-quick: setup  ## the same on little work, in under three minutes
	$(BIN)/python -m benchmarks --quick

bench-cluster: setup  ## measure several machines around one Redis, into benchmarks/results
	$(BIN)/python -m benchmarks.cluster

docs: setup  ## write the generated references under docs/ again
	$(BIN)/marquee config reference > docs/config.md
	$(BIN)/python -m server.cli.reference > docs/cli.md
	$(BIN)/python -m simulator.cli.reference > docs/simulator-cli.md
	$(BIN)/python -m server.metrics_reference > docs/metrics.md
	$(BIN)/marquee openapi > docs/openapi.json
	$(BIN)/python -m server.api_reference > docs/http-api.md
	{ cat $(RULE).head; sed 's/^\(.\)/  \1/' deploy/prometheus/alerts.yaml; } > $(RULE).yaml
	@if command -v npm >/dev/null; then $(NPM) ci --silent && $(NPM) run --silent types; \
	else echo "without npm the TypeScript client's types stay as they are"; fi

docs-html: setup  ## lay the documents out as static pages, into build/docs
	$(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --quiet --doctree-dir build/docs-cache docs build/docs

clean:  ## remove what the other targets made
	rm -rf $(addprefix clients/typescript/,node_modules build dist test/examples)
	rm -rf assets/node_modules $(VENDOR)
	rm -rf $(VENV) build state .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
