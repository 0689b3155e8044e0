"""Logging: one complete line per event, JSON unless a person is watching."""

import logging
import sys
from collections.abc import Mapping
from typing import Final, Literal, TextIO

import msgspec
import numpy as np
import structlog
from structlog.typing import EventDict, Processor

from service.learn import Learnt
from service.score import Scored

Form = Literal["auto", "json", "console"]
FIRST: Final = ("at", "level", "logger", "event")
QUIET: Final = ("kafka", "uvicorn", "asyncio")  # libraries heard from WARNING up


def configure(stream: TextIO = sys.stderr, *, level: str = "info", form: Form = "auto") -> None:
    """Send all log lines, those of libraries too, to `stream`; called once, by the command line.

    `auto` writes for people if the stream is a terminal and JSON otherwise.
    """
    console = form == "console" or (form == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def scored(result: Scored) -> EventDict:
    """Name the fields of the line about one scored batch."""
    return {
        "arrivals": result.arrivals,
        "asked": result.asked,
        "rejected": {f"{topic}/{reason}": count for (topic, reason), count in result.rejected.items()},
        "mean_chance": round(float(np.mean(result.chances)), 6) if result.arrivals else None,
        "target": result.target,
        "scale": result.scale,
        "model": result.model,
        "policy": result.policy,
        "seconds": _rounded(result.seconds),
    }


def learnt(result: Learnt) -> EventDict:
    """Name the fields of the line about one learnt batch."""
    return {
        "queries": result.queries,
        "labels": dict(result.outcomes),
        "ignored": dict(result.ignored),
        "rejected": {f"{topic}/{reason}": count for (topic, reason), count in result.rejected.items()},
        "batch": result.batch,
        "lessons": result.lessons,
        "steps": result.steps,
        "evaluated": result.evaluated,
        "states": dict(result.states),
        "model": result.model,
        "seconds": _rounded(result.seconds),
    }


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(taken, 6) for stage, taken in seconds.items()}


def _json(event: EventDict, **_: object) -> str:
    first = {name: event[name] for name in FIRST if name in event}
    # msgspec writes NaN as null: every line stays JSON, whatever was logged.
    return msgspec.json.encode({**first, **event}, enc_hook=_plain).decode()


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else repr(value)
