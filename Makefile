.DEFAULT_GOAL := help
.PHONY: help setup run test lint bench chaos clean

BIN := .venv/bin
PYTHON := $(BIN)/python
# Each test process has a database of its own; tests that share a whole platform name the same group.
PYTEST := $(PYTHON) -m pytest -n logical --maxprocesses 8 --dist loadgroup

help:  ## these lines
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

setup: .venv/setup.stamp  ## the environment in .venv, exactly as uv.lock says

.venv/setup.stamp: pyproject.toml uv.lock .ci/setup
	@sh .ci/setup
	@touch $@

run: setup  ## the whole platform on http://127.0.0.1:8000 (PORT=, HOST=, GOFANNON_VAR= choose others)
	@exec $(PYTHON) -m gofannon.supervisor

test: setup  ## all tests, on SQLite and on PostgreSQL
	$(PYTEST)
	$(PYTHON) -m tests.services postgres -- $(PYTEST)

lint: setup  ## style, types, layers, migrations, API schema, deployment checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	@set -e; export GOFANNON_VAR="$$(mktemp -d)"; trap 'rm -rf "$$GOFANNON_VAR"' EXIT; \
	$(PYTHON) manage.py makemigrations --check --dry-run; \
	$(PYTHON) manage.py spectacular --validate --fail-on-warn --file /dev/null; \
	GOFANNON_PRODUCTION=true ALLOWED_HOSTS=example.org SECRET_KEY="$$($(call fresh,secrets.token_urlsafe(64)))" \
	ENCRYPTION_KEYS="$$($(call fresh,base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()))" \
	$(PYTHON) manage.py check --deploy --fail-level WARNING
fresh = $(PYTHON) -c 'import base64, secrets; print($(1))'

bench: setup  ## the figures of bench/RESULTS.md, measured here (ROWS="start ticket" chooses)
	$(PYTHON) -m bench $(ROWS)

chaos: setup  ## processes are killed under load, nothing may be lost (CHAOS_SEED=, CHAOS_SECONDS=, CHAOS_KILLS=)
	$(PYTHON) -m tests.chaos

clean:  ## remove the environment and all caches; var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
