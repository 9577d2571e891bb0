# `make` lists the targets. What a target needs and can be had from a registry is set up by it, in .venv and .tools.
# `run`, `demo`, `bench`, `cost` and `scale` need Rust and a C compiler, and nothing else.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Ports of `make run`, all on 127.0.0.1; 0 takes any that is free.
FRONT ?= 8000
DYNAMODB ?= 8001
SQS ?= 9324
WITHINGS ?= 9100
# More for `make run` and `make demo`, such as ARGS="--data .data".
ARGS ?=
# Name of the stack that `deploy` and `hotswap` work on.
STACK ?= afferent
# Cargo features of the functions for `build` and `hotswap`, such as FEATURES=otel (docs/tracing.md).
FEATURES ?=
# For `make deploy`, such as PARAMETERS="WithingsClientId=.. WithingsClientSecret=.. CallbackSecretSha256=..".
# What is not given keeps the value that it had at the last deployment.
PARAMETERS ?=
# How many seeds `make soak` runs of each kind, and the seed of its requests to the API: another one each time.
SEEDS ?= 1000
SEED ?=

# Which curves `make scale` plays, and which parts of it `make cost`; all of them unless it is set.
CURVES ?=
PARTS ?=

# Another browser for `screenshots` than the one that npm brings.
CHROMIUM ?=

PYTHON ?= python3
FUNCTIONS := ingest fetcher fanout dispatcher keeper api
DENY_VERSION := 0.20.2
MACHETE_VERSION := 0.9.2
PYTEST := .venv/bin/pytest -q -rs
# What runs a stack: the bootstraps, the local stack itself, the simulated Withings; the queues alone, for the conformance
# suite; the operator's tool; and a reader of the stream. Always built together, because cargo builds what they share anew for every other choice of packages.
BINARIES := $(FUNCTIONS:%=-p %) -p afferent-play -p afferent-operator -p withings-simulator -p local-sqs -p stream-reader
PORTS := --front-port $(FRONT) --dynamodb-port $(DYNAMODB) --sqs-port $(SQS) --withings-port $(WITHINGS)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ----------------------------------------------------------------------------------------------------------------------
# Run

.PHONY: run
run: binaries ## Start the stack and a simulated Withings on this machine, play a day, stay up (FRONT=8000 ...)
	target/debug/afferent-local run --bootstraps target/debug $(PORTS) $(ARGS)

.PHONY: demo
demo: binaries ## Play all sixteen categories once, print a table, write target/demo/report.json
	target/debug/afferent-local demo --bootstraps target/debug $(ARGS)

.PHONY: binaries
binaries: needs-rust
	cargo build --locked --bins $(BINARIES)

# ----------------------------------------------------------------------------------------------------------------------
# Test

# `needs-…` first: what is missing should be said before minutes of building.
# What the functions asked of AWS and what they logged meanwhile is kept in target/traces for the two checks at the end.
.PHONY: test
test: export AFFERENT_TRACES := $(CURDIR)/target/traces
test: needs-curl needs-python needs-node binaries ## All tests
	rm -rf target/traces
	cargo test --locked --workspace
	$(PYTEST) infra/checks
	$(PYTEST) tests/downstream
	$(PYTEST) tests/receivers
	$(PYTEST) tests/fhir
	$(PYTEST) tests/api
	$(PYTEST) tests/conformance
	.venv/bin/python infra/checks/roles.py target/traces
	.venv/bin/python infra/checks/leaks.py target/traces

.PHONY: e2e
e2e: needs-python binaries bootstraps check-build ## Deploy template and bootstraps into an emulator, play, compare with the local stack
	$(PYTEST) tests/e2e

# The shipped bootstraps, for this machine's processor, where the template's CodeUri looks for them. (`make build` puts
# those for AWS there.)
.PHONY: bootstraps
bootstraps: needs-rust
	cargo build --locked --release --bins $(FUNCTIONS:%=-p %)
	for function in $(FUNCTIONS); do
		install -D "target/release/$$function" "target/lambda/$$function/bootstrap"
	done

.PHONY: bench
bench: bootstraps ## The benchmarks, as a table with ratios; also target/bench.json
	cargo build --locked --release --bins -p bench
	target/release/bench

# `PARTS="month"` for some of it (further, series, month, sizes); FULL=1 adds 50,000 people to the sizes.
.PHONY: cost
cost: needs-rust ## What a million notifications would cost on AWS, and a month at rest, line by line
	cargo run --locked --quiet -p cost -- $(PARTS)

# Outside the gate, which plays a little of each: `CURVES="lanes keys"` for some of them.
.PHONY: scale
scale: needs-rust ## Play the curves of docs/scale.md anew: numbers, pictures, tables
	cargo run --locked --quiet -p scale -- $(CURVES)

