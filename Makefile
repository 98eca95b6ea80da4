# One environment for everything; the first target that needs it builds it.
VENV := .venv
PYTHON := $(VENV)/bin/python
# The CPU build of torch; an unbounded torch takes gigabytes of CUDA packages.
TORCH := torch==2.13.0

# Containers run as the calling user, who alone can read secrets/*; if root calls, they run as user 10001.
export REWARDSMITH_UID := $(shell id -u | sed 's/^0$$/10001/')
export REWARDSMITH_GID := $(shell id -g | sed 's/^0$$/10001/')

.PHONY: demo minihack-env test-minihack test test-slow check differential format generate clean up down private-secrets

$(VENV)/.installed: pyproject.toml
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -e ".[train,test]" "$(TORCH)"
	$(VENV)/bin/rewardsmith tasks prepare MiniGrid-DoorKey-8x8-v0
	touch $@

demo: $(VENV)/.installed  ## Check, train and evaluate a language model's recorded rewards for DoorKey-8x8, on 3 fresh seeds
	$(VENV)/bin/rewardsmith run --task MiniGrid-DoorKey-8x8-v0 --model recorded:examples/recorded/DoorKey-8x8 --samples 2 --claim-layouts 8 --confirm 3

# Three processes on two cores: many tests wait for processes, servers and time limits.
test: $(VENV)/.installed  ## All tests except slow ones; they start their own servers
	$(PYTHON) -m pytest -n 3 --dist worksteal -m "not slow"

test-slow: $(VENV)/.installed  ## The slow tests, which `make test` leaves out
	$(PYTHON) -m pytest -n 2 --dist worksteal -m slow

# MiniHack needs a gymnasium that the other environments do not work with.
minihack-env: .venv-minihack/.installed  ## A virtual environment with MiniHack

.venv-minihack/.installed: pyproject.toml
	python3 -m venv .venv-minihack
	.venv-minihack/bin/pip install --quiet --upgrade pip
	.venv-minihack/bin/pip install --quiet -e ".[train,minihack]" "$(TORCH)" "pytest>=8,<10" "pytest-xdist>=3.6,<4" "hypothesis>=6.100,<7"
	touch $@

test-minihack: .venv-minihack/.installed  ## The tests of MiniHack, in its environment
	.venv-minihack/bin/python -m pytest -n 0 tests/tasks/test_minihack.py

check: $(VENV)/.installed  ## Lint, types, the project's English, and counts of the code's structure
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright
	$(PYTHON) -m scripts.rooms counts
	$(PYTHON) -m scripts.words --check

differential: $(VENV)/.installed  ## Compare the compiled engine with MiniGrid on every covered task
	$(PYTHON) -m tests.tasks.minigrid.differential

generate: $(VENV)/.installed  ## Update the files that are generated from the code; tests compare them
	$(PYTHON) -m scripts.make_options
	$(PYTHON) -m scripts.make_api
	$(PYTHON) -m scripts.rooms table
	$(PYTHON) -m scripts.rooms picture
	$(PYTHON) -m scripts.make_algorithm_table

format: $(VENV)/.installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache

up: private-secrets  ## The service in containers: Redis, Postgres, scheduler, workers (docs/service.md)
	docker compose up --build --detach --wait

down:  ## Stop the service; volumes are kept
	docker compose down

# Also tightens secrets that an earlier version left readable by other users.
private-secrets: secrets/postgres_password
	chmod 700 secrets && chmod 600 secrets/*
	[ "$$(id -u)" -ne 0 ] || chown -R "$(REWARDSMITH_UID):$(REWARDSMITH_GID)" secrets

# Created once; compose mounts it into the containers as a file.
secrets/postgres_password:
	mkdir -p secrets && chmod 700 secrets
	umask 077 && head -c 24 /dev/urandom | base64 | tr -d '/+=\n' > $@
	umask 077 && printf 'postgresql+psycopg://rewardsmith:%s@postgres:5432/rewardsmith' "$$(cat $@)" > secrets/rewardsmith_database_url
	umask 077 && touch secrets/openai_api_key secrets/anthropic_api_key
