"""Runs `exactly_once.py` on both logs, undisturbed and under kill -9, and writes docs/exactly-once.md.

    python benchmarks/exactly_once_table.py DATA [--kafka HOST:PORT] [--kills 20] [--rate 300] [--only sqlite]

DATA is a folder with fashion_styles.jsonl.gz and fashion_styles.outputs.json. Reports land in benchmarks/results.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "exactly-once.md"
FEED = "fashion_styles"
FAULTS = "\n## Under faults\n"

HEAD = """# Exactly once, on both logs

Made by `make bench-exactly-once DATA=folder`. The real service (`askance run`), a replayed feed of {products:,}
products and five simulated annotators (97 % right, 2 s mean delay, 1 % unsure, 2 % skipped), a tenth of the products
asked about; undisturbed, and with `kill -9` of the service at {kills} random moments. Afterwards the log is read
(`read_committed`) and compared with the feed, every decision is made again (`askance audit`), and the model is
rebuilt from the ledger alone (`askance ledger --rebuild`). Machine: {machine}.

| log | kills | products | predictions | missing | repeated | asked | answered | skipped | open | audit | rebuilt |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""

QUALITY = """
## Progressive quality

Macro average precision (outputs with at least five positives in the stretch) of the scores **as they were served**,
before anybody had answered, over stretches of {window:,} arrivals in the feed's own order.
After a kill the service first scores what has piled up and learns as it goes, so quality comes later.

| arrivals | {heads} |
| --- | {dashes} |
"""


def run(data, log, kills, given):
    report = RESULTS / f"exactly_once.{log}.{kills}.json"
    files = [data / f"{FEED}.jsonl.gz", data / f"{FEED}.outputs.json"]
    words = ["--log", log, "--kafka", given.kafka, "--kills", kills, "--rate", given.rate, "--report", report]
    command = [sys.executable, *map(str, [HERE / "exactly_once.py", *files, *words])]
    status = subprocess.run(command, check=False).returncode
    return json.loads(report.read_text()), status


def page(reports):
    first = reports[0]
    most = max(len(report["kills"]) for report in reports)
    lines = [HEAD.format(products=first["products"], kills=most, machine=first["machine"])]
    for report in reports:
        balance, digests, audit = report["balance"], report["digests"], report["holds"]["audit clean"]
        lines.append(
            f"| {report['log']} | {len(report['kills'])} | {report['products']:,} | {report['predictions']:,} | "
            f"{report['missing']} | {report['repeated']} | {balance['issued']:,} | {balance['answered']:,} | "
            f"{balance['skipped']:,} | {balance['open']} | {'clean' if audit else 'NOT clean'} | "
            f"{'the same' if len(set(digests)) == 1 else 'ANOTHER'}: `{digests[0][:12]}` |\n"
        )
    names = [f"{report['log']}, {len(report['kills'])} kills" for report in reports]
    window = first["quality"][0]["arrivals"]
    lines.append(QUALITY.format(window=window, heads=" | ".join(names), dashes=" | ".join("---" for _ in names)))
    for row in range(len(first["quality"])):
        cells = [f"{report['quality'][row]['macro_ap']:.3f}" for report in reports if row < len(report["quality"])]
        lines.append(f"| {first['quality'][row]['arrivals']:,} | {' | '.join(cells)} |\n")
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--kafka", default="127.0.0.1:9092")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--only", choices=("sqlite", "kafka"))
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    logs = [given.only] if given.only else ["sqlite", "kafka"]
    done = [run(given.data, log, kills, given) for log in logs for kills in (0, given.kills)]
    kept = FAULTS + PAGE.read_text().partition(FAULTS)[2]  # of another command: `make faults`
    PAGE.write_text(page([report for report, _ in done]) + kept)
    sys.exit(max(status for _, status in done))


if __name__ == "__main__":
    main()
