"""How a receiver knows that a request is ours, whole, and of now: HMAC-SHA256 (RFC 2104) over time and body."""

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256

from bwm.secret import Secret

HEADER = "X-Bwm-Signature"

SHORTEST_SECRET = 16
"""In bytes. What is shorter can be guessed."""

_SHAPE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def signed(body: bytes, at: int, secret: Secret) -> Mapping[str, str]:
    """The header that proves a body. ``at``: unix seconds; a receiver refuses what is older than some minutes."""
    return {HEADER: f"t={at},v1={_code(body, at, secret)}"}


def proves(headers: Mapping[str, str], body: bytes, secret: Secret, now: int, oldest_s: int = 300) -> bool:
    """Whether the header proves the body: what a receiver does."""
    found = _SHAPE.fullmatch(headers.get(HEADER, ""))
    if found is None or abs(now - int(found[1])) > oldest_s:
        return False
    return hmac.compare_digest(found[2], _code(body, int(found[1]), secret))


def _code(body: bytes, at: int, secret: Secret) -> str:
    return hmac.new(secret.reveal().encode(), f"{at}.".encode() + body, sha256).hexdigest()
