"""The routes of RewindBitcoin wallets: register, ack, notifications, generate_204.

A wallet looks at nothing but the status, and registers a vault only once: yes is said when it is on the disk.
"""

import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from bwm.api import bodies
from bwm.api.limits import Hold
from bwm.api.problems import Problem
from bwm.api.rewind_checks import Gate, device_of, required, texts, vaults_of
from bwm.api.writes import Writes
from bwm.clock import Clock
from bwm.config_api import REWIND_NETWORKS, ApiConfig
from bwm.daemon.rewind.push import data_of
from bwm.db import rewind, rewind_notices
from bwm.errors import BwmError, UsageError
from bwm.seal import Sealer
from bwm.severity import Severity

ROUTE = re.compile(r"/(?:(?P<network>[^/]+)/)?watchtower/(?P<what>register|ack|notifications)", re.IGNORECASE)
ALIVE = "/generate_204"

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")

Read = Callable[[Callable[[], Any]], Awaitable[Any]]


class Rewind:
    """An ASGI application for everything below the wallet's base address."""

    def __init__(self, config: ApiConfig, writes: Writes, read: Read, clock: Clock, gate: Gate, sealer: Sealer) -> None:
        """``read`` runs a question to the database where it holds nobody up."""
        self._sealer = sealer
        self._config = config
        self._writes = writes
        self._read = read
        self._clock = clock
        self._gate = gate
        self._quota = rewind.Quota(config.triggers_of_device, config.triggers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(scope, receive)
        except Problem as problem:
            response = JSONResponse({"error": problem.words, **problem.more}, problem.status, problem.headers)
        response.headers["X-Request-ID"] = request_id(scope)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path = re.sub("/{2,}", "/", scope["path"]).removesuffix("/")
        if path.lower() == ALIVE:
            return _alive(scope["method"])
        route = ROUTE.fullmatch(path)
        if route is None or scope["method"] not in ("POST", "OPTIONS"):
            raise Problem(404, "There is nothing here.")
        if scope["method"] == "OPTIONS":
            return PlainTextResponse("POST", headers={"Allow": "POST"})
        what, network = route["what"].lower(), route["network"] or "bitcoin"
        limit = bodies.LARGE if what == "register" else bodies.SMALL
        with self._gate.room(scope) as hold:
            body = await self._body(scope, receive, limit, hold)
            return await self._do_what(what, network, body, scope)

    async def _body(self, scope: Scope, receive: Receive, limit: int, hold: Hold) -> dict[str, Any]:
        raw = await bodies.read(scope, receive, limit, hold)
        self._gate.weigh(scope, len(raw))
        return bodies.parse(raw, scope) if bodies.is_json(scope) else {}

    async def _do_what(self, what: str, network: str, body: dict[str, Any], scope: Scope) -> Response:
        if network not in REWIND_NETWORKS:
            raise Problem(400, "There is no such network.")
        match what:
            case "register":
                return await self._register(network, body, scope)
            case "ack":
                return await self._acknowledge(network, body)
        return await self._notices(network, body)

    def _seal(self, text: str, place: str) -> bytes:
        return self._sealer.seal(text.encode(), place)

    def _enabled(self, network: str) -> None:
        if network not in self._config.rewind_networks:
            raise Problem(500, "This watchtower does not watch that network.")

    async def _register(self, network: str, body: dict[str, Any], scope: Scope) -> Response:
        required(body, "pushToken", "walletUUID", "walletName", "watchtowerId")
        if not isinstance(body.get("vaults"), list):
            raise Problem(400, "vaults must be a list.")
        self._enabled(network)
        device = device_of(body, self._seal)
        checked = vaults_of(body["vaults"], with_commitments=self._config.commitments)
        self._gate.admit(scope, sum(max(1, len(one.registration.txids)) for one in checked))  # a vault takes room, too
        now = self._clock.now()

        def write() -> None:
            for one in checked:
                if one.commitment is not None:
                    self._gate.check_commitment(network, one)
            vaults = [one.registration for one in checked]
            rewind.register(network, device, vaults, self._quota, Severity.EMERGENCY, now)

        if checked:
            await self._do(write)
        return PlainTextResponse("OK")

    async def _do(self, work: Callable[[], Any]) -> Any:
        try:
            return await self._writes.do(work)
        except rewind.TooMuch as error:
            raise Problem(429, str(error), {"Retry-After": "86400"}) from None
        except rewind.CommitmentTaken as error:
            raise Problem(403, str(error), message=str(error)) from None
        except rewind.NotReady as error:
            raise Problem(503, str(error), {"Retry-After": "5"}) from None
        except UsageError as error:
            raise Problem(400, str(error)) from None
        except BwmError:
            raise Problem(500, "A fault in bwm kept it from doing this.") from None

    async def _acknowledge(self, network: str, body: dict[str, Any]) -> Response:
        required(body, "pushToken", "vaultId")
        self._enabled(network)
        token, vault = texts(body, "pushToken", "vaultId")
        now = self._clock.now()
        if not await self._do(lambda: rewind_notices.acknowledge(network, token, vault, now)):
            words = "No such vault was registered by this device."
            raise Problem(404, words, message=words)
        return PlainTextResponse("OK")

    async def _notices(self, network: str, body: dict[str, Any]) -> Response:
        required(body, "pushToken")
        self._enabled(network)
        [token] = texts(body, "pushToken")
        found = await self._read(lambda: rewind_notices.notices(network, token))
        return JSONResponse(
            {"notifications": [data_of(notice) for notice in found]},
            media_type="application/json; charset=utf-8",
        )


def _alive(method: str) -> Response:
    if method in ("GET", "HEAD"):
        return Response(status_code=204)
    if method == "OPTIONS":
        return PlainTextResponse("GET,HEAD", headers={"Allow": "GET,HEAD"})
    raise Problem(404, "There is nothing here.")


def request_id(scope: Scope) -> str:
    """The caller's own, if it is a harmless word, else a new one."""
    given = bodies.header(scope, b"x-request-id")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
