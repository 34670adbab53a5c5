"""A TCP server on loopback that says, byte for byte, what a test tells it to."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self


def http_answer(status: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """An HTTP answer after which the connection may stay open."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class ScriptedServer:
    """Answers each connection's requests from its own list, then closes it. Remembers what was asked.

    ``connections``: for each connection in turn the answers to its requests. After the last connection the
    port is closed.
    """

    def __init__(self, connections: Iterable[Iterable[bytes]]) -> None:
        self._connections = [list(answers) for answers in connections]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.requests: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)  # close() alone does not wake accept()
        self._thread.join(10)

    def _serve(self) -> None:
        with self._listener, contextlib.suppress(OSError):  # the test is over, or its client left
            for answers in self._connections:
                connection, _ = self._listener.accept()
                with connection:
                    for answer in answers:
                        self.requests.append(_request(connection))
                        connection.sendall(answer)


def _request(connection: socket.socket) -> bytes:
    """One whole HTTP request. Raises ConnectionError when the client leaves before its end."""
    head, _, body = _receive_until(connection, b"", lambda data: b"\r\n\r\n" in data).partition(b"\r\n\r\n")
    [length] = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return head + b"\r\n\r\n" + _receive_until(connection, body, lambda data: len(data) >= int(length))


def _receive_until(connection: socket.socket, data: bytes, is_enough: Callable[[bytes], bool]) -> bytes:
    while not is_enough(data):
        if not (more := connection.recv(65536)):
            raise ConnectionError
        data += more
    return data
