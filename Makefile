# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := service models consumers producers

.PHONY: help demo test check format kafka bench bench-labels bench-ablation bench-simulate bench-proof bench-gains bench-exactly-once bench-challengers bench-drift bench-unlabelled bench-throughput bench-growth bench-gpu bench-snapshots bench-kafka bench-recovery bench-pressure faults clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    install, run the whole loop on a generated feed, show it learning"
	@echo "make test    install what the tests need, Kafka included, and run them all"
	@echo "make check   lint, types, imports, unit and contract tests on the embedded log (under two minutes)"
	@echo "make kafka   start a real Kafka broker for hand use (Ctrl-C stops it)"
	@echo "make faults  kill -9 two hundred times, stop the broker, fill the disk ..., and judge what is left; ARGS='--client confluent'"
	@echo "make bench   the benchmarks, for hours; DATA=folder with the labelled feeds"

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install -qq --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.checked: $(VENV)/.installed
	$(BIN)/pip install -qq --constraint constraints.txt --editable '.[check]'
	@touch $@

$(VENV)/.benched: $(VENV)/.checked
	$(BIN)/pip install -qq --constraint constraints.txt --editable '.[bench]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/askance demo

test: $(VENV)/.checked
	$(BIN)/coverage erase
	$(BIN)/pytest --cov --cov-report=term:skip-covered

check: $(VENV)/.checked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not kafka and not slow" --numprocesses 2

format: $(VENV)/.checked
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

kafka: $(VENV)/.checked
	$(BIN)/python tests/broker/run.py

faults: $(VENV)/.checked
	PYTHONPATH=tests:benchmarks OMP_NUM_THREADS=1 $(BIN)/python -m faults $(ARGS)

DATA ?= ../shared/data
bench: bench-labels bench-ablation bench-simulate bench-exactly-once bench-proof bench-gains bench-drift bench-unlabelled bench-throughput bench-growth bench-gpu bench-snapshots bench-kafka bench-recovery bench-pressure

# Kafka's part needs a broker: `make kafka` in another terminal.
bench-exactly-once: $(VENV)/.checked
	$(BIN)/python benchmarks/exactly_once_table.py $(DATA)

bench-labels: $(VENV)/.benched
	$(BIN)/python benchmarks/labels.py $(DATA) --extras --encoder

bench-ablation: $(VENV)/.benched
	$(BIN)/python benchmarks/ablation.py $(DATA)

bench-simulate: $(VENV)/.benched
	$(BIN)/python benchmarks/simulate_table.py $(DATA)

bench-proof: $(VENV)/.checked
	$(BIN)/python benchmarks/proof.py $(DATA)
	$(BIN)/python benchmarks/proof.py $(DATA) --floor 0.05

bench-gains: $(VENV)/.checked
	$(BIN)/python benchmarks/gains.py $(DATA)

bench-challengers: $(VENV)/.checked
	$(BIN)/python benchmarks/challengers.py $(DATA)

bench-drift: $(VENV)/.checked
	$(BIN)/python benchmarks/drift.py $(DATA)

bench-unlabelled: $(VENV)/.benched
	$(BIN)/python benchmarks/unlabelled.py $(DATA) --seeds 2
	$(BIN)/python benchmarks/unlabelled_spaces.py $(DATA)

bench-throughput: $(VENV)/.benched
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/speed_plot.py throughput

bench-growth: $(VENV)/.benched
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/speed_plot.py growth

bench-gpu: $(VENV)/.benched
	$(BIN)/python benchmarks/gpu.py

# These need a broker: `make kafka` in another terminal.
KAFKA ?= 127.0.0.1:9092
bench-kafka: $(VENV)/.benched
	$(BIN)/pip install -qq --constraint constraints.txt --editable '.[confluent]'
	$(BIN)/python benchmarks/throughput_kafka.py --kafka $(KAFKA)
	$(BIN)/python benchmarks/latency.py --kafka $(KAFKA) --roles split
	$(BIN)/python benchmarks/growth.py --kafka $(KAFKA) --parts replicas
	$(BIN)/python benchmarks/speed_plot.py kafka latency growth

bench-recovery: $(VENV)/.checked
	$(BIN)/python benchmarks/recovery.py
	$(BIN)/python benchmarks/recovery.py --roles split

bench-pressure: $(VENV)/.checked
	PYTHONPATH=tests:benchmarks $(BIN)/python benchmarks/pressure.py --client kafka-python
	PYTHONPATH=tests:benchmarks $(BIN)/python benchmarks/pressure.py --client confluent

bench-snapshots: $(VENV)/.checked
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/snapshots.py $(DATA)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
