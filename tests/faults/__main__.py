"""The long run: every script, and kills at random moments until there were enough; `make faults`.

    PYTHONPATH=tests:benchmarks python -m faults [--client confluent] [--kills 200] [--minutes 60] [--seed 0]
                                                 [--only SCRIPT ...]

Figures land in benchmarks/results/faults.CLIENT.json, the table in docs/exactly-once.md. Exit status 0 only if all
holds.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path

from proof_page import put
from rich.console import Console

from faults.playing import play
from faults.script import read_scripts
from faults.stage import Broken
from shared.brokers import Broker

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "exactly-once.md"
HEAD = """| script | what happens | runs | `kill -9` | products | asked | labels | rejected | holds |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
"""


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", choices=("kafka-python", "confluent"), default="kafka-python")
    parser.add_argument("--kills", type=int, default=200, help="kill -9 in all, at least")
    parser.add_argument("--minutes", type=float, default=120.0, help="no script is begun later")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="scripts by name; then no kills besides theirs")
    return parser.parse_args()


def scripts(given):
    """Scripts with their seeds, without end but for `--only`: all of them, then kills and more kills."""
    first = read_scripts(given.seed)
    for name in given.only or first:
        yield given.seed, first[name]
    seed = given.seed
    while not given.only:
        seed += 1
        yield seed, read_scripts(seed)["kills"]


def run(script, seed, client, console):
    """Play one script on a broker of its own; what came of it, as plain figures."""
    began = time.monotonic()

    def tell(what):
        console.print(f"{time.monotonic() - began:7.1f} s  {what}", style="dim")

    with tempfile.TemporaryDirectory(prefix="askance-faults-") as temporary:
        data = Path(temporary) / "kafka"
        data.mkdir()
        broker = Broker(data).start()
        try:
            played = play(
                script, Path(temporary) / "stage", broker, prefix=f"f{os.getpid()}.", seed=seed, tell=tell,
                sets={"kafka.client": client},
            )  # fmt: skip
        finally:
            broker.stop()
    verdict = played.verdict
    return {
        "script": script.name, "says": script.says, "seed": seed, "kills": played.kills, "ended": played.ended,
        "seconds": round(time.monotonic() - began, 1), "holds": verdict.holds, "problems": verdict.problems,
        **verdict.figures,
    }  # fmt: skip


def table(machine, runs):
    """The table of the page: a line for each script, its runs added up."""
    lines = [f"Machine: {machine}. Seeds from {runs[0]['seed']} to {max(one['seed'] for one in runs)}.\n\n", HEAD]
    for name in dict.fromkeys(one["script"] for one in runs):
        ours = [one for one in runs if one["script"] == name]
        sums = [sum(one.get(key, 0) for one in ours) for key in ("kills", "sent", "asked", "labels")]
        cells = [name, ours[0]["says"], len(ours), *sums, sum(sum(one.get("rejected", {}).values()) for one in ours)]
        wrong = sorted({what for one in ours for what, held in one["holds"].items() if not held})
        lines.append(f"| {' | '.join(map(str, cells))} | {'**not**: ' + ', '.join(wrong) if wrong else 'all'} |\n")
    return "".join(lines).rstrip()


def main():
    given, console = options(), Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began, runs, kills = time.monotonic(), [], 0
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    for seed, script in scripts(given):
        enough = kills >= given.kills and len(runs) >= len(read_scripts(0))
        if enough or time.monotonic() - began > 60 * given.minutes:
            break
        console.print(f"[bold]{script.name}[/] (seed {seed}; {kills} kills so far): {script.says}")
        try:
            runs.append(run(script, seed, given.client, console))
        except (Broken, AssertionError) as error:
            runs.append({"script": script.name, "says": script.says, "seed": seed, "kills": script.kills,
                         "holds": {"came to its end": False}, "problems": [str(error)]})  # fmt: skip
        kills += runs[-1]["kills"]
        broken = [name for name, held in runs[-1]["holds"].items() if not held]
        console.print(f"[red]does not hold: {broken}[/] {runs[-1]['problems']}" if broken else "[green]all holds[/]")
        RESULTS.mkdir(exist_ok=True)
        found = {"machine": machine, "client": given.client, "kills": kills, "runs": runs}
        (RESULTS / f"faults.{given.client}.json").write_text(json.dumps(found, indent=1) + "\n")
    if not given.only:
        put(PAGE, f"faults with {given.client}", table(machine, runs))
    sys.exit(0 if all(all(one["holds"].values()) for one in runs) else 1)


if __name__ == "__main__":
    main()
