# Ringcast: `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

UI       := playout/web/ui
TOOLS    := $(CURDIR)/.cache/tools
FUZZTIME ?= 20s
ARGS     ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ui ## build bin/ringcast, with hls.js in it
	go build -trimpath -o bin/ringcast ./cmd/ringcast

# hls.js and the tests' browser driver, in the versions of package-lock.json.
# Without npm the program builds too: the player page then uses the browser's
# own HLS.
ui: $(UI)/dist/hls.min.js

$(UI)/dist/hls.min.js: $(UI)/package-lock.json $(UI)/package.json
	@if command -v npm >/dev/null; then \
	  (cd $(UI) && npm ci --ignore-scripts --loglevel=error) && \
	  cp $(UI)/node_modules/hls.js/LICENSE $(UI)/dist/hls.LICENSE && \
	  cp $(UI)/node_modules/hls.js/dist/hls.min.js $@ && touch $@; \
	else echo "npm is not here: the player page will use the browser's own HLS"; fi

demo: build ## run the demo: a clip, served as HLS, RTSP and HTTP-FLV
	bin/ringcast demo $(ARGS)

# Two packages at a time: the end-to-end tests measure delays, and a machine
# that is busy with six others shows its own.
test: ## run every test that this machine can; on Debian as root it installs what they need
	@left_out=$$(.ci/need); \
	$(MAKE) --no-print-directory ui; \
	pattern=$$(printf '/%s(/|$$)\n' $$left_out none | paste -sd'|'); \
	mkdir -p .cache; go vet ./...; \
	go list ./... | grep -Ev "$$pattern" > .cache/packages || true; \
	if [[ -n $$left_out ]]; then echo "LEFT OUT on this machine:" $$left_out; fi; \
	: "Players and networks of real processes need the machine for themselves."; \
	go test -p 2 -timeout 20m $$(grep -Ev '/internal/(e2e|nettest)$$' .cache/packages); \
	alone=$$(grep -E '/internal/(e2e|nettest)$$' .cache/packages || true); \
	if [[ -n $$alone ]]; then go test -p 1 -timeout 20m $$alone; fi; \
	$(MAKE) --no-print-directory cross
	$(MAKE) --no-print-directory fuzz-edge

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

cross: ## build for every platform that is supported, and keep nothing
	@for p in $(PLATFORMS); do \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -o /dev/null ./cmd/ringcast && echo "builds for $$p" || exit 1; \
	done

# Five minutes in all on what strangers can send to an open port.
EDGEFUZZTIME ?= 25s
EDGEFUZZ := ingest/rtmp:FuzzChunkReader ingest/rtmp:FuzzSession ingest/flv:FuzzReader \
  packager/flv:FuzzParseVideo packager/flv:FuzzParseAudio packager:FuzzUnpackager rtmfp/amf0:FuzzParse \
  ingest/rtsp:FuzzReceiver playout/hls:FuzzRequest playout/hls:FuzzMuxer playout/web:FuzzClassify \
  overlay/manifest:FuzzParseHead rtmfp:FuzzEndpoint rtmfp/netconnection:FuzzServer

