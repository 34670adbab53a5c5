"""One HTTP request with a body, under one hard limit in time. Redirects are answers like others, and not followed."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, urlsplit

from bwm.errors import DeliverLater, DeliveryUncertain

_PIECE = 65_536  # bytes read between two looks at the clock

_TOO_SHORT_S = 0.01  # to connect anywhere

_AUTHORITIES_HOLD_S = 3600
"""The system's authorities are read anew after this time: it takes some 20 ms, and they change now and then."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``wait_s``: how long the receiver asked us to wait (Retry-After, RFC 9110), if it did."""

    status: int
    body: bytes
    wait_s: int | None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    limit_s: float,
    largest: int = 1_000_000,
    proxy: tuple[str, int] | None = None,
    *,
    needs_body: bool = True,
) -> Answer:
    """Raises DeliverLater when nothing was sent, DeliveryUncertain when nobody knows.

    ``largest``: bytes of an answer that are read at most. Not ``needs_body``: none are. ``proxy``: host and port of a
    SOCKS5 proxy, which also resolves the name.
    """
    parts = urlsplit(url)
    ends_at = time.monotonic() + limit_s
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        line = _line(parts, ends_at, proxy)
    except (OSError, ValueError) as error:
        raise DeliverLater(f"cannot connect: {_words(error)}") from error
    with line, _cut_off(line, ends_at) as over:
        try:
            line = _secured(line, parts)
        except (OSError, ValueError) as error:
            raise DeliverLater(f"cannot connect: {_words(error)}") from error
        connection = HTTPConnection(parts.hostname or "", parts.port)
        connection.sock = line
        try:
            connection.request("POST", path, body, {"Host": parts.netloc.rpartition("@")[2], **headers})
            response = connection.getresponse()
            found = _read(response, ends_at, largest) if needs_body else b""
            return Answer(response.status, found, _wait_of(response))
        except (OSError, HTTPException, ValueError) as error:  # ValueError: what was cut off is closed already
            words = "the answer did not end in time" if over.is_set() else _words(error)
            raise DeliveryUncertain(f"cut off: {words}") from error
        finally:
            connection.close()


def status_of_post(url: str, body: bytes, headers: Mapping[str, str], limit_s: float) -> int:
    """How a request was answered, whatever the answer says besides. Raises what ``post`` raises."""
    return post(url, body, headers, limit_s, needs_body=False).status


def _line(parts: SplitResult, ends_at: float, proxy: tuple[str, int] | None) -> socket.socket:
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    if proxy is None:
        return _connected(address, ends_at)
    limit_s = max(0.1, ends_at - time.monotonic())
    import socks  # of the extra [tor]; who asks for a proxy was told at the start when it is missing

    line: socket.socket = socks.create_connection(
        address, limit_s, proxy_type=socks.SOCKS5, proxy_addr=proxy[0], proxy_port=proxy[1], proxy_rdns=True
    )
    return line


def _connected(address: tuple[str, int], ends_at: float) -> socket.socket:
    """To the first of the name's addresses that takes it. Each has half of the time that is left, the last one all.

    Whoever answers for a name can give it thousands of addresses where nothing answers: to try each of them for as long
    would take hours, in which nothing else is sent and nothing fails.
    """
    failure = OSError(None, "the name leads nowhere")
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, place) in enumerate(found, 1):
        left = ends_at - time.monotonic()
        if left < _TOO_SHORT_S:
            break
        line = socket.socket(family, kind, protocol)
        try:
            line.settimeout(left if number == len(found) else left / 2)
            line.connect(place)
            line.settimeout(left)
        except OSError as error:
            line.close()
            failure = error
        else:
            return line
    raise failure


def _secured(line: socket.socket, parts: SplitResult) -> socket.socket:
    if parts.scheme != "https":
        return line
    context = _context(ssl.get_default_verify_paths(), int(time.monotonic() // _AUTHORITIES_HOLD_S))
    return context.wrap_socket(line, server_hostname=parts.hostname)


@lru_cache(maxsize=1)
def _context(_paths: ssl.DefaultVerifyPaths, _period: int) -> ssl.SSLContext:
    """What certificates are verified with, of which several threads may make use at once."""
    return ssl.create_default_context()


@contextmanager
def _cut_off(line: socket.socket, ends_at: float) -> Iterator[threading.Event]:
    """Ends the connection when the time is over, whatever it is doing.

    A receiver that drips its answer a byte at a time keeps every single read short.
    """
    over = threading.Event()
    same = socket.socket(fileno=os.dup(line.fileno()))  # TLS takes the line itself over

    def end() -> None:
        over.set()
        with suppress(OSError):
            same.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, ends_at - time.monotonic()), end)
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:  # nobody would keep the time
        same.close()
        raise DeliverLater("not sent: this machine lets bwm have no more threads") from None
    try:
        yield over
    finally:
        timer.cancel()
        timer.join()
        same.close()


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _read(response: HTTPResponse, ends_at: float, largest: int) -> bytes:
    found = b""
    while piece := response.read1(_PIECE):
        found += piece
        if time.monotonic() > ends_at or len(found) > largest:
            raise TimeoutError(None, "the answer is too long" if len(found) > largest else "it did not end in time")
    if time.monotonic() > ends_at:
        raise TimeoutError(None, "the answer did not end in time")
    return found


def _wait_of(response: HTTPResponse) -> int | None:
    text = response.getheader("Retry-After") or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None
