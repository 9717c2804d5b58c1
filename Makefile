# Everything goes through these targets; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: drill-outages soak dashboards help setup demo up down status doctor feed test bench-ingest bench-predict bench-train bench-board bench-stream bench-latency drill-ingest drill-stream lint format lock images chart-tools test-cluster

ARGS ?=
BIN := .venv/bin
ROOMS := services/contracts services/ingest services/simulator services/predictor \
  services/board services/audit services/alerts spark-jobs models scripts
#: Rooms that become an image, which installs the room's own requirements only.
IMAGE_ROOMS := $(filter-out services/contracts,$(ROOMS))
INPUTS := scripts/setup.sh requirements.txt $(ROOMS:%=%/pyproject.toml)
#: The environment as it runs, and with what tests and linters need.
RUN := .venv/.ready-run
DEV := .venv/.ready-dev

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 14
	@echo
	@echo "Arguments are passed on: make demo ARGS='--feed sim --for 120 --json'"

setup: $(DEV) ## Make the virtual environment (quick when it is up to date)

$(RUN): $(INPUTS)
	@scripts/setup.sh run
	@touch $@

$(DEV): $(INPUTS) requirements-dev.txt
	@scripts/setup.sh dev
	@touch $(RUN) $@

demo: $(RUN) ## Run the whole pipeline here; ends in URLs and a filled page, Ctrl-C stops it
	@exec $(BIN)/cryptostream demo $(ARGS)

up: $(RUN) ## Start the pipeline in the background
	@exec $(BIN)/cryptostream up $(ARGS)

down: $(RUN) ## Stop it and leave nothing behind but downloads
	@exec $(BIN)/cryptostream down $(ARGS)

status: $(RUN) ## Show each component: state, pid, port, memory, last error
	@exec $(BIN)/cryptostream status $(ARGS)

doctor: $(RUN) ## Look at what this machine must have
	@exec $(BIN)/cryptostream doctor $(ARGS)

feed: $(RUN) ## Show who reads which symbols, rates, gaps and lag, live
	@exec $(BIN)/cryptostream feed $(ARGS)

test: lint ## Lint, then run all tests against the real servers
	@exec $(BIN)/python -m pytest $(ARGS)

bench-ingest: $(DEV) ## Compare ingest's CPU per trade with pybit, cryptofeed and ccxt
	@PYTHONPATH=scripts/bench:tests exec $(BIN)/python -m bench_ingest $(ARGS)

bench-predict: $(DEV) ## Measure the predictor: rows per second, and waits of 64 callers
	@PYTHONPATH=scripts/bench exec $(BIN)/python -m bench_predict $(ARGS)

bench-train: $(DEV) ## Measure training on a million simulated trades: time and memory
	@PYTHONPATH=scripts/bench exec $(BIN)/python -m bench_train $(ARGS)

bench-stream: $(DEV) ## Measure the stream beside Elasticsearch alone and the obvious way
	@PYTHONPATH=scripts/bench:tests exec $(BIN)/python -m bench_stream $(ARGS)

bench-latency: $(DEV) ## Measure exchange to searchable at 1,000 and at 100 trades/s
	@PYTHONPATH=scripts/bench exec $(BIN)/python -m bench_latency $(ARGS)

soak: $(DEV) ## Run the stack for an hour with the board open: growth of memory, errors, losses
	@PYTHONPATH=scripts/bench exec $(BIN)/python -m soak $(ARGS)

bench-board: $(DEV) ## Measure the board's push: 20 viewers, 200 symbols
	@PYTHONPATH=scripts/bench:tests exec $(BIN)/python -m bench_board $(ARGS)

drill-ingest: $(DEV) ## Run ingest through every fault there is; takes long
	@exec $(BIN)/python -m pytest -m drill -s tests/system/test_ingest_faults.py tests/system/test_ingest_scale.py $(ARGS)

test-cluster: $(DEV) ## Install the chart in the cluster of KUBECONFIG, scale, kill, upgrade, remove it
	@CRYPTOSTREAM_TEST_KUBECONFIG="$${KUBECONFIG:-$$HOME/.kube/config}" \
	  exec $(BIN)/python -m pytest -m cluster tests/cluster $(ARGS)

drill-stream: $(DEV) ## Kill the stream and let Elasticsearch fail; DRILL_KILLS=20 takes long
	@exec $(BIN)/python -m pytest -m drill -s $(wildcard tests/integration/test_stream_drills*.py) $(ARGS)

drill-outages: $(DEV) ## Take Kafka, Elasticsearch and the stream away for a minute each
	@exec $(BIN)/python -m pytest -m drill -s tests/system/test_outages.py $(ARGS)

images: ## Build the services' images; REPOSITORY and TAG name them
	@scripts/images.sh $(ARGS)

chart-tools: ## Fetch or build what checks the chart: both Helms, helm-unittest, promtool
	@scripts/chart-tools.sh

lint: $(DEV) ## Check style and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy $(wildcard $(ROOMS:%=%/src))

format: $(DEV) ## Put the code into its style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

dashboards: $(RUN) ## Write Kibana's and Grafana's dashboards anew from their code
	@$(BIN)/python -m cryptostream.cli.dashboards charts/cryptostream/dashboards

lock: $(RUN) ## Resolve the dependencies and write the requirements files
	@$(BIN)/uv lock --quiet
	@$(BIN)/uv export --quiet --all-packages --no-emit-workspace --no-header --no-annotate \
	  --no-default-groups -o requirements.txt
	@$(BIN)/uv export --quiet --only-group dev --no-header --no-annotate -o requirements-dev.txt
	@for room in $(IMAGE_ROOMS); do \
	  $(BIN)/uv export --quiet --frozen --project $$room --all-extras --no-emit-workspace --no-header \
	    --no-annotate --no-default-groups -o $$room/requirements.txt || exit 1; done
