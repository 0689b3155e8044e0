"""Health, readiness and metrics over HTTP, in one thread beside the loop."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Self

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

STARTS: Final = 1_000  # looks at a starting server, 0.01 s apart
STOP_LIMIT: Final = 5.0
PARTS: Final = ("model", "log")


class AddressRefused(Exception):
    """The address to listen at cannot be had; the message says which and what to change."""


class Health:
    """What the loop says of itself; read from the HTTP thread.

    Alive: not yet in its first turn, or the last turn is less than `patience` seconds old. A log out of reach must not
    stop the turns, so it never makes the process look dead. Ready: every part is, and it is not draining.

    Args:
        clock: monotonic seconds.
        patience: longest time a turn may take.
        parts: what must be ready before the process is.

    """

    def __init__(self, clock: Callable[[], float], *, patience: float, parts: Sequence[str] = PARTS) -> None:
        self._clock = clock
        self._patience = patience
        self._waiting = dict.fromkeys(parts, "starting")
        self._turn: float | None = None
        self._model: tuple[int, float] | None = None
        self._lock = threading.Lock()

    def turned(self) -> None:
        """Say that the loop has just made a turn."""
        self._turn = self._clock()

    def ready(self, part: str) -> None:
        """Say that `part` is ready."""
        with self._lock:
            self._waiting.pop(part, None)

    def waiting(self, part: str, why: str) -> None:
        """Say that `part` is not ready and why."""
        with self._lock:
            self._waiting[part] = why

    def serving(self, version: int, made_at: float) -> None:
        """Say which model is served, and when, in seconds since 1970, the learner said that it is the newest."""
        self._model = (version, made_at)

    def model(self) -> dict[str, float]:
        """The model that is served and the seconds since it was said to be the newest; empty before the first."""
        model = self._model
        return {} if model is None else {"version": model[0], "age_seconds": round(time.time() - model[1], 3)}

    def drain(self) -> None:
        """Say that the process is about to stop."""
        self.waiting("process", "draining")

    def age(self) -> float | None:
        """Seconds since the last turn; None before the first."""
        turn = self._turn
        return None if turn is None else self._clock() - turn

    def alive(self) -> bool:
        age = self.age()
        return age is None or age < self._patience

    def missing(self) -> dict[str, str]:
        """Name what is not ready, with the reason; empty if all is."""
        with self._lock:
            return dict(self._waiting)


class _WithoutCreated(Collector):
    """A registry less its `_created` samples, which double the number of series and serve no panel."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def application(health: Health, registry: CollectorRegistry, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """Make the application: `/healthz`, `/readyz`, `/metrics` and what else is given."""

    def healthz(_: Request) -> Response:
        alive = health.alive()
        return JSONResponse({"alive": alive, "seconds_since_turn": health.age()}, 200 if alive else 503)

    def readyz(_: Request) -> Response:
        missing = health.missing()
        said = {"ready": not missing, "waiting_for": missing}
        if model := health.model():
            said["model"] = model
        return JSONResponse(said, 503 if missing else 200)

    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(_WithoutCreated(registry)), headers={"content-type": content_type})

    own = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    return Starlette(routes=[*own, *routes])


class Endpoints:
    """An HTTP server in a thread of its own; a context manager that is listening inside.

    Args:
        app: what to serve.
        host: address to listen at.
        port: port to listen at; 0 takes a free one, which `port` then names.

    Raises:
        AddressRefused: on construction, if the address cannot be had.

    """

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, lifespan="off", ws="none", log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for _ in range(STARTS):
            if self._server.started:
                return self
            self._thread.join(0.01)  # a pause that ends early if the thread does
        self.stop()
        raise AddressRefused(f"the HTTP server at {self.host}:{self.port} did not start")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop serving within STOP_LIMIT seconds. Twice is once."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_LIMIT)
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise AddressRefused(
            f"cannot listen at {host}:{port}: {error}; "
            "change http.host or http.port (ASKANCE_HTTP__HOST, ASKANCE_HTTP__PORT), or stop what listens there"
        ) from error
    return listener
