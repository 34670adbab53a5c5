"""From the bytes of a request to a JSON object that is safe to look at, or to the reason why there is none.

JSON is read strictly: no key twice, no number that only some readers understand, no text that a database or a terminal
could choke on.
"""

import asyncio
import json
import math
import re
import zlib
from typing import Any

from starlette.types import Receive, Scope

from bwm.api.limits import Hold
from bwm.api.problems import Problem

SMALL = 64 * 1024
"""Bytes of a body, where nothing else is said."""

LARGE = 4 * 1024 * 1024
"""Bytes of a registration: a wallet with hundreds of vaults comes in one request."""

_HEARD_OUT = 4 * LARGE  # bytes
_MOST_VALUES = (
    100_000  # in one body: a registration as large as can be has less, and each takes far more room than a byte
)
_LIMIT_S = 30.0  # for the whole body to arrive
_LARGEST_NUMBER = 2**53 - 1  # beyond it JSON's readers disagree (RFC 8259 §6)
_ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be"}
_UNSOUND = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # control characters (Cc) and bidi


def header(scope: Scope, name: bytes) -> str:
    """The value of a header, "" when there is none; several are joined by commas (RFC 9110 §5.2)."""
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name).strip()


def is_json(scope: Scope) -> bool:
    """Whether the body is said to be JSON."""
    return header(scope, b"content-type").partition(";")[0].strip().lower() == "application/json"


async def read(scope: Scope, receive: Receive, limit: int, hold: Hold) -> bytes:
    """The body as it was before it was compressed. Raises Problem 400, 408, 413, 415 or 503."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            raw = await _receive(receive, limit, hold)
    except TimeoutError:
        raise Problem(408, "The body did not arrive in time.", {"Connection": "close"}) from None
    found = _inflated(raw, header(scope, b"content-encoding").lower(), limit)
    _keep(len(found), hold)
    return found


def _keep(size: int, hold: Hold) -> None:
    """Raise Problem 503 when too much is in hand already. Small ones always find room."""
    if size > SMALL and not hold(size):
        raise Problem(503, "Too many large bodies come at the same time.", {"Retry-After": "5", "Connection": "close"})


async def _receive(receive: Receive, limit: int, hold: Hold) -> bytes:
    """All of it, kept as far as the limit: who sends more is heard out for a while, or would never read the answer."""
    parts, size = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "The request was cut off.")
        piece = message.get("body", b"")
        size += len(piece)
        if size <= limit:
            _keep(size, hold)
            parts += piece
        is_whole = not message.get("more_body")
        if size > limit and (is_whole or size > _HEARD_OUT):
            raise _too_large(limit)
        if is_whole:
            return bytes(parts)


def _too_large(limit: int) -> Problem:
    return Problem(413, f"The body is larger than {limit:,} bytes.", {"Connection": "close"})


def _inflated(raw: bytes, encoding: str, limit: int) -> bytes:
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "deflate"):
        raise Problem(415, "This content encoding is not understood: use gzip, deflate or none.")
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # finds out by itself which of the two it is
    try:
        found = reader.decompress(raw, limit + 1)
    except zlib.error:
        raise Problem(400, "The body is not compressed as it says.") from None
    if len(found) > limit:
        raise _too_large(limit)
    if not reader.eof:
        raise Problem(400, "The compressed body is cut off.")
    return found


def parse(raw: bytes, scope: Scope) -> dict[str, Any]:
    """The object that a JSON body holds; an empty body is an empty object. Raises Problem 400 or 415."""
    charset = _charset(header(scope, b"content-type"))
    if charset not in _ENCODINGS:
        raise Problem(415, "This charset is not understood: use utf-8.")
    if not raw:
        return {}
    try:
        text = raw.decode(_ENCODINGS[charset])
        _refuse_many(text)
        content = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_number,
            parse_float=_float,
            parse_int=_int,
        )
    except (ValueError, RecursionError):
        raise Problem(400, "The body is no JSON that can be understood.") from None
    if isinstance(content, list):
        return {}  # an array has none of the fields that are asked for
    if not isinstance(content, dict):
        raise Problem(400, "The body must be a JSON object.")
    return content


def _refuse_many(text: str) -> None:
    """Millions of empty lists come in a body of some bytes, fill the memory, and hold up every thread while read."""
    if sum(map(text.count, ",[{")) > _MOST_VALUES:
        raise ValueError("too many values")


def _charset(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return "utf-8"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _refuse_number(text: str) -> float:
    raise ValueError(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _int(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number of too many digits")
    return int(text)


def whole(value: object) -> int | None:
    """A whole number that every reader of JSON understands, also written as 1.0; else None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER:
        return value
    return None


def is_sound(text: str, longest: int) -> bool:
    """Whether a text is short enough (bytes of UTF-8), and has nothing that steers a terminal or turns the writing."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return size <= longest and not _UNSOUND.search(text)
