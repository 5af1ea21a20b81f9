# The doors: each sets up all it needs on a fresh Debian or Raspberry Pi OS machine.
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo test check bench chaos clean

demo: $(VENV)/.runtime
	$(BIN)/store-gateway demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.runtime
	$(BIN)/store-gateway bench $(ARGS)

# The long form of the kill tests; a short form is in `make test`.
chaos: $(VENV)/.dev
	CHAOS_KILLS=200 CHAOS_BROKER_KILLS=20 $(BIN)/python -m pytest tests/test_chaos.py -s --timeout 3600 $(ARGS)

$(VENV)/.runtime: pyproject.toml constraints.txt .ci/setup
	.ci/setup runtime $(VENV)

$(VENV)/.dev: pyproject.toml constraints.txt .ci/setup
	.ci/setup dev $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
