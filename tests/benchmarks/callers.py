"""Callers of the API who never rest, in a process of their own, so that they cost whoever measures nothing.

    python -m tests.benchmarks.callers PORT --rate 300     wallets that register a new vault each, so many a second
    python -m tests.benchmarks.callers PORT                a flood: as fast as it is answered, and whatever it is

Each request comes on a connection of its own, as from a telephone of its own. They go on until standard input ends,
and then print what they were answered, as JSON.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

AT_ONCE = 200
"""Connections, at most: half of what the server takes."""

FLOODING = 64
"""Connections of a flood."""

_READ_AT_ONCE = 65536
_STEP_S = 0.01
_LIMIT_S = 20.0  # for an answer, as the app waits


@dataclass
class Answered:
    """What callers were answered."""

    statuses: Counter[str] = field(default_factory=Counter)  # "none": no answer
    took_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_s(self) -> float:
        """Requests answered in a second."""
        return len(self.took_s) / self.seconds

    def as_json(self) -> dict[str, Any]:
        return {"statuses": self.statuses, "took_s": self.took_s, "seconds": self.seconds}


def registration(port: int) -> bytes:
    """A new wallet with a new vault."""
    vault = {"vaultId": f"02{uuid4().hex * 2}", "vaultNumber": 1, "triggerTxIds": [uuid4().hex * 2]}
    wallet = {
        "pushToken": f"ExponentPushToken[{uuid4().hex[:22]}]",
        "walletUUID": str(uuid4()),
        "walletName": "Savings",
        "watchtowerId": f"http://127.0.0.1:{port}/regtest/watchtower",
        "locale": "en-US",
        "vaults": [vault],
    }
    return _request("POST", "/regtest/watchtower/register", json.dumps(wallet).encode())


def flood(port: int) -> Iterator[bytes]:
    """Of every sort of request one after the other, among them such as nobody honest sends."""
    token = b"Authorization: Bearer bwm_000000000000_" + b"a" * 43 + b"\r\n"
    while True:
        yield registration(port)
        yield _request("GET", "/generate_204")
        yield _request("POST", "/regtest/watchtower/notifications", b'{"pushToken":"%s"}' % uuid4().hex.encode())
        yield _request("POST", "/regtest/watchtower/ack", b'{"pushToken":"a","vaultId":"b"}')
        yield _request("GET", "/v1/vaults", more=token)
        yield _request("POST", "/regtest/watchtower/register", b"[" * 5000)
        yield _request("GET", "/nothing")


def _request(method: str, path: str, body: bytes = b"", more: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return b"%s%sContent-Length: %d\r\n\r\n%s" % (head.encode(), more, len(body), body)


async def _ask(port: int, request: bytes, answered: Answered) -> None:
    began, status = time.monotonic(), "none"
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LIMIT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                answer = await reader.read(_READ_AT_ONCE)
                status = answer[9:12].decode() or "none"
            finally:
                writer.close()
    answered.statuses[status] += 1
    if status != "none":
        answered.took_s.append(time.monotonic() - began)


async def _register(port: int, rate: float, answered: Answered, over: asyncio.Event) -> None:
    """At a steady pace; when too many wait for an answer, later."""
    began, sent, under_way = time.monotonic(), 0, set[asyncio.Task[None]]()
    while not over.is_set():
        due = int((time.monotonic() - began) * rate) + 1 - sent
        for _ in range(max(0, min(due, AT_ONCE - len(under_way)))):
            task = asyncio.create_task(_ask(port, registration(port), answered))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            sent += 1
        await asyncio.sleep(_STEP_S)
    if under_way:
        await asyncio.wait(under_way)


async def _flood(port: int, answered: Answered, over: asyncio.Event) -> None:
    requests = flood(port)

    async def caller() -> None:
        while not over.is_set():
            await _ask(port, next(requests), answered)

    await asyncio.gather(*(caller() for _ in range(FLOODING)))


async def _call(port: int, rate: float | None) -> Answered:
    over, answered, began = asyncio.Event(), Answered(), time.monotonic()
    calling = asyncio.create_task(_register(port, rate, answered, over) if rate else _flood(port, answered, over))
    await asyncio.to_thread(sys.stdin.read)
    answered.seconds = time.monotonic() - began
    over.set()
    await calling
    return answered


@contextmanager
def callers(port: int, rate: float | None = None) -> Iterator[Answered]:
    """Have them call meanwhile; at the end is said what they were answered."""
    command = [sys.executable, "-m", "tests.benchmarks.callers", str(port), *(["--rate", str(rate)] if rate else [])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    answered = Answered()
    try:
        yield answered
    finally:
        found = json.loads(process.communicate(timeout=60)[0])
        answered.statuses = Counter(found["statuses"])
        answered.took_s, answered.seconds = found["took_s"], found["seconds"]


def main() -> None:
    """Call until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.callers", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, metavar="N", help="registrations a second (a flood)")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_call(options.port, options.rate)).as_json()))


if __name__ == "__main__":
    main()