.PHONY: release-fixture
release-fixture: needs-rust ## Record what a stack of this release leaves, for the tests of later ones (VERSION=0.1.0)
	RECORD=$(VERSION) cargo test --locked -p stack-tests --test upgrade a_release_is_recorded

.PHONY: soak
soak: needs-python binaries ## The long seeded runs: what each seed found, and all of them together (SEEDS=1000)
	SEEDS=$(SEEDS) cargo test --locked -p keeper --test seeds -- --nocapture
	FULL=1 cargo test --locked --release -p stack-tests --test it waiting -- --nocapture
	SEEDS=$(SEEDS) cargo test --locked -p stack-tests --test convergence -- --nocapture
	CALLS=10000 cargo test --locked -p stack-tests --test it budget::a_ -- --nocapture
	# Other requests each time; `make soak SEED=<the same>` makes those of an earlier run again.
	seed=$(or $(SEED),$$(date +%s))
	echo "requests to the API: SEED=$$seed"
	SEED=$$seed CASES=100 $(PYTEST) tests/api -k properties --hypothesis-seed=$$seed

# Outside the gate: it needs a Chromium, which npm brings for Linux on x86-64.
.PHONY: screenshots
screenshots: binaries tests/screenshots/node_modules ## Take the pictures of docs/images in a browser (CHROMIUM=/path/to/another)
	CHROMIUM="$(CHROMIUM)" node tests/screenshots/shoot.mjs

# ----------------------------------------------------------------------------------------------------------------------
# Check

.PHONY: check
check: check-format check-lints check-docs check-licences check-advisories check-unused check-template check-sam check-build check-policies check-cdk ## Everything that needs no running stack

.PHONY: check-format
check-format: needs-rust
	cargo fmt --all --check

.PHONY: check-lints
check-lints: needs-rust
	cargo clippy --locked --workspace --all-targets -- -D warnings
	# All functions with the feature. Of the same packages, because cargo builds what they share anew for every other choice.
	cargo clippy --locked --workspace --all-targets --features otel -- -D warnings

.PHONY: check-docs
check-docs: needs-rust
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet

.PHONY: check-licences
check-licences: .tools/bin/cargo-deny
	.tools/bin/cargo-deny --log-level error check licenses bans sources

# The list of known vulnerabilities lives on GitHub. Without it there is nothing to check against, and that is said.
.PHONY: check-advisories
check-advisories: .tools/bin/cargo-deny
	@if timeout 30 .tools/bin/cargo-deny --log-level off fetch db >/dev/null 2>&1; then
		.tools/bin/cargo-deny --log-level error check --disable-fetch advisories
	else
		echo "advisories NOT CHECKED: the advisory database on github.com is out of reach"
	fi

.PHONY: check-unused
check-unused: .tools/bin/cargo-machete
	.tools/bin/cargo-machete functions shared infra tests

.PHONY: check-template
check-template: needs-python
	$(PYTEST) infra/checks

# SAM works without credentials, and wants a region all the same.
SAM := AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam

.PHONY: check-sam
check-sam: .tools/sam/done
	$(SAM) validate --lint --template-file infra/template.yaml

# After `bootstraps` or `build`: SAM packs what they put into target/lambda, and nothing else.
.PHONY: check-build
check-build: .tools/sam/done bootstraps
	$(SAM) build --template-file infra/template.yaml --build-dir target/sam
	for function in $(FUNCTIONS); do
		grep -q "CodeUri: ../lambda/$$function$$" target/sam/template.yaml && test -x "target/lambda/$$function/bootstrap"
	done

.PHONY: check-policies
check-policies: needs-python .tools/checkov/done
	.venv/bin/python infra/checks/policies.py .tools/checkov/bin/checkov

.PHONY: check-cdk
check-cdk: infra/cdk/node_modules
	cd infra/cdk && npm test --silent

.PHONY: sbom
sbom: needs-rust needs-python ## What the deployed functions are made of, as CycloneDX, into target/sbom
	.venv/bin/python infra/checks/sbom.py target/sbom aarch64-unknown-linux-gnu

# ----------------------------------------------------------------------------------------------------------------------
# Deploy

.PHONY: build
build: .venv/build ## Build the bootstraps for AWS (arm64) into target/lambda
	PATH="$(CURDIR)/.venv/bin:$$PATH" cargo-lambda lambda build --locked --release --arm64 $(if $(FEATURES),--features $(FEATURES)) $(FUNCTIONS:%=-p %)

