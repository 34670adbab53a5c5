"""Everything that the server answers: who may call at all, then the routes."""

import asyncio
import ipaddress
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from hmac import compare_digest
from typing import TypeVar

import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bwm.api import metrics, onion
from bwm.api.bodies import SMALL, header
from bwm.api.limits import LOCAL, Allowance, Hold, Room, caller_at
from bwm.api.problems import Problem
from bwm.api.rewind import Rewind, request_id
from bwm.api.rewind_checks import Checked, check_commitment
from bwm.api.v1.app import V1
from bwm.api.v1.operation import Surroundings
from bwm.api.writes import Writes, busy
from bwm.config_api import ApiConfig
from bwm.daemon.open_response import sealer_of
from bwm.errors import DatabaseUnwritable

log = structlog.get_logger()

_T = TypeVar("_T")

_READERS = 4
_SLOW_WAITING = 4
_HEAD, _HEADERS = 16 * 1024, 100  # bytes, lines
_BURST, _PER_S = 200, 20  # requests of one address
_TRIGGERS_BURST, _TRIGGERS_PER_S = 50_000, 1  # transactions that one address may have watched
_ROOM, _ROOM_OF_ONE = (
    32 * 1024 * 1024,
    8 * 1024 * 1024,
)  # bytes of large bodies: what is made of them takes some times more


