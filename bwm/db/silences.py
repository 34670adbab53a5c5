"""Silences: times in which what can wait is kept back."""

import json

from bwm.db import outbox, schema
from bwm.errors import UsageError
from bwm.hold import Silence


def active(now: int) -> tuple[Silence, ...]:
    """Those that hold now."""
    table = schema.Silence
    rows = table.select().where((table.began_at <= now) & (table.ends_at > now))
    return tuple(noun(row) for row in rows)


def listed(now: int) -> list[schema.Silence]:
    """Those that hold now or will, the next to end first."""
    return list(schema.Silence.select().where(schema.Silence.ends_at > now).order_by(schema.Silence.ends_at))


def begin(silence: Silence, reason: str, by: str) -> int:
    """Keep back from now on; its number. Call inside a transaction."""
    row = schema.Silence.create(
        began_at=silence.began_at,
        ends_at=silence.ends_at,
        kinds=json.dumps(silence.kinds),
        owners=json.dumps(silence.owners),
        reason=reason,
        made_by=by,
    )
    return int(row.id)


def end(number: int, now: int) -> None:
    """Keep back no longer; what it kept back is told. Call inside a transaction. Raises UsageError."""
    table = schema.Silence
    if not table.update(ends_at=now).where((table.id == number) & (table.ends_at > now)).execute():
        raise UsageError(f"No silence {number} holds. `bwm silence` lists them.")
    outbox.let_go(now)


def noun(row: schema.Silence) -> Silence:
    """The silence of a row."""
    return Silence(row.began_at, row.ends_at, tuple(json.loads(row.kinds)), tuple(json.loads(row.owners)))
