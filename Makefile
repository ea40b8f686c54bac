# make lists what there is. Everything works from a clean clone, as root or not.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO    ?= go
BIN   := bin/carillon
LINT  := $(GO) tool -modfile=tools/lint.mod golangci-lint
FLAGS := -s -w -X main.version=$(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD := CGO_ENABLED=0 $(GO) build -trimpath

SEED  ?= 1
POSTS ?= 1000
KILLS ?= 100
REQUESTS ?= 1000000
# What runs under the race detector, and only there: a second run without it would find nothing more.
RACE  := ./adapters/pluginhost/... ./core/... ./adapters/jobs/... ./adapters/dispatch/...
LONG  := ./cmd/carillon ./docs/plugins ./plugins/examples ./adapters/conformance ./adapters/httpapi ./adapters/postgres

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the one binary, bin/carillon, and the one of its plugins that it knows by digest
	$(BUILD) -ldflags "-s -w" -o $(BIN)-plugins ./cmd/carillon-plugins
	$(BUILD) -ldflags "$(FLAGS) -X main.pluginsDigest=$$(sha256sum $(BIN)-plugins | cut -d' ' -f1)" -o $(BIN) ./cmd/carillon

.PHONY: run
run: deps build ## Run everything on this machine: database, server, worker, practice network; ARGS="--addr …"
	@exec $(BIN) dev $(ARGS)

.PHONY: demo
demo: deps build ## Do the main job once, over HTTP, and say how it went
	@$(BIN) demo

.PHONY: deps
deps: ## Install what is missing: a PostgreSQL server, if this machine has none
	@tools/deps.sh

.PHONY: sdks
sdks: ## Build the plugin SDKs in TypeScript and Python; the tests need them
	@tools/deps.sh test
	@tools/sdks.sh build

.PHONY: providers
providers: ## Install the OpenID provider that the tests sign in with
	@tools/providers/install.sh

# The two halves of the tests run side by side: much of both is waiting. What takes longest begins first.
.PHONY: test test-plain test-race
test: deps sdks providers ## Run the tests: unit, contract, integration, and the race detector on the core
	@$(MAKE) --no-print-directory -j 2 test-plain test-race

test-plain:
	$(GO) test -timeout 20m -p 3 $(LONG) $$(comm -23 <($(GO) list ./... | sort) <($(GO) list $(RACE) $(LONG) | sort))

test-race:
	$(GO) test -timeout 20m -p 2 -race $(RACE)

.PHONY: check
check: deps verify lint secure test mutants-short crash-short mutate-short demo ## What CI runs

.PHONY: lint
lint: ## Format and lint, with fault points and without
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run: make format"; exit 1; }
	$(LINT) run
	$(LINT) run --build-tags faultpoints

.PHONY: secure
secure: sbom ## Look for secrets in the files, and for licences that do not fit
	$(GO) tool -modfile=tools/gitleaks.mod gitleaks dir --no-banner --redact -c tools/gitleaks.toml .
	$(GO) run ./cmd/licences bin/sbom.json plugins/sdk-py/pyproject.toml $$(git ls-files '*package-lock.json')

.PHONY: secrets
secrets: ## Look for secrets in every commit there ever was
	$(GO) tool -modfile=tools/gitleaks.mod gitleaks git --no-banner --redact -c tools/gitleaks.toml .

.PHONY: sbom
sbom: ## List what the program is made of, with licences: bin/sbom.json, in CycloneDX
	@mkdir -p bin
	$(GO) tool -modfile=tools/sbom.mod cyclonedx-gomod mod -licenses -json -output bin/sbom.json .

.PHONY: mutants
mutants: deps ## Take away one wall or one check at a time and see whether a test notices: ONLY=regexp BUDGET=1h
	$(GO) run ./cmd/mutants -only '$(ONLY)' -budget $(or $(BUDGET),0) -report bin/mutants.json

.PHONY: mutants-short
mutants-short: deps ## The same for some that are chosen by chance, and need little time: SEED=1
	$(GO) run ./cmd/mutants -short -sample 60 -seed $(SEED) -budget 40s

.PHONY: format
format: ## Format the source
	gofmt -w $$(git ls-files '*.go')

.PHONY: generate
generate: ## Generate the HTTP server and client, and the plugin wire in each language
	$(GO) generate ./adapters/httpapi/... ./plugins/proto
	tools/sdks.sh generate

.PHONY: verify
verify: ## Check that generated code and go.mod are what is committed, and that the contract breaks nobody
	$(GO) mod verify
	$(GO) mod tidy -diff
	tools/breaking.sh
	@before=$$(git status --porcelain | sha256sum); diff=$$(git diff | sha256sum); \
	$(MAKE) -s generate; \
	[ "$$before" = "$$(git status --porcelain | sha256sum)" ] && [ "$$diff" = "$$(git diff | sha256sum)" ] \
	  || { git status --short; echo "generated code differs from what is committed"; exit 1; }

.PHONY: crash
crash: deps ## Try to lose or double a post: SEED=1 POSTS=1000 KILLS=100
	$(GO) run ./cmd/crash -seed $(SEED) -posts $(POSTS) -kills $(KILLS)

.PHONY: crash-short
crash-short: deps ## The short form of it, with its control, then mostly about plugins, for CI
	$(GO) run ./cmd/crash -short
	$(GO) run ./cmd/crash -short -plugins

.PHONY: mutate
mutate: deps build ## Send requests that are almost right, and look at every answer: SEED=1 REQUESTS=1000000
	$(GO) run ./cmd/mutate -seed $(SEED) -requests $(REQUESTS)

.PHONY: mutate-short
mutate-short: deps build ## As many of them as fit into twenty seconds, for CI
	$(GO) run ./cmd/mutate -short

.PHONY: bench
bench: deps build ## Measure; docs/benchmarks.md explains the figures
	$(GO) run ./cmd/bench

.PHONY: peers
peers: deps build ## Publish to Bluesky's reference server, on this machine, and kill the worker on the way
	@tools/peers/install.sh
	$(GO) run ./cmd/peers

.PHONY: fuzz
fuzz: ## Fuzz every parser of outside input for a short while: TIME=10s
	@tools/fuzz.sh $(or $(TIME),10s)

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin coverage.out