.PHONY: deploy
deploy: build .tools/sam/done ## Deploy the stack by `sam deploy` (STACK=afferent PARAMETERS="WithingsClientId=...")
	# Another release at each deployment: what has the same name is not published (docs/deploying.md).
	SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam deploy --template-file infra/template.yaml --stack-name $(STACK) --capabilities CAPABILITY_IAM --resolve-s3 \
		--parameter-overrides Release=$$(date -u +%Y%m%dT%H%M%SZ) $(PARAMETERS)

.PHONY: hotswap
hotswap: .venv/build ## Replace the code of one deployed function (FN=ingest STACK=afferent)
	[[ " $(FUNCTIONS) " == *" $(FN) "* ]] || { echo "name a function: make hotswap FN=ingest" >&2; exit 1; }
	PATH="$(CURDIR)/.venv/bin:$$PATH" cargo-lambda lambda build --locked --release --arm64 $(if $(FEATURES),--features $(FEATURES)) -p $(FN)
	PATH="$(CURDIR)/.venv/bin:$$PATH" cargo-lambda lambda deploy --binary-name $(FN) --alias live $(STACK)-$(FN)

# What then waits where, and for how long, is printed; docs/runbooks/README.md has it too.
.PHONY: stop start standing
stop: ## Stop one function of a deployed stack (FN=fetcher STACK=afferent)
	infra/switch.sh stop "$(FN)" "$(STACK)"

start: ## Start it again
	infra/switch.sh start "$(FN)" "$(STACK)"

standing: ## How the functions of a deployed stack stand
	infra/switch.sh standing "$(STACK)"

# ----------------------------------------------------------------------------------------------------------------------
# Set-up

.PHONY: setup
setup: .venv/tests tests/receivers/node_modules .tools/bin/cargo-deny .tools/bin/cargo-machete .tools/sam/done .tools/checkov/done infra/cdk/node_modules ## Install what test, check and e2e need beside Rust

.PHONY: needs-rust
needs-rust:
	@command -v cargo >/dev/null || { echo "Rust is needed: https://rustup.rs" >&2; exit 1; }

.PHONY: needs-curl
needs-curl:
	@command -v curl >/dev/null || { echo "curl is needed: the tour of the API is made of it" >&2; exit 1; }

.PHONY: needs-python
needs-python: .venv/tests

.PHONY: needs-node
needs-node: tests/receivers/node_modules

.venv/bin/python:
	@if ! command -v $(PYTHON) >/dev/null || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
		echo "Python 3.11 or later is needed, as $(PYTHON); or name it: PYTHON=/path/to/python3.12" >&2
		echo "(run, demo and bench do without Python)" >&2
		exit 1
	fi
	echo "making .venv"
	$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's modules venv and ensurepip are needed" >&2; exit 1; }

.venv/tests: tests/requirements.txt tests/constraints.txt | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt -c tests/constraints.txt
	touch $@

# The libraries that receivers in Node use. (What they say of Node's version is more than what they need of it.)
tests/receivers/node_modules tests/screenshots/node_modules infra/cdk/node_modules: %/node_modules: %/package.json %/package-lock.json
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
		echo "Node.js 20 or later is needed, with npm (run, demo and bench do without)" >&2
		exit 1
	fi
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	touch node_modules

.venv/build: infra/requirements.txt | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r infra/requirements.txt
	touch $@

# Tools in Python whose pins differ from ours, each in a folder of its own.
.tools/sam/done .tools/checkov/done: .tools/%/done: infra/requirements-%.txt | .venv/bin/python
	rm -rf .tools/$*
	.venv/bin/python -m venv .tools/$*
	.tools/$*/bin/python -m pip install --quiet --disable-pip-version-check -r infra/requirements-$*.txt
	touch $@

# `--debug`: they are used for seconds, so they should be built in one minute rather than several.
.tools/bin/cargo-deny: | needs-rust
	cargo install --quiet --locked --debug --root .tools cargo-deny@$(DENY_VERSION)

.tools/bin/cargo-machete: | needs-rust
	cargo install --quiet --locked --debug --root .tools cargo-machete@$(MACHETE_VERSION)

.PHONY: constraints
constraints: ## Pin anew what the Python requirements need in turn
	rm -rf target/constraints
	$(PYTHON) -m venv target/constraints
	target/constraints/bin/python -m pip install --quiet -r tests/requirements.txt
	target/constraints/bin/python -m pip freeze > tests/constraints.txt

.PHONY: clean
clean: ## Remove what was built and installed
	rm -rf target .venv .tools tests/receivers/node_modules tests/screenshots/node_modules infra/cdk/node_modules infra/cdk/dist

.ONESHELL:
