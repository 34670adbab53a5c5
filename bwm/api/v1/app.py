"""From a request to an operation: who asks, whether he may, what he asks for; and everything that is answered no."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from bwm.api import bodies
from bwm.api.limits import Allowance, Hold, Room
from bwm.api.problems import Problem
from bwm.api.rewind import Read, request_id
from bwm.api.v1.numbers import Numbers, numbers_of
from bwm.api.v1.openapi import document
from bwm.api.v1.operation import Call, Operation, Reply, Surroundings
from bwm.api.v1.operations import OPERATIONS
from bwm.api.v1.operations.events import NUMBERED, events_after, shown
from bwm.api.v1.shape import Field, read_body, read_query
from bwm.db import journal, tokens
from bwm.db.tokens import Holder, Kept

_BURST, _PER_S = 300, 30  # requests of one token
_TRIGGERS_BURST, _TRIGGERS_PER_S = 50_000, 1  # that one token may have watched
_WRONG_BURST, _WRONG_PER_S = 20, 20 / 60  # wrong tokens from one address
_SLOW_OF_ONE = 2
_STREAMS, _STREAMS_OF_ONE = 20, 4
_LOOK_EVERY_S = 0.5
_SIGN_OF_LIFE_S = 15
_KEY = re.compile(r"[!-~]{1,128}")


class V1:
    """An ASGI application for ``/v1/``."""

    def __init__(self, around: Surroundings, read: Read, read_slowly: Read, room: Room) -> None:
        """``read`` runs something in a thread where waiting holds nobody up, inside a database connection.

        ``read_slowly`` does so for what may take minutes, one after the other. ``room``: for large bodies.
        """
        self._room = room
        self._around = around
        self._read = read
        self._read_slowly = read_slowly
        self._triggers = Allowance(_TRIGGERS_BURST, _TRIGGERS_PER_S, around.clock.monotonic)
        self._allowance = Allowance(_BURST, _PER_S, around.clock.monotonic)
        self._wrong = Allowance(_WRONG_BURST, _WRONG_PER_S, around.clock.monotonic)
        self._streams: Counter[str] = Counter()  # by the token's id
        self._slow: Counter[str] = Counter()  # by the token's id: what takes long and is not done yet
        self._under_way: set[tuple[str, str]] = set()  # tokens' ids with their Idempotency-Keys
        self._document = document()
        self._routes = [(_pattern(operation.path), operation) for operation in OPERATIONS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(scope, receive)
        except Problem as problem:
            response = _no(problem)
        response.headers["X-Request-ID"] = request_id(scope)
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        if scope["path"] == "/v1/openapi.json" and scope["method"] in ("GET", "HEAD"):
            return JSONResponse(self._document)
        holder = await self.authenticate(scope)
        if scope["path"] == "/v1/events/stream" and scope["method"] == "GET":
            return await self._stream(holder, scope)
        operation, path = self._find(scope)
        if operation.scope not in holder.scopes:
            raise Problem(403, f"This token is not for that: it lacks the scope {operation.scope}.")
        with self._room.part(f"token {holder.id}") as hold:
            call = Call(
                holder,
                {field.name: self._parameter(field, path) for field in operation.parameters},
                _query(scope, operation.query),
                await self._body(scope, receive, operation, holder, hold),
            )
            reply = await self._do(operation, call, scope)
        if reply.content is None:
            return Response(status_code=reply.status)
        return JSONResponse(reply.content, reply.status)

    # Who asks

    async def authenticate(self, scope: Scope) -> Holder:
        """Whose token it is. One that is right is let in however many wrong ones came from the same place."""
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = values[0].decode("latin-1").partition(" ") if len(values) == 1 else ("", "", "")
        holder: Holder | None = None
        if scheme.lower() == "bearer" and 0 < len(token) < 200:
            holder = await self._read(lambda: tokens.find(token))
        if holder is None:
            raise self._refusal(scope)
        if wait_s := self._allowance.take(holder.id):
            raise Problem(429, "This token asks too often.", {"Retry-After": str(int(wait_s) + 1)})
        return holder

    def _refusal(self, scope: Scope) -> Problem:
        client = scope["client"][0] if scope.get("client") else "local"
        if wait_s := self._wrong.take(client):
            return Problem(429, "Too many wrong tokens came from here.", {"Retry-After": str(int(wait_s) + 1)})
        return Problem(401, "A valid token is needed: Authorization: Bearer ...", {"WWW-Authenticate": "Bearer"})

    # What he asks for

    def _find(self, scope: Scope) -> tuple[Operation, dict[str, str]]:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        matches = [
            (operation, match) for pattern, operation in self._routes if (match := pattern.fullmatch(scope["path"]))
        ]
        for operation, match in matches:
            if operation.method == method:
                return operation, match.groupdict()
        if matches:
            allowed = ", ".join(sorted(operation.method for operation, _ in matches))
            raise Problem(405, f"Only {allowed} here.", {"Allow": allowed})
        raise Problem(404, "There is nothing here.")

    def _parameter(self, field: Field, path: dict[str, str]) -> str:
        try:
            return str(field.read(path[field.name]))
        except Problem:
            raise Problem(404, "There is nothing of that name here for this token.") from None

    async def _body(
        self, scope: Scope, receive: Receive, operation: Operation, holder: Holder, hold: Hold
    ) -> dict[str, Any]:
        raw = await bodies.read(scope, receive, operation.largest_body, hold)
        if wait_s := self._allowance.take(holder.id, len(raw) // bodies.SMALL):
            raise Problem(429, "This token sends too much.", {"Retry-After": str(int(wait_s) + 1)})
        if operation.body is None:
            return {}
        if not bodies.is_json(scope):
            raise Problem(415, "The body must be JSON: Content-Type: application/json.")
        if raw.lstrip()[:1] != b"{":
            raise Problem(400, "The body must be a JSON object.")
        return read_body(bodies.parse(raw, scope), operation.body)

    async def _do(self, operation: Operation, call: Call, scope: Scope) -> Reply:
        """Done once for each Idempotency-Key, if there is one."""
        key = bodies.header(scope, b"idempotency-key") if operation.body is not None else ""
        if key and not _KEY.fullmatch(key):
            raise Problem(400, "The Idempotency-Key must be 1 to 128 visible characters.")
        around = self._around

        def carry_out() -> Reply:
            if not key:
                return operation.carry_out(around, call)
            request = sha256(json.dumps([operation.name, call.path, call.body], sort_keys=True).encode()).hexdigest()
            if kept := tokens.answered(call.holder.id, key):
                if kept.request != request:
                    raise Problem(422, "This Idempotency-Key was used for another request.")
                return Reply(kept.content, kept.status)
            reply = operation.carry_out(around, call)
            with around.database.transaction():
                kept = Kept(request, reply.status, reply.content)
                tokens.keep_answer(call.holder.id, key, kept, around.clock.now())
            return reply

        if wait_s := self._triggers.take(call.holder.id, operation.cost(call.body)):
            raise Problem(429, "This token has had too much watched or kept.", {"Retry-After": str(int(wait_s) + 1)})
        with self._once(call.holder.id, key):
            reply: Reply
            if operation.is_slow:
                with self._in_turn(call.holder.id):
                    reply = await self._read_slowly(carry_out)
            else:
                reply = await self._read(carry_out)
        return reply

    @contextmanager
    def _in_turn(self, token_id: str) -> Iterator[None]:
        """Of the few places for what takes long one token holds so many that others find room."""
        if self._slow[token_id] >= _SLOW_OF_ONE:
            raise Problem(429, "What this token asked for before is still being done.", {"Retry-After": "1"})
        self._slow[token_id] += 1
        try:
            yield
        finally:
            self._slow[token_id] -= 1
            self._slow += Counter()  # forgets who has none

    @contextmanager
    def _once(self, token_id: str, key: str) -> Iterator[None]:
        """Two requests with the same key that come at the same time are not both carried out."""
        if key and (token_id, key) in self._under_way:
            raise Problem(409, "The request with this Idempotency-Key is being answered.", {"Retry-After": "1"})
        self._under_way.add((token_id, key))
        try:
            yield
        finally:
            self._under_way.discard((token_id, key))

    # The stream

    async def _stream(self, holder: Holder, scope: Scope) -> Response:
        """Server-sent events: each event as it is written; ``Last-Event-ID`` goes on where a line was cut."""
        if "read" not in holder.scopes:
            raise Problem(403, "This token is not for that: it lacks the scope read.")
        last = bodies.header(scope, b"last-event-id")
        query = _query(scope, (Field("after", "whole", "Those behind this number."),))
        if last and not (last.isascii() and last.isdecimal() and len(last) <= 16):
            raise Problem(400, "Last-Event-ID must be the number of an event.")
        if self._streams[holder.id] >= _STREAMS_OF_ONE:
            raise Problem(429, "This token listens too often already.", {"Retry-After": "30"})
        if self._streams.total() >= _STREAMS:
            raise Problem(503, "Too many listen already.", {"Retry-After": "30"})
        self._streams[holder.id] += 1  # before anything is waited for, or many that come at once all find room
        try:
            numbers: Numbers = await self._read(lambda: numbers_of(self._around, holder, NUMBERED))
            latest: int = await self._read(journal.last_seq)
            begin = int(last) if last else query.get("after")
            after = numbers.true(begin, latest) if begin else latest
        except BaseException:
            self._let_go(holder)
            raise
        return _Stream(self._listen(holder, numbers, after), partial(self._let_go, holder))

    def _let_go(self, holder: Holder) -> None:
        self._streams[holder.id] -= 1
        self._streams += Counter()  # forgets who has none

    async def _listen(self, holder: Holder, numbers: Numbers, after: int) -> AsyncIterator[str]:
        """Until the caller goes, or its token is revoked."""
        silent_s = 0.0
        yield ": bwm\n\n"
        while await self._read(lambda: tokens.is_valid(holder)):
            last: int = await self._read(journal.last_seq)
            found = await self._read(lambda: events_after(holder, after, 500)) if last > after else []  # noqa: B023
            for event in found:
                facts = shown(event, numbers)
                yield f"id: {facts['seq']}\nevent: {event.kind}\ndata: {json.dumps(facts)}\n\n"
                after = event.seq or after
            if len(found) < 500:
                after = max(after, last)
            silent_s = 0.0 if found else silent_s + _LOOK_EVERY_S
            if silent_s >= _SIGN_OF_LIFE_S:
                silent_s = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(_LOOK_EVERY_S)


class _Stream(StreamingResponse):
    """Server-sent events. ``on_end`` is called even where the caller went before the first of them."""

    def __init__(self, events: AsyncIterator[str], on_end: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


def _query(scope: Scope, fields: tuple[Field, ...]) -> dict[str, Any]:
    text = scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=20, errors="strict")
    except ValueError:
        raise Problem(400, "The query cannot be understood.") from None
    return read_query(pairs, fields)


def _no(problem: Problem) -> Response:
    """RFC 9457."""
    content = {"type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.words}
    return JSONResponse(content, problem.status, problem.headers, media_type="application/problem+json")
