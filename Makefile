# duolog's workshop. `make help` lists what there is; .ci/run calls only these targets.

GO        ?= go
BIN       := bin/duolog
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   := -s -w -X main.version=$(VERSION)
FUZZTIME  ?= 10m
SEEDS     ?= 500
BENCHFLAGS ?=

# The packages whose bugs are races: they run under the race detector in `make test`, as far as the machine has a C
# compiler, which the detector needs. Pure packages and enumerations of faults would only be slower under it. `make race`
# runs everything under it.
RACY      := ./raftlog ./rocketcore ./kraft ./protocol/... ./kafkacompat/... ./rocketcompat/... ./broker/...

.DEFAULT_GOAL := help
.PHONY: help build run demo test race lint fuzz sim bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile bin/duolog, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/duolog

run: build ## start a node on 127.0.0.1 with its data in ./data
	$(BIN) start

demo: build ## a node, real Kafka and RocketMQ clients of both kinds, every record counted; a few seconds
	$(GO) run ./test/demo -binary $(BIN)

test: lint ## lint and every test; what CI runs
	@./.ci/go-test '$(GO)' $(RACY)

race: ## every test under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz: ## every fuzz target for FUZZTIME (10m), two at a time
	@./.ci/fuzz '$(GO)' '$(FUZZTIME)'

sim: ## the replicated log under SEEDS (500) random histories of faults
	$(GO) test ./raftlog -run TestSim -count 1 -v -timeout 2h -sim.seeds $(SEEDS)

bench: build ## speed, restart and memory, measured in one run (the temporary directory must lie on a real disk)
	$(GO) test ./raftlog -run '^$$' -bench GroupCommit -benchtime 1x
	$(GO) run ./test/bench -binary $(BIN) $(BENCHFLAGS)

clean: ## remove what was built
	rm -rf bin
