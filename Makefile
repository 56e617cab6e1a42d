# make run     a server with its data in ./waystation-data
# make test    every test: units, simulation, fuzzers for a moment, real SDKs, crashes, clusters
# make quick   unit tests of the packages that differ from main
# make check   what CI runs: .ci/run (style, make test, make browser) and make lint
# make lint    golangci-lint over everything
# make browser web pages that call the API, in a real browser
# make soak    the crash, cluster and simulation tests for SOAK (default 1h)
# make bench   the load generator against a server of its own
# make mutants alters packages in small ways and sees whether their tests notice; writes docs/mutation.md
# make docs    writes docs/compatibility.md anew from the tables of the APIs
.PHONY: run quick test browser check lint soak bench mutants docs

SOAK ?= 1h

run:
	go run ./cmd/waystation serve

test:
	scripts/test.sh

quick:
	scripts/quick.sh

check:
	.ci/run
	scripts/lint.sh

lint:
	scripts/lint.sh

browser:
	scripts/browser.sh

soak:
	WAYSTATION_SOAK=$(SOAK) go test -count=1 -timeout 0 -v ./test/crash ./test/cluster ./test/simulation

bench:
	scripts/bench.sh

mutants:
	go run ./test/mutation -min 85 -write docs/mutation.md

docs:
	go run ./internal/awsapi/compatibility > docs/compatibility.md
