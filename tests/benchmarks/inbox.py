"""A receiver that costs next to nothing, so that what is measured is the sender: one thread, an answer after a while.

``python -m tests.benchmarks.inbox SECONDS`` prints its address and serves until standard input ends; ``inf`` never
answers. It refuses what is not a whole message in JSON. To a GET it tells how often it took which alert.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from math import inf

_END_OF_HEAD = b"\r\n\r\n"
_LARGEST = 65_536  # bytes of a request


@dataclass(frozen=True, slots=True)
class Inbox:
    """A receiver in a process of its own."""

    port: int

    @property
    def url(self) -> str:
        """Where it is, for Apprise."""
        return f"json://127.0.0.1:{self.port}/"

    def taken(self) -> Mapping[str, int]:
        """How often each alert was answered with a 200 until now, by the last word of its message."""
        with closing(HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("GET", "/")
            counts: dict[str, int] = json.loads(connection.getresponse().read())
            return counts


@contextmanager
def inbox(takes_s: float) -> Iterator[Inbox]:
    """One that answers each message after ``takes_s`` seconds; ``inf``: never."""
    command = [sys.executable, "-m", "tests.benchmarks.inbox", str(takes_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield Inbox(int(process.stdout.readline()))
        process.communicate()


class _Line(asyncio.Protocol):
    """One connection: requests one after another, for as long as the sender keeps it open."""

    def __init__(self, takes_s: float, counts: Counter[str]) -> None:
        self._takes_s = takes_s
        self._counts = counts
        self._bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        head, found, body = self._bytes.partition(_END_OF_HEAD)
        if len(self._bytes) > _LARGEST:
            self._refuse()
        elif found and len(body) >= (length := _length(head)):
            self._bytes = body[length:]
            self._take(head, body[:length])

    def _take(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET "):
            self._answer(200, json.dumps(self._counts).encode())
            return
        try:
            alert = _alert(head, body)
        except (ValueError, KeyError, IndexError):
            self._refuse()
            return
        if self._takes_s < inf:
            asyncio.get_running_loop().call_later(self._takes_s, self._accept, alert)

    def _accept(self, alert: str) -> None:
        if not self._transport.is_closing():
            self._counts[alert] += 1
            self._answer(200)

    def _refuse(self) -> None:
        self._answer(400)
        self._transport.close()

    def _answer(self, status: int, body: bytes = b"") -> None:
        self._transport.write(b"HTTP/1.1 %d \r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


def _alert(head: bytes, body: bytes) -> str:
    """What a message is about. ValueError, KeyError or IndexError for what is no message."""
    told = json.loads(body)
    if not head.startswith(b"POST / HTTP/1.1\r\n") or b"\r\nContent-Type: application/json" not in head:
        raise ValueError("not a message in JSON")
    if not told["title"] or told["type"] not in ("info", "success", "warning", "failure"):
        raise ValueError("not a whole message")
    return str(told["message"].split()[-1])


async def _serve(takes_s: float) -> None:
    counts = Counter[str]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Line(takes_s, counts), "127.0.0.1", 0, backlog=128)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Be a receiver until standard input ends."""
    asyncio.run(_serve(float(sys.argv[1])))


if __name__ == "__main__":
    main()
