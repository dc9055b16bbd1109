# make help lists what there is. Nothing here needs more than Go, a C++ compiler and git.

GO ?= go

.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

build: ## bin/kvitt
	@$(GO) build -trimpath -o bin/kvitt ./cmd/kvitt

demo: build ## a sample merchant's month through every phase, into bin/demo/
	@./bin/kvitt --quiet demo bin/demo

test: tools ## vet and every test
	$(GO) vet ./...
	@mkdir -p bin; { $(GO) test -count=1 -timeout 40m ./... 2>&1 || echo FAILED; } | tee bin/test.txt; \
		if [ "$$(tail -n 1 bin/test.txt)" = FAILED ]; then \
			echo "what failed:"; grep -E '^ *--- FAIL|^panic: |^[[:space:]]+Test[A-Z].*\(|^FAIL' bin/test.txt | head -n 40; exit 1; \
		fi

# What a test needs from Debian's packages is installed when it may be; without it that
# test says that it is skipped, and why.
tools:
	@command -v hledger >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& (apt-get update -qq && apt-get install -y -qq hledger) >/dev/null 2>&1; } \
		|| echo "hledger is not here and cannot be installed: the test that asks it is skipped"
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& (apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu-core) >/dev/null 2>&1; } \
		|| echo "chromium is not here and cannot be installed: the tests in a browser are skipped"

bench: build ## kvitt against bare DuckDB on the same million lines; N= sets how many; STAGING=svea, or all: staging of N orders, with RATE=40: fetching N orders at that rate
	@$(GO) build -o bin/bench ./fixtures/bench
	@./bin/bench -kvitt bin/kvitt -n $(or $(N),$(if $(STAGING),20000,1000000)) $(if $(STAGING),-staging $(STAGING)) $(if $(RATE),-rate $(RATE))

pages: build ## how long the console's pages take on a million lines; N= sets how many
	@$(GO) build -o bin/bench ./fixtures/bench
	@./bin/bench -pages -kvitt bin/kvitt -n $(or $(N),1000000)

questions: build ## forty questions of the published ledger, idle and while a run writes; N= sets how many lines it holds
	@$(GO) build -o bin/bench ./fixtures/bench
	@./bin/bench -questions -kvitt bin/kvitt -n $(or $(N),200000)

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

clean: ## what was built
	rm -rf bin

.PHONY: help build demo test tools bench pages questions lint clean
