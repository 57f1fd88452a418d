# Harbor. `make` alone lists what there is; everything it makes lives in .venv, .harbor and openapi.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help serve test bench check format lock openapi release-openapi clients image clean FORCE

BIN := .venv/bin
ENGINE ?= docker
# Files side by side, each with the servers of its process.
SUITE := $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

serve: .venv/serve ## run the API on 127.0.0.1:$PORT (8000) with its embedded defaults
	@exec $(BIN)/harbor serve --port $${PORT:-8000}

test: .venv/dev ## run the suite on SQLite, a real PostgreSQL and a real Redis; ARGS= goes to pytest
	@$(SUITE) $(ARGS)

bench: .venv/dev ## measure Harbor beside others, 20 minutes; QUICK=1 takes 3; ARGS= as in --help
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(ARGS)

# $(call step,name,command,what to do when it fails): one named step of a check.
define step
@printf '== %s\n' '$(1)'
@$(2) || { printf 'make check stopped at: %s%s\n' '$(1)' '$(if $(3), ($(3)))' >&2; exit 1; }
endef

check: .venv/dev ## the one definition of clean: format, lint, types, imports, OpenAPI, image, suite
	$(call step,format,$(BIN)/ruff format --check .,make format mends it)
	$(call step,lint,$(BIN)/ruff check .)
	$(call step,types,$(BIN)/mypy)
	$(call step,import contracts,$(BIN)/lint-imports --no-logo)
	$(call step,OpenAPI drift,$(BIN)/harbor openapi >.venv/openapi.json \
	  && diff -u openapi/harbor-v1.json .venv/openapi.json,make openapi writes the document anew)
	$(call step,breaking changes,$(BIN)/python -m openapi.gate)
	$(call step,Dockerfile,if [ -x $(BIN)/hadolint ]; then $(BIN)/hadolint Dockerfile; \
	  else echo 'left out: no hadolint for this platform'; fi)
	$(call step,suite,$(SUITE) $(ARGS))

format: .venv/dev ## format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

openapi: .venv/dev ## write openapi/harbor-v1.json
	@mkdir -p openapi
	@$(BIN)/harbor openapi >.venv/openapi.json
	@cp .venv/openapi.json openapi/harbor-v1.json

release-openapi: .venv/dev ## release openapi/harbor-v1.json: later changes are judged by it
	@$(BIN)/harbor openapi >.venv/openapi.json
	@diff -u openapi/harbor-v1.json .venv/openapi.json
	@$(BIN)/python -m openapi.release

clients: .venv/dev ## generate clients in four languages, compile and run them; ARGS='--only go'
	@$(BIN)/python -m openapi.clients $(ARGS)

# dev comes first and binds the others, so that one package has one version everywhere.
COMPILE = UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile --quiet --python-version 3.11 --universal \
  --generate-hashes --no-header $(ARGS)
lock: .venv/serve ## renew requirements/*.txt from pyproject.toml; ARGS=--upgrade moves to new versions
	@$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.txt
	@$(COMPILE) pyproject.toml --constraints requirements/dev.txt --output-file requirements/serve.txt
	@$(COMPILE) --group install --constraints requirements/dev.txt --output-file requirements/uv.txt
	@$(COMPILE) --group redis --no-deps --output-file requirements/redis.txt
	@$(COMPILE) openapi/clients/python/requirements.in --output-file openapi/clients/python/requirements.txt

image: ## build the container image; ENGINE=podman works too
	$(ENGINE) build --tag harbor-payments .

clean: ## remove what make made, but never the data in .harbor
	rm -rf .venv dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/serve: requirements/install requirements/uv.txt requirements/serve.txt pyproject.toml
	@PYTHON=$(PYTHON) requirements/install serve

.venv/dev: requirements/install requirements/uv.txt requirements/redis.txt requirements/dev.txt pyproject.toml
	@PYTHON=$(PYTHON) requirements/install dev

# A checkout that was moved or copied with its .venv needs a new one.
ifneq ($(shell cat .venv/here 2>/dev/null),$(CURDIR))
.venv/serve .venv/dev: FORCE
endif