class App:
    """The ASGI application."""

    def __init__(self, config: ApiConfig, around: Surroundings, writes: Writes) -> None:
        clock = around.clock
        self._config = config
        self._around = around
        self._readers = ThreadPoolExecutor(_READERS, "api reads")
        self._slow = ThreadPoolExecutor(1, "api slow")
        self._slow_waiting = 0
        self._requests = Allowance(_BURST, _PER_S, clock.monotonic)
        self._triggers = Allowance(_TRIGGERS_BURST, _TRIGGERS_PER_S, clock.monotonic)
        self._room = Room(_ROOM, _ROOM_OF_ONE)
        self._prefix = f"/{config.prefix.reveal()}" if config.prefix else ""
        sealer = sealer_of(around.config, make=True)
        assert sealer is not None, "it was made if there was none"
        self._rewind = Rewind(config, writes, self.read, clock, self, sealer)
        self._onion = onion.address(config) if config.onion else ""
        if self._onion:
            log.info("api.onion", address=f"http://{self._onion}/")
        self._v1 = V1(around, self.read, self.read_slowly, self._room)

    def close(self) -> None:
        """Ask nothing more."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # neither lifespan events nor web sockets are spoken here
        try:
            _check_head(scope)
            self._check_host(scope)
            self._check_rate(scope)
            await self._route(scope)(scope, receive, send)
        except Problem as problem:
            response: Response = JSONResponse({"error": problem.words}, problem.status, problem.headers)
            response.headers["X-Request-ID"] = request_id(scope)
            await response(scope, receive, send)
        except Exception as error:
            log.error("api.fault", error=type(error).__name__, exc_info=True)
            response = JSONResponse({"error": "A fault in bwm kept it from answering."}, 500)
            response.headers["X-Request-ID"] = request_id(scope)
            await response(scope, receive, send)

    def _route(self, scope: Scope) -> ASGIApp:
        path = scope["path"]
        if path.startswith("/v1/"):
            return self._v1
        if path == "/metrics" and self._config.metrics and scope["method"] == "GET":
            return self._metrics
        if path == "/healthz" and scope["method"] in ("GET", "HEAD"):
            return self._healthz
        if not self._config.rewind:
            raise Problem(404, "There is nothing here.")
        return self._behind_prefix(scope)

    def _behind_prefix(self, scope: Scope) -> ASGIApp:
        """The wallet's routes, below the secret first part of the path if there is one."""
        path = re.sub("/{2,}", "/", scope["path"])
        if not self._prefix:
            return self._rewind
        given, rest = path[: len(self._prefix)], path[len(self._prefix) :]
        if not compare_digest(given.encode(errors="replace"), self._prefix.encode()) or not rest.startswith("/"):
            raise Problem(404, "There is nothing here.")
        scope["path"] = rest
        return self._rewind

    async def _healthz(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_up = self._around.is_up()
        response = JSONResponse({"status": "up" if is_up else "down"}, 200 if is_up else 503)
        response.headers["X-Request-ID"] = request_id(scope)
        await response(scope, receive, send)

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For this machine; where others may come in through a server in front, for who has a token."""
        if not self._is_for_this_machine():
            holder = await self._v1.authenticate(scope)
            if "metrics" not in holder.scopes:
                raise Problem(403, "This token is not for that: it lacks the scope metrics.")
        text = await self.read(lambda: metrics.text(self._around))
        response = Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
        response.headers["X-Request-ID"] = request_id(scope)
        await response(scope, receive, send)

    def _is_for_this_machine(self) -> bool:
        config = self._config
        return config.listen.is_local and not (config.onion or config.hosts or config.trust_proxy)

    async def read(self, question: Callable[[], _T]) -> _T:
        """Ask the database in a thread of its own, where waiting holds nobody up. Raises Problem 503."""
        return await self._ask(self._readers, question)

    async def read_slowly(self, question: Callable[[], _T]) -> _T:
        """The same for what may take minutes: one at a time. Raises Problem 503."""
        if self._slow_waiting >= _SLOW_WAITING:
            raise busy()
        self._slow_waiting += 1
        try:
            return await self._ask(self._slow, question)
        finally:
            self._slow_waiting -= 1

    async def _ask(self, threads: ThreadPoolExecutor, question: Callable[[], _T]) -> _T:
        def ask() -> _T:
            with self._around.database.connection(), self._around.database.passing_trouble():
                return question()

        try:
            return await asyncio.get_running_loop().run_in_executor(threads, ask)
        except DatabaseUnwritable:
            raise busy() from None

    # Who may call

    def _check_host(self, scope: Scope) -> None:
        """A web page that had its name lead to this machine still calls us by that name (DNS rebinding)."""
        if self._config.listen.path is not None and not self._config.hosts:
            return  # no web page reaches a unix socket
        host = header(scope, b"host").lower()
        name = host.rpartition(":")[0] if re.search(r":\d*$", host) and not host.endswith("]") else host
        allowed = {"localhost", *(known.lower() for known in self._config.hosts)}
        if self._config.onion and name == self._onion:
            return
        if name not in allowed and not _is_address(name):
            raise Problem(400, "This server is not called by that name.")

    def _check_rate(self, scope: Scope) -> None:
        who = self.caller(scope)
        if who != LOCAL and (wait_s := self._requests.take(who)):
            raise Problem(429, "Too many requests.", {"Retry-After": str(int(wait_s) + 1)})

    def caller(self, scope: Scope) -> str:
        """The address that a request comes from; a network of IPv6 counts as one. Of this machine: "local"."""
        address = scope["client"][0] if scope.get("client") else ""
        if self._config.trust_proxy and (forwarded := header(scope, b"x-forwarded-for")):
            address = forwarded.rpartition(",")[2].strip()  # the last is what our own proxy saw
        return caller_at(address)

    # The gate of the wallet's routes

    def room(self, scope: Scope) -> AbstractContextManager[Hold]:
        """For the body of a request, until it is answered."""
        return self._room.part(self.caller(scope))

    def weigh(self, scope: Scope, size: int) -> None:
        """Raise Problem 429 when the caller sends too much: a body of so many bytes counts as many small ones."""
        who = self.caller(scope)
        if who != LOCAL and (wait_s := self._requests.take(who, size // SMALL)):
            raise Problem(429, "Too much was sent from here.", {"Retry-After": str(int(wait_s) + 1)})

    def admit(self, scope: Scope, triggers: int) -> None:
        """Raise Problem 429 when the caller has had so many transactions watched that he must wait."""
        who = self.caller(scope)
        if who != LOCAL and triggers and (wait_s := self._triggers.take(who, triggers)):
            raise Problem(
                429, "Too many transactions were registered from here.", {"Retry-After": str(int(wait_s) + 1)}
            )

    def check_commitment(self, network: str, one: Checked) -> None:
        """Raise Problem when the commitment is not one. Call inside a transaction."""
        check_commitment(self._config, network, one)


def _check_head(scope: Scope) -> None:
    """A head that is too large, or that two servers could understand differently (RFC 9112 §6.1)."""
    close = {"Connection": "close"}
    if sum(len(name) + len(value) for name, value in scope["headers"]) > _HEAD or len(scope["headers"]) > _HEADERS:
        raise Problem(431, "The head of the request is too large.", close)
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
        raise Problem(400, "A body has a length or comes in chunks, and not both.", close)


@lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
