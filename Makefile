# `make run` and `make test` need git, make and some Python 3; script/bootstrap brings the rest into .uv and .venv.
# PORT, DEMO and every setting of docs/reference/settings.md come from the environment or the command line
# (`make run PORT=9000`): make passes both on, and what is not set keeps the default of config/settings.py.

.PHONY: help run test check bench bench-full bench-indexes bench-create bench-connections bench-peers bench-tasks bench-bulk scale faults test-all lock
.DEFAULT_GOAL := help

# Checks read settings but no database of yours.
CHECK := POPULACE_MODE=local DATABASE_URL=sqlite:///.venv/check.sqlite3

help: ## Show this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

run: ## Start Populace on http://127.0.0.1:8000 with demo people (PORT=…, DEMO=0); Ctrl-C stops it
	@script/bootstrap run
	@.venv/bin/populace up

test: ## Run every test, servers included, on PostgreSQL, SQLite and MariaDB; say what was skipped and why
	@script/bootstrap dev
	@script/services
	@script/test

check: ## Check format, lint, types, import directions, migrations and docs
	@script/bootstrap dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	$(CHECK) .venv/bin/mypy
	.venv/bin/lint-imports
	$(CHECK) .venv/bin/python manage.py makemigrations --check --dry-run
	POPULACE_TEST_ENGINE=sqlite .venv/bin/pytest -q tests/unit/test_docs.py tests/unit/test_house.py

bench: ## Compare with a naive build and with bare psycopg: one table
	@script/bootstrap dev
	@script/services bench
	.venv/bin/python -m bench.run

bench-full: ## Grow one database to ten million people and plot what requests take (SIZES=…); have 40 GB of disk free
	@script/bootstrap dev
	@script/services bench
	.venv/bin/python -m bench.growth

bench-indexes: ## What each index of people costs a create, and the disk
	@script/bootstrap dev
	@script/services bench
	.venv/bin/python -m bench.index_cost

bench-create: ## Which part of a create's database CPU is the event's
	@script/bootstrap dev
	@script/services bench
	.venv/bin/python -m bench.create_cost

bench-connections: ## Ways to the database (a connection each, kept, pool, PgBouncer) with 1, 4 and 8 threads
	@script/bootstrap dev
	@script/services bench
	.venv/bin/python -m bench.connections

bench-peers: ## Populace beside fastapi-users, djoser and better-auth, installed for the run
	@script/bootstrap dev
	@script/services bench
	.venv/bin/python -m bench.peers.run

bench-tasks: ## The engines of background work side by side: tasks a second, and from commit to start
	@script/bootstrap dev
	@script/services bench
	.venv/bin/python -m bench.tasks

bench-bulk: ## Import and export people beside a bare COPY of the same rows (ROWS=, ROUNDS=, SAVE=1): ratio, memory
	@script/bootstrap dev
	@script/services bench
	.venv/bin/python -m bench.bulk
	.venv/bin/python -m bench.bulk_export

scale: ## Seed a million people; check every list and the console: statements, plans, order while others write
	@script/bootstrap dev
	@script/services
	.venv/bin/python -m bench.scale

faults: ## Break what can break, with all rounds; write what came of it to bench/results/<date>-faults.md
	@script/bootstrap dev
	@script/services
	FAULT_ROUNDS=200 .venv/bin/pytest tests/faults --timeout=3600

test-all: check test faults ## Run check, test and faults

lock: ## Resolve the dependencies of pyproject.toml anew into the two locks, with hashes
	@script/bootstrap dev
	.uv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.13 \
		--custom-compile-command 'make lock' pyproject.toml -o requirements.lock
	.uv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.13 \
		--custom-compile-command 'make lock' pyproject.toml -c requirements.lock --all-extras --group dev -o requirements-dev.lock
