"""Bad networks: a TCP proxy that delays, cuts or falls silent, and a relay that tampers with the node's feed."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from regtest.node import RegtestNode, free_port

_SHORT_S = 0.05


@dataclass(frozen=True, slots=True)
class Front:
    """What a bwm is told of a node that it shall reach in another way: as ``RegtestNode`` as far as it looks."""

    rpc_url: str
    cookie: Path
    zmq: str
    topics: tuple[str, ...]


def front(node: RegtestNode, rpc: "Proxy | None" = None, feed: "Proxy | Relay | None" = None) -> Front:
    """The node behind a proxy for RPC, or one for its feed, or both."""
    url = f"http://127.0.0.1:{rpc.port}" if rpc else node.rpc_url
    endpoint = f"tcp://127.0.0.1:{feed.port}" if feed else node.zmq
    return Front(url, node.cookie, endpoint, node.topics)


class Proxy:
    """Passes bytes on to a port of this machine; ``delay_s``, ``frozen``, ``refusing`` and ``answer`` harm it.

    ``answer``: these bytes come back for every request, and nothing is passed on.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.delay_s = 0.0
        self.frozen = False
        self.refusing = False
        self.answer: bytes | None = None
        self._target_port = target_port
        self._over = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self._listener.settimeout(_SHORT_S)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """Reset every connection."""
        while self._pairs:
            for end in self._pairs.pop():
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port), 5)
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            for source, target, is_request in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(source, target, is_request), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        passed_at = 0.0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.frozen and not self._over.is_set():
                    time.sleep(_SHORT_S)
                if self.delay_s and is_request and time.monotonic() - passed_at > _SHORT_S:
                    self._over.wait(self.delay_s)  # once for a request, in however many pieces it comes
                passed_at = time.monotonic()
                if self.answer is None:
                    target.sendall(data)
                elif is_request:
                    source.sendall(self.answer)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def http_answer(status: str, body: str = "") -> bytes:
    """A whole HTTP answer, for ``Proxy.answer``."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


Parts = list[bytes]


class Relay:
    """Hears the node's feed and publishes what ``tamper`` makes of each message, its counter included.

    Without ``tamper`` messages pass unchanged. ``send`` publishes messages of the test's own.
    """

    def __init__(self, node: RegtestNode) -> None:
        self.port = free_port()
        self.tamper: Callable[[Parts], Iterable[Parts]] = lambda parts: [parts]
        self.seen = 0
        self._node = node
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._context = zmq.Context()
        self._out = self._context.socket(zmq.PUB)
        self._out.setsockopt(zmq.SNDHWM, 0)
        self._out.setsockopt(zmq.LINGER, 0)
        self._out.bind(f"tcp://127.0.0.1:{self.port}")
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def send(self, parts: Parts) -> None:
        """Publish a message that no node sent."""
        with self._lock:
            self._out.send_multipart(parts)

    def _run(self) -> None:
        heard = self._context.socket(zmq.SUB)
        heard.setsockopt(zmq.RCVHWM, 0)
        heard.setsockopt(zmq.SUBSCRIBE, b"")
        heard.connect(self._node.zmq)
        while not self._over.is_set():
            if not heard.poll(50):
                continue
            parts = heard.recv_multipart()
            for message in self.tamper(parts):
                self.send(list(message))
            self.seen += 1
