# The one interface to this repository; .ci/run calls the same targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
WORKERS ?= 2
PYTEST_ARGS ?=

.PHONY: help demo test quick check bench coverage wheel lock screenshots pictures recording packages-run packages-test packages-bench

help: ## Say what can be made
	@echo "nuvtui: preserve, share and hand over a research project, from a terminal"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1  \2/p' Makefile
	@echo
	@echo "Each target sets up what it needs: system packages (as root, on Debian) and .venv."

demo: packages-run .venv/stamp ## Open nuvtui on a small real study
	@$(BIN)/nuvtui demo

test: packages-test .venv/stamp ## Run every test; say at the end which engine tests were skipped
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not bench" $(PYTEST_ARGS)

quick: check ## Check, and run the quickest tests: in all under two minutes, for while you work
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --quick 75 $(PYTEST_ARGS)

check: packages-run .venv/stamp ## Check format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: packages-test packages-bench .venv/stamp ## Measure, and print the figures
	@$(BIN)/python -m pytest -m bench -s tests/benchmarks $(PYTEST_ARGS)

coverage: packages-run .venv/stamp ## Show which branches the quick tests do not reach
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --quick 75 --cov --cov-report term --cov-report html:.cache/coverage-html $(PYTEST_ARGS)

wheel: packages-run .venv/stamp ## Build the wheel, install it alone, and try it
	@scripts/wheel

lock: .venv/stamp ## Take the newest versions that pyproject.toml allows into requirements.lock
	@scripts/lock

screenshots: packages-test .venv/stamp ## Make the pictures in screenshots/ from the running app
	@$(BIN)/python scripts/screenshots

pictures: packages-test .venv/stamp ## Take the pictures that tests/pictures compares anew
	@$(BIN)/python -m pytest tests/pictures --snapshot-update $(PYTEST_ARGS)

recording: packages-run .venv/stamp ## Record screenshots/tour.cast from the running app
	@$(BIN)/python scripts/recording

packages-run:
	@scripts/system-packages run

packages-test:
	@scripts/system-packages test

packages-bench:
	@scripts/system-packages bench

.venv/stamp: requirements.lock pyproject.toml scripts/environment | packages-run
	@scripts/environment
	@touch $@