fuzz-edge: ## fuzz what reads a stranger's bytes, EDGEFUZZTIME (25s) each
	@for t in $(EDGEFUZZ); do \
	  echo "== fuzz $$t"; \
	  .ci/fuzz $${t%%:*} $${t##*:} $(EDGEFUZZTIME); \
	done

race: ## run the tests of all packages but the end-to-end ones under the race detector
	go test -race -p 2 -timeout 20m $$(go list ./... | grep -Ev '/internal/(e2e|lab)')

SEEDS ?= 100
FROM  ?= 1
SOAK  ?= 20m

soak: ## run 10 x SEEDS (100) lives of sessions, SEEDS groups twice, and 30 nodes under churn for SOAK (20m)
	go test -count=1 -v -timeout 0 -run TestCampaign ./rtmfp -seeds $$(($(SEEDS) * 10))
	@$(MAKE) --no-print-directory soak-groups
	@$(MAKE) --no-print-directory soak-cliff
	@$(MAKE) --no-print-directory soak-nodes

soak-groups: ## simulate SEEDS (100) random groups in bad worlds, from seed FROM (1)
	go test -count=1 -v -timeout 0 -run TestSoak ./multicast/swarm -soak $(SEEDS) -soakfrom $(FROM)

soak-cliff: ## let half of a group of 300 vanish, with SEEDS (100) seeds from FROM (1)
	go run ./cmd/ringcast sim cliff --nodes 300 --settle 20s --seed $(FROM) --runs $(SEEDS) --quiet

soak-nodes: ## run 30 nodes under churn for SOAK (20m), as root on Linux; draws docs/images/soak.svg
	go test -count=1 -v -timeout 0 -run TestSoak ./internal/nettest -soak $(SOAK) -soak-plot $(CURDIR)/docs/images/soak.svg

# What docs/results.md shows of the simulator: scenario, members, and settings
# beside its own. The figures of the document were made on two busy cores;
# NODES=1000 or 10000 takes the same scenarios to other sizes.
NODES   ?= 100
RUNS    ?= steady-1 steady-2 steady-3 tight-1 delay-1 join-1 flash-1 fusion-1 overload-1 cliff-1 scale-1 overlay-1 route-1 post-1 replicate-1
SIMTIME ?= --settle 20s --duration 20s
RESULTS := .cache/results
SIM_tight     = --settle 20s --duration 10s
SIM_delay     = --settle 20s --duration 10s
SIM_flash     = --duration 40s
SIM_scale     = --nodes $$(($(NODES) * 10)) --settle 20s --duration 10s
SIM_cliff     = --settle 20s --runs 5
SIM_overlay   = --settle 20s --duration 60s
SIM_route     = --settle 20s --duration 60s
SIM_post      = --settle 20s --duration 60s
SIM_replicate = --objects 256

results: ## simulate all scenarios with NODES (100) members and write the table of docs/results.md anew
	go build -trimpath -o bin/ringcast ./cmd/ringcast
	@rm -rf $(RESULTS)
	@$(MAKE) --no-print-directory $(addprefix $(RESULTS)/,$(RUNS))
	go run ./internal/load/simtable -results $(RESULTS)

# One run, named scenario-seed. That a target is missed is a result too.
$(RESULTS)/%:
	@s=$*; name=$${s%-*}; \
	bin/ringcast sim $$name --nodes $(NODES) --seed $${s##*-} \
	  $(or $(SIM_$(firstword $(subst -, ,$*))),$(SIMTIME)) --out $@ --plots --quiet || [[ -s $@/result.json ]]

fuzz: ## run each fuzz target for FUZZTIME (20s)
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; \
	    go test $$pkg -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s -parallel 2; \
	  done; \
	done

bench: ## run the benchmarks of all packages
	go test -run '^$$' -bench . -benchmem $$(go list ./... | grep -v /internal/)

bench-edge: build ## measure the edge from outside; MEDIAMTX=path compares with that program
	go run ./internal/load/edgebench -ringcast bin/ringcast -mediamtx "$(MEDIAMTX)" $(ARGS)

bench-rtmfp: ## measure the transport between two processes, beside quic-go in the same run
	go build -trimpath -o bin/ringcast ./cmd/ringcast
	cd internal/load/quicbench && go build -trimpath -o $(CURDIR)/bin/quicbench .
	go run ./internal/load/rtmfpbench -ringcast bin/ringcast -quic bin/quicbench $(ARGS)

e2e: ## run the end-to-end tests alone, verbosely
	@left_out=$$(.ci/need); if [[ -n $$left_out ]]; then echo "cannot run here:" $$left_out; exit 1; fi
	@$(MAKE) --no-print-directory ui
	go test -count=1 -v -timeout 20m -p 1 ./internal/e2e/... ./internal/nettest

# The linters are pinned by .tools/go.mod and built once for each version.
$(TOOLS)/stamp: .tools/go.mod .tools/go.sum
	mkdir -p $(TOOLS)
	cd .tools && GOBIN=$(TOOLS) go install tool
	touch $@

lint: $(TOOLS)/stamp ## run the pinned linters
	@bad=$$($(TOOLS)/gofumpt -l $$(git ls-files '*.go')); if [[ -n $$bad ]]; then echo "gofumpt:" $$bad; exit 1; fi
	go vet ./...
	$(TOOLS)/staticcheck ./...
	go mod tidy -diff

generate: ## make the generated pages and examples again
	go generate ./...

screenshots: build ## take the pictures of docs/images again, with headless Chromium
	.ci/screenshots docs/images

# A static binary on an empty base: nothing is pulled.
build/ringcast: ui
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $@ ./cmd/ringcast

docker: ## build the container image ringcast:latest from a static binary
	@rm -f build/ringcast
	$(MAKE) --no-print-directory build/ringcast
	docker build -t ringcast:latest .

clean: ## remove what was built
	rm -rf bin build .cache $(UI)/node_modules $(UI)/dist/hls.*

.PHONY: help build ui demo test cross race fuzz fuzz-edge soak soak-groups soak-cliff soak-nodes results bench bench-edge bench-rtmfp e2e lint generate screenshots docker clean
