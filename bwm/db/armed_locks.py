"""What is known of lock transactions signed in advance, and how they stood when they were last judged."""

from collections.abc import Iterable
from typing import Any

from bwm.chain.outpoint import outpoint_text
from bwm.clock import rfc3339
from bwm.db.schema import ArmedLock, Guardian
from bwm.errors import UsageError
from bwm.guardian.readiness import ArmedLock as Lock
from bwm.guardian.readiness import JudgedLock, Readiness

_PREFIX = "lock-"


class KnownAlready(UsageError):
    """There is this very lock already."""


def name_of(number: int) -> str:
    """How a lock is named, by its number."""
    return f"{_PREFIX}{number}"


def judged(guardian: str | None = None) -> list[JudgedLock]:
    """All armed locks, or those of one guardian, the lowest nonce first."""
    rows: Any = ArmedLock.select(ArmedLock, Guardian).join(Guardian)
    if guardian is not None:
        rows = rows.where(Guardian.name == guardian)
    return [
        JudgedLock(
            id=row.id,
            guardian=row.guardian.name,
            address=row.guardian.address,
            lock=Lock(bytes(row.coin), row.nonce, row.feerate),
            readiness=Readiness(row.verdict, row.reason),
            checked_at=row.checked_at,
        )
        for row in rows.order_by(Guardian.name, ArmedLock.nonce, ArmedLock.feerate, ArmedLock.id)
    ]


def add(guardian_id: int, lock: Lock, readiness: Readiness, now: int) -> str:
    """Keep one; how it is named from now on. Raises KnownAlready. Call inside a transaction."""
    key = {"guardian": guardian_id, "coin": lock.coin, "nonce": lock.nonce, "feerate": lock.feerate}
    if known := ArmedLock.get_or_none(**key):
        raise KnownAlready(f"This lock is known already, as {name_of(known.id)}; nothing was added.")
    row = ArmedLock.create(**key, verdict=readiness.verdict, reason=readiness.reason, checked_at=now)
    return name_of(row.id)


def put(judgements: Iterable[JudgedLock]) -> None:
    """Write how they stand. Call inside a transaction."""
    for one in judgements:
        ArmedLock.update(verdict=one.readiness.verdict, reason=one.readiness.reason, checked_at=one.checked_at).where(
            ArmedLock.id == one.id
        ).execute()


def remove(name: str) -> None:
    """Forget one by its name. Raises UsageError when there is none. Call inside a transaction."""
    number = name.removeprefix(_PREFIX)
    if not number.isdecimal() or not ArmedLock.delete().where(ArmedLock.id == int(number)).execute():
        raise UsageError(f"There is no response {name!r}. `bwm list-responses` lists them.")


def described(judgements: Iterable[JudgedLock]) -> list[dict[str, Any]]:
    """Armed locks as they are printed. ``feerate`` in sat/vB."""
    return [
        {
            "name": name_of(one.id),
            "guardian": one.guardian,
            "nonce": one.lock.nonce,
            "outpoint": outpoint_text(one.lock.coin),
            "feerate": one.lock.feerate / 1000,
            "verdict": one.readiness.verdict,
            "reason": one.readiness.reason,
            "checked_at": rfc3339(one.checked_at),
        }
        for one in judgements
    ]
