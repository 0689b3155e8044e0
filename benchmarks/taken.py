"""What processes take of the machine, as Linux tells it."""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")  # of the processor, per second


def processor(pid: int) -> float:
    """Seconds of the processor that a process has had, in the kernel too; 0 where there is none any more."""
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def started(pid: int) -> Iterator[int]:
    """The processes that a process has started and that live."""
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield from map(int, path.read_text().split())


def with_started(pid: int) -> float:
    """Seconds of the processor of a process and of those that it has started, the writer of a scorer above all."""
    return processor(pid) + sum(map(processor, started(pid)))


def everything() -> float:
    """Seconds of the processor of all that has run on the machine."""
    fields = Path("/proc/stat").read_text().split()[1:9]  # idle and waiting for a disk are the fourth and the fifth
    return sum(int(ticks) for place, ticks in enumerate(fields) if place not in (3, 4)) / _TICKS


def resident(pid: int) -> int:
    """Bytes of main memory that a process has now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
