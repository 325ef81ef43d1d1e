# The project's commands. `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
BENCH_READY := $(VENV)/bench-ready

.DEFAULT_GOAL := help
.PHONY: help run test again soak lint format docs site screenshots fuzz audit bench lock image reproduce sbom clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: $(READY) ## see it work here: HAProxy, two demo services, and a stack file to edit
	@$(BIN)/swarmgate demo

# Those that need a Swarm have so much to wait for that they go first: the others take what they leave of the machine.
test: $(READY) lint ## run all checks and all tests that this machine can run
	@mkdir -p build; echo "The tests that need a Swarm run beside the others; what they say comes after these."
	@$(BIN)/python -m pytest -o cache_dir=build/cache/swarm -n 0 -m swarm >build/swarm-tests.log 2>&1 & swarm=$$!; \
	nice -n 5 $(BIN)/python -m pytest -o cache_dir=build/cache/others -n auto -m "not swarm"; others=$$?; \
	wait $$swarm; swarm=$$?; cat build/swarm-tests.log; exit $$((others || swarm))
	@$(MAKE) --no-print-directory fuzz SECONDS=5

again: $(READY) ## run what has failed once more, one test at a time
	@ran=5; for which in swarm others; do \
		$(BIN)/python -m pytest -o cache_dir=build/cache/$$which -n 0 --last-failed --last-failed-no-failures none; \
		status=$$?; [ $$status -eq 5 ] || ran=$$status; [ $$status -eq 5 ] || [ $$status -eq 0 ] || exit $$status; \
	done; exit $$ran

soak: $(READY) ## change and break things for ten minutes, and see that nothing is lost and nothing grows (SWARMGATE_SOAK=seconds)
	SWARMGATE_SOAK=$${SWARMGATE_SOAK:-600} $(BIN)/python -m pytest -n 0 -s tests/soak

lint: $(READY) ## check style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python docs/generate.py --check

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## write the pages in docs/ that follow from the code
	$(BIN)/python docs/generate.py

screenshots: $(READY) ## take the pictures of the web page in docs/screenshots anew
	$(BIN)/python -m pytest -n 0 tests/ui/test_screenshots.py --update-screenshots

fuzz: $(READY) ## fuzz all that reads what others have written (a minute each; or: make fuzz SECONDS=3600)
	@if ! $(BIN)/python -c 'import atheris' 2>/dev/null; then \
		echo "Nothing is fuzzed: there is no atheris for this Python on this machine."; exit $${SWARMGATE_REQUIRE_ALL:-0}; \
	fi; \
	for target in labels answers snapshots; do \
		echo "Fuzzing $$target ..."; \
		PYTHONPATH=tests $(BIN)/python tests/fuzz/run.py $$target $(or $(SECONDS),60) 2>$(VENV)/fuzz.log \
			|| { cat $(VENV)/fuzz.log; exit 1; }; \
		grep -E 'executed_units|new_units' $(VENV)/fuzz.log; \
	done

site: $(READY) ## build the documentation site in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open build/site/index.html"

audit: $(READY) ## look up known vulnerabilities of all locked packages (AUDIT_REQUIRED=1: fail if nobody can tell)
	@$(BIN)/python .ci/audit.py $(BIN)/uv tool run --quiet --from 'pip-audit>=2.10,<3' \
		pip-audit --disable-pip --no-deps --progress-spinner off --format json --requirement requirements.lock

bench: $(BENCH_READY) ## measure what is promised, and write docs/performance.md (half an hour; see: make bench ARGS=--help)
	$(BIN)/python -m benchmarks $(or $(ARGS),--write-docs)

lock: $(READY) ## pin anew what pyproject.toml allows
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--no-header --no-emit-index-url --upgrade --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --group bench --universal --python-version 3.11 \
		--no-header --no-emit-index-url --upgrade --quiet --constraint requirements.lock \
		--output-file requirements-bench.lock

image: ## build the container image swarmgate/swarmgate
	docker build --network host --tag swarmgate/swarmgate .

reproduce: ## build the image twice from nothing, and compare what is in the two (three minutes)
	@$(PYTHON) .ci/reproduce.py docker build --network host .

sbom: $(READY) ## write what the image swarmgate/swarmgate is made of to build/sbom.json (CycloneDX)
	@mkdir -p build
	@$(BIN)/python .ci/sbom.py docker run --rm --interactive --entrypoint python3 swarmgate/swarmgate -I - >build/sbom.json

clean: ## remove what the other commands have made
	rm -rf $(VENV) build dist

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name one with: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "Making the environment in $(VENV) (once, a minute or two) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(BENCH_READY): $(READY) requirements-bench.lock
	@tests/testbed/install && tests/testbed/haproxy
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-bench.lock
	@touch $@
