"""Processes of the service that start quickly: forked from one that has imported everything and done nothing else."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

DAY = 86_400.0
HARM = Path(__file__).parents[1] / "shared" / "harm"
PRELOADED = ["service.assembly", "service.cli_trials", "service.annotators", "service.http", "service.logs"]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(PRELOADED)


def begin(words, log, client="kafka-python", stands_at=None):
    """Start `askance WORDS`, which writes to a file; one that `stands_at` N stops itself in its Nth transaction."""
    process = _context.Process(target=_serve, args=([*map(str, words)], str(log), client, stands_at), daemon=True)
    process.start()
    return process


def _started(pid):
    """Processes that this one has started: the one that writes for a scorer."""
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def send(pid, number):
    """Send it a signal; what makes it stand still or go on, to what it has started too."""
    for one in (pid, *(_started(pid) if number in (signal.SIGSTOP, signal.SIGCONT) else ())):
        os.kill(one, number)


def kill(process):
    """Kill it alone: what it has started is to end by itself, once it does not stand still."""
    started = _started(process.pid)
    process.kill()
    process.join()
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def stands(pid):
    """Whether it, or what it has started, stands still, stopped by a signal."""
    pids = ",".join(map(str, [pid, *_started(pid)]))
    shown = subprocess.run(["ps", "-o", "state=", "-p", pids], capture_output=True, check=True)
    return b"T" in shown.stdout


def _serve(words, log, client, stands_at):
    from service.cli import main

    for name in [name for name in os.environ if name.startswith("ASKANCE_")]:
        del os.environ[name]
    sys.argv = ["askance", *words]
    with Path(log).open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    for number, seconds in ((signal.SIGUSR1, DAY), (signal.SIGUSR2, -2 * DAY)):
        signal.signal(number, lambda _, __, seconds=seconds: _jump(seconds))
    if stands_at is not None:
        _stand_at(stands_at, client)
    main()


def _jump(seconds):
    """Set the clock of this process."""
    before = time.time
    time.time = lambda: before() + seconds


def _stand_at(number, client):
    """Stop this process, or its own that writes, when all of a transaction is sent but the word that it is to count.

    Once: whatever it opens afterwards is not harmed.
    """
    from producers import apart, confluent, kafka

    adapter, name = (confluent, "Producer") if client == "confluent" else (kafka, "KafkaProducer")
    calls = iter(range(1, sys.maxsize))

    class Standing(getattr(adapter, name)):
        def commit_transaction(self, *limit):
            if next(calls) == number:
                # To this thread: sent to the process it may go on for milliseconds, and commit.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            return super().commit_transaction(*limit)

    setattr(adapter, name, Standing)
    sys.path.insert(0, str(HARM))
    os.environ["HARM"] = f"before commit_transaction {number} SIGSTOP"
    started = apart._started

    def start(theirs):
        process = started(theirs)
        os.environ.pop("HARM", None)
        return process

    apart._started = start
