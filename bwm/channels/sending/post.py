"""One HTTP request with a body, under one hard limit in time. Redirects are answers like others, and not followed."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from bwm.errors import DeliverLater, DeliveryUncertain

_PIECE = 65_536  # bytes read between two looks at the clock


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``wait_s``: how long the receiver asked us to wait (Retry-After, RFC 9110), if it did."""

    status: int
    body: bytes
    wait_s: int | None


def post(url: str, body: bytes, headers: Mapping[str, str], limit_s: float, largest: int = 1_000_000) -> Answer:
    """Raises DeliverLater when nothing was sent, DeliveryUncertain when nobody knows.

    ``largest``: bytes of an answer that are read at most.
    """
    parts = urlsplit(url)
    ends_at = time.monotonic() + limit_s
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, limit_s)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            raise DeliverLater(f"cannot connect: {getattr(error, 'strerror', None) or type(error).__name__}") from error
        try:
            connection.request("POST", path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, _read(response, connection, ends_at, largest), _wait_of(response))
        except (OSError, HTTPException) as error:
            raise DeliveryUncertain(f"cut off: {getattr(error, 'strerror', None) or type(error).__name__}") from error
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None, limit_s: float) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=limit_s, context=ssl.create_default_context())
    return HTTPConnection(host, port, timeout=limit_s)


def _read(response: HTTPResponse, connection: HTTPConnection, ends_at: float, largest: int) -> bytes:
    found = b""
    while piece := response.read1(_PIECE):
        found += piece
        left_s = ends_at - time.monotonic()
        if left_s <= 0 or len(found) > largest:
            raise TimeoutError(None, "the answer did not end in time" if left_s <= 0 else "the answer is too long")
        if connection.sock is not None:
            connection.sock.settimeout(left_s)
    return found


def _wait_of(response: HTTPResponse) -> int | None:
    text = response.getheader("Retry-After") or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None
