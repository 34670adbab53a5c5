"""A stand-in for Expo's push service, as its documentation describes it: it looks hard at what it is sent."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from regtest.node import wait_until

OK: dict[str, Any] = {"status": "ok"}
NOT_REGISTERED = {"status": "error", "message": "unknown token", "details": {"error": "DeviceNotRegistered"}}

_FIELDS = {  # https://docs.expo.dev/push-notifications/sending-notifications/#message-request-format
    "to": str,
    "title": str,
    "body": str,
    "priority": str,
    "sound": str,
    "channelId": str,
    "interruptionLevel": str,
    "data": dict,
    "android": dict,  # not Expo's; sent besides by watchtowers of old
}


@dataclass
class Expo:
    """Listens on a free port of the loopback. ``fates`` says what becomes of a token's messages: a ticket each."""

    fates: dict[str, dict[str, Any]] = field(default_factory=dict)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)  # by token
    poison: set[str] = field(default_factory=set)  # a request with one of these tokens is refused as a whole
    status: int = 200
    delay_s: float = 0
    pushes: list[dict[str, Any]] = field(default_factory=list)
    arrived_at: list[float] = field(default_factory=list)  # of each push, unix seconds
    requests: list[int] = field(default_factory=list)  # how many messages each held
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # tickets whose receipts were asked for
    on_push: Callable[[dict[str, Any]], object] = lambda _: None

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._tickets: dict[str, str] = {}  # token by ticket
        expo = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                status, answer = expo.take(self.path, dict(self.headers), self._body())
                raw = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers["Content-Length"]))

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A daemon that is killed in mid-request."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert not self.faults, self.faults

    @property
    def url(self) -> str:
        """Where messages are sent to."""
        return f"http://127.0.0.1:{self._server.server_port}/--/api/v2/push/send"

    def take(self, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, dict[str, Any]]:
        """The answer to one request."""
        time.sleep(self.delay_s)
        if self.status != 200:
            return self.status, {"errors": [{"code": "INTERNAL_SERVER_ERROR", "message": "told to fail"}]}
        content = json.loads(raw)
        for name in ("Accept", "Content-Type"):
            self._expect(headers.get(name) == "application/json", f"{name} is {headers.get(name)}")
        if path == "/--/api/v2/push/getReceipts":
            return 200, {"data": self._receipts(content["ids"])}
        self._expect(path == "/--/api/v2/push/send", path)
        return self._take_pushes(content)

    def _take_pushes(self, content: Any) -> tuple[int, dict[str, Any]]:
        pushes = content if isinstance(content, list) else [content]
        self._expect(1 <= len(pushes) <= 100, f"{len(pushes)} messages in one request")
        for push in pushes:
            self._check(push)
        if self.poison & {push["to"] for push in pushes}:
            return 400, {"errors": [{"code": "VALIDATION_ERROR", "message": "a token is malformed"}]}
        with self._lock:
            self.requests.append(len(pushes))
            tickets = [self._ticket(push) for push in pushes]
        for push in pushes:
            self.on_push(push)
        return 200, {"data": tickets if isinstance(content, list) else tickets[0]}

    def _ticket(self, push: dict[str, Any]) -> dict[str, Any]:
        fate = self.fates.get(push["to"], OK)
        if fate["status"] != "ok":
            return fate
        name = f"ticket-{len(self._tickets)}"
        self._tickets[name] = push["to"]
        self.pushes.append(push)
        self.arrived_at.append(time.time())
        return {"status": "ok", "id": name}

    def _receipts(self, tickets: list[str]) -> dict[str, Any]:
        self._expect(len(tickets) <= 1000, f"{len(tickets)} tickets in one request")
        self.asked += tickets
        return {ticket: self.receipts.get(self._tickets.get(ticket, ""), OK) for ticket in tickets}

    def _check(self, push: dict[str, Any]) -> None:
        for name, value in push.items():
            self._expect(isinstance(value, _FIELDS.get(name, type(None))), f"{name} is {value!r}")
        self._expect(push.get("priority") == "high", "a priority that is not high")
        self._expect(push.get("sound") == "default", "no sound")
        self._expect(push.get("channelId") == "default", "no channel at the top")
        size = len(json.dumps(push, ensure_ascii=False).encode())
        self._expect(size <= 4096, f"{size} bytes")

    def _expect(self, holds: bool, words: str) -> None:
        if not holds:
            self.faults.append(words)

    def to(self, token: str) -> list[dict[str, Any]]:
        """What was taken for a device, in order."""
        return [push for push in self.pushes if push["to"] == token]

    def wait_for(self, token: str, count: int = 1, limit_s: float = 20) -> list[dict[str, Any]]:
        """The same, as soon as there are so many."""
        wait_until(lambda: len(self.to(token)) >= count, f"push {count} to {token}", limit_s, every_s=0.01)
        return self.to(token)
