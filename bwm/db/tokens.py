"""Who may call the API, and for what."""

import hmac
import json
import re
import secrets
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from bwm.db import schema
from bwm.errors import UsageError

SCOPES = {
    "read": "see vaults, guardians, events, alerts and the state",
    "write": "add and remove vaults and guardians",
    "respond": "add and remove responses, and never arm or send one",
    "announce": "announce spends that will come",
    "metrics": "read the numbers for Prometheus, where others than this machine may",
    "ack": "acknowledge alerts, by the code of a message",
    "check-in": "say that the owner is well, and nothing else",
}
"""What a token may be for, each with what it allows."""

EVERYTHING = ("*",)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHAPE = re.compile(r"bwm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = sha256(b"").hexdigest()
_KEPT_S = 86_400  # what was answered to a request that may come again


@dataclass(frozen=True, slots=True)
class Holder:
    """A token without its secret."""

    id: str
    name: str
    scopes: frozenset[str]
    owners: tuple[str, ...]

    @property
    def sees_all(self) -> bool:
        """Whether nothing is kept from it."""
        return "*" in self.owners

    def sees(self, *names: str | None) -> bool:
        """Whether one of these is the name of a vault or guardian that it may learn of; None: no name."""
        return self.sees_all or any(
            name is not None and fnmatchcase(name, pattern) for name in names for pattern in self.owners
        )


def add(name: str, scopes: tuple[str, ...], owners: tuple[str, ...], now: int) -> str:
    """Make a token; it is shown once and never again. Raises UsageError. Call inside a transaction."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a token: use 1 to 64 letters, digits and . _ -.")
    if schema.Token.get_or_none(schema.Token.name == name):
        raise UsageError(f"There is a token {name!r} already. Choose another name, or revoke it first.")
    number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    token = f"bwm_{number}_{secret}"
    schema.Token.create(
        id=number,
        name=name,
        hash=_hash(token),
        scopes=json.dumps(sorted(set(scopes))),
        owners=json.dumps(list(owners)),
        created_at=now,
    )
    return token


def find(token: str) -> Holder | None:
    """Whose token this is; None when it is nobody's. Takes as long for each that is wrong."""
    shape = _SHAPE.fullmatch(token)
    row: Any = schema.Token.get_or_none(schema.Token.id == (shape[1] if shape else ""))
    is_right = hmac.compare_digest(_hash(token), row.hash if row else _NOBODY)
    return _holder(row) if is_right and row is not None else None


def is_valid(holder: Holder) -> bool:
    """Whether the token was not revoked since it was found."""
    return schema.Token.get_or_none(schema.Token.id == holder.id) is not None


def _hash(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()


def _holder(row: Any) -> Holder:
    return Holder(row.id, row.name, frozenset(json.loads(row.scopes)), tuple(json.loads(row.owners)))


def listed() -> list[tuple[Holder, int]]:
    """All that are valid, by name, each with when it was made (unix seconds)."""
    rows: Any = schema.Token.select().order_by(schema.Token.name)
    return [(_holder(row), row.created_at) for row in rows]


def revoke(name: str) -> None:
    """It opens nothing any more, from the next request on. Raises UsageError. Call inside a transaction."""
    if not schema.Token.delete().where(schema.Token.name == name).execute():
        raise UsageError(f"There is no token {name!r}. `bwm list-tokens` lists them.")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a request was answered."""

    request: str
    status: int
    content: Any


def answered(token_id: str, key: str) -> Kept | None:
    """What the request with this key was answered, if there was one."""
    row: Any = schema.Answered.get_or_none((schema.Answered.token == token_id) & (schema.Answered.key == key))
    return None if row is None else Kept(row.request, row.status, json.loads(row.content))


def keep_answer(token_id: str, key: str, kept: Kept, now: int) -> None:
    """Remember it for a day. Call inside a transaction."""
    schema.Answered.delete().where(schema.Answered.at < now - _KEPT_S).execute()
    content = json.dumps(kept.content)
    schema.Answered.insert(
        token=token_id, key=key, request=kept.request, status=kept.status, content=content, at=now
    ).on_conflict_ignore().execute()
