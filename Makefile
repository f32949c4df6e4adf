# pgveil: make help lists the targets.
GO        ?= go
BIN       := bin/pgveil
FUZZTIME  ?= 5s
FUZZFAIL  ?=
STATEMENTS ?= 50000
# Options of make demo and make bench; see README.md.
export KEYS PATIENTS RESULTS ONCE PORT SERVER_PORT

.PHONY: help build test test-conformance test-differential test-keylife test-audit demo bench bench-clients bench-idle bench-compare profile lint fuzz tools clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

build: ## build bin/pgveil
	$(GO) build -o $(BIN) ./cmd/pgveil

tools: ## install what the tests need, or say what to install, and build Vault once
	@GO=$(GO) sh testenv/install.sh
	@$(GO) run ./testenv/prepare

test: tools ## run all tests against a real PostgreSQL, Vault and drivers
	@bash .ci/test $(GO)

test-differential: tools ## run random statements through pgveil and directly, and compare; STATEMENTS=…, PGVEIL_SEED=…
	PGVEIL_STATEMENTS=$(STATEMENTS) PGVEIL_DIFFERENTIAL_DOC=$(CURDIR)/docs/differential.md \
		$(GO) test -count=1 -v -timeout 0 ./testenv/differential

LIVES ?= 3
test-keylife: tools ## keys for their whole life under a workload, with kill -9 of each part; LIVES=…, PGVEIL_SEED=…
	PGVEIL_KEYLIFE=$(LIVES) $(GO) test -count=1 -v -timeout 0 ./testenv/keylife

KILLS ?= 100
test-audit: ## kill pgveil while clients read, KILLS times, and look for each record; then what durable records cost
	PGVEIL_AUDIT_KILLS=$(KILLS) $(GO) test -count=1 -v -timeout 0 ./cmd/pgveil -run TestAudit
	$(GO) test ./testenv/bench -run '^$$' -bench Audit -benchtime 1x -timeout 30m

# Debian's source package of the server is fetched and built once; see docs/conformance.md.
SUITES ?= all
test-conformance: ## run PostgreSQL's own suites through pgveil and directly; SUITES=subset for a few minutes' worth
	@GO=$(GO) sh testenv/install.sh conformance
	PGVEIL_CONFORMANCE=$(SUITES) $(GO) test -count=1 -v -timeout 90m ./testenv/conformance

# The demo is built and not given to go run, which passes no SIGTERM on.
demo: ## run the laboratory demo; KEYS=vault, PATIENTS=…, RESULTS=…, ONCE=1, PORT=…, SERVER_PORT=…
	@GO=$(GO) sh testenv/install.sh demo
	@$(MAKE) --no-print-directory build
	@$(GO) build -o bin/demo ./testenv/demo
	@bin/demo

bench: tools build ## print throughput as ratios to the server, to PgBouncer and to a bare relay
	$(GO) test ./testenv/bench -run '^$$' -bench 'Throughput|Bulk|Audit|Memory' -benchtime 1x -timeout 60m -args -json $(CURDIR)/bin

bench-clients: tools build ## tps against clients (1 to 256), as a table and as docs/clients.svg
	$(GO) test ./testenv/bench -run '^$$' -bench Clients -benchtime 1x -timeout 60m -args -rounds 3 -seconds 6 -json $(CURDIR)/bin -chart $(CURDIR)/docs/clients.svg

bench-idle: tools build ## resident memory of 5,000 idle connections; the server needs some 15 GB for them
	$(GO) test ./testenv/bench -run '^$$' -bench Idle -benchtime 1x -timeout 60m

profile: tools ## write bin/cpu.pprof: where pgveil's time goes while it does what make bench does
	@mkdir -p bin
	$(GO) test ./testenv/bench -run '^$$' -bench Profile -benchtime 1x -timeout 60m -o $(CURDIR)/bin/bench.test -cpuprofile $(CURDIR)/bin/cpu.pprof -args -rounds 1 -seconds 3

bench-compare: ## whether the Go benchmarks got slower, or allocate more, since BASE=<git ref>
	@sh .ci/bench-compare $(BASE)

lint: ## gofumpt, vet, staticcheck, import rules
	@sh .ci/lint

fuzz: ## run every fuzz target for FUZZTIME
	@sh .ci/fuzz $(FUZZTIME) $(FUZZFAIL)

clean: ## remove what was built
	rm -rf bin
