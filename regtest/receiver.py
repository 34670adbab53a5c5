"""An HTTP server that takes messages like a push service, and behaves as badly as a test asks it to."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from regtest.node import wait_until

Behaviour = Callable[[BaseHTTPRequestHandler, threading.Event], None]


def accept(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    """200, at once."""
    reply(200)(handler, _)


def reply(status: int, headers: Mapping[str, str] | None = None) -> Behaviour:
    """This status, at once."""

    def behave(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return behave


def hang(_: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Never an answer."""
    over.wait()


def drip(handler: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """A good answer, a byte a second: no single read takes long, and the end never comes."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not over.wait(1):
        handler.wfile.write(b".")
        handler.wfile.flush()


def break_off(handler: BaseHTTPRequestHandler, _: threading.Event) -> None:
    """The connection is closed where the answer should come."""
    handler.close_connection = True


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in."""

    at: float  # unix seconds
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """Title and message of what Apprise sends to a ``json://`` URL."""
        return f"{self.json['title']}\n{self.json['message']}"


@dataclass
class Receiver:
    """A receiver on a free port of the loopback; ``behaviour`` may be changed at any time."""

    behaviour: Behaviour = accept
    received: list[Received] = field(default_factory=list)
    on_arrival: Callable[[Received], object] = lambda _: None
    tls: ssl.SSLContext | None = None  # of the server's side; None: without

    def __enter__(self) -> Self:
        receiver, self._over = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                arrived = Received(time.time(), self.path, dict(self.headers), body)
                receiver.received.append(arrived)
                receiver.on_arrival(arrived)
                receiver.behaviour(self, receiver._over)

            do_PUT = do_POST  # noqa: N815 (the name that the library calls)
            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """A client that was cut off is what these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if self.tls:  # the handshake is left to each connection's own thread
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        return self._server.server_port

    def url(self, schema: str = "json", path: str = "") -> str:
        """An Apprise URL that leads here."""
        return f"{schema}://127.0.0.1:{self._server.server_port}/{path}"

    def holding(self, text: str) -> list[Received]:
        """The requests whose body holds the text."""
        return [one for one in self.received if text.encode() in one.body]

    def wait_for(self, count: int = 1, text: str = "", limit_s: float = 20) -> list[Received]:
        """The requests that hold the text, as soon as there are ``count`` of them."""
        what = f"the arrival of {count} request(s) with {text!r}"
        wait_until(lambda: len(self.holding(text)) >= count, what, limit_s, every_s=0.01)
        return self.holding(text)


@contextmanager
def unused_port() -> Iterator[int]:
    """A port of the loopback on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: refused, and nobody else can take it
        yield held.getsockname()[1]
