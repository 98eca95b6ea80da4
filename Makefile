# One environment for everything; the first target that needs it builds it.
VENV := .venv
PYTHON := $(VENV)/bin/python
# The CPU build of torch; an unbounded torch takes gigabytes of CUDA packages.
TORCH := torch==2.13.0

.PHONY: demo test check differential format clean

$(VENV)/.installed: pyproject.toml
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -e ".[test]" "$(TORCH)"
	touch $@

demo: $(VENV)/.installed  ## Design a reward for DoorKey-8x8, show the claim on 3 fresh seeds
	$(VENV)/bin/rewardsmith run --task MiniGrid-DoorKey-8x8-v0 --confirm 3

test: $(VENV)/.installed  ## Every test
	$(PYTHON) -m pytest -n 2 --dist worksteal

check: $(VENV)/.installed  ## Lint and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

differential: $(VENV)/.installed  ## The compiled engine against MiniGrid itself, every covered task
	$(PYTHON) -m tests.tasks.minigrid.differential

format: $(VENV)/.installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
