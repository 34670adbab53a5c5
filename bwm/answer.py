"""The codes that acknowledge alerts: made for one alert, one channel and one state of it; and forged by nobody. Pure.

A code is the beginning of an HMAC-SHA256 (RFC 2104) with a key that never leaves the state folder. Whoever types one
has read the message that holds it.
"""

import hmac
import re
from base64 import b32encode
from hashlib import scrypt, sha256

LENGTH = 8
"""Letters and digits: 40 bits. Sixty guesses in ten minutes hit one of ten thousand codes once in thirty years."""

KEY_BYTES = 32

_SHAPE = re.compile(r"[a-z2-7]{8}")
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}  # 16 MiB and some hundredths of a second (RFC 7914)


def code(key: bytes, alert_id: str, channel: str, turn: int, revision: int) -> str:
    """What a message that tells this state of an alert on this channel asks to be typed, like ``k7qf-3m2p``.

    ``turn`` counts how often the alert was taken up again after an answer: that voids the codes of before.
    """
    fact = "\x1f".join(("ack", alert_id, channel, str(turn), str(revision)))
    letters = b32encode(hmac.digest(key, fact.encode(), sha256)).decode().lower()[:LENGTH]
    return f"{letters[:4]}-{letters[4:]}"


def tidy(text: str) -> str | None:
    """A code as ``code`` writes it, however it was typed; None when it cannot be one."""
    letters = re.sub(r"[\s-]", "", text).lower().replace("0", "o").replace("1", "l").replace("8", "b")
    return f"{letters[:4]}-{letters[4:]}" if _SHAPE.fullmatch(letters) else None


def is_same(one: str, other: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def sealed(word: str, salt: bytes) -> str:
    """A duress code as the configuration keeps it: it can be recognised and not read."""
    return f"scrypt:{salt.hex()}:{scrypt(_plain(word), salt=salt, dklen=32, **_SCRYPT).hex()}"


def opens(word: str, seal: str) -> bool:
    """Whether ``word`` is what was sealed. Raises ValueError for what is no seal."""
    method, salt, _ = seal.split(":")
    if method != "scrypt":
        raise ValueError(f"{method} is not known")
    return is_same(sealed(word, bytes.fromhex(salt)), seal)


def _plain(word: str) -> bytes:
    return re.sub(r"[\s-]", "", word).lower().encode()
