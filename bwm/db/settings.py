"""Single facts about the whole database."""

from bwm.db import raw

_GENERATION = "watch_generation"
_REMOVALS = "watch_removals"
_UNHEEDED = "watch_unheeded"

DATABASE_ID = "database_id"
"""Made at random when the database is made: a copy has it too, a new one does not."""


def read(name: str) -> str | None:
    """The value of a setting, or None when it was never written."""
    found = raw.rows("SELECT value FROM setting WHERE name = ?", name)
    return str(found[0][0]) if found else None


def write(name: str, value: str) -> None:
    """Set a setting, new or not."""
    sql = "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    raw.run(sql, name, value)


def generation() -> int:
    """Counts the changes that others than the daemon made to the watch list."""
    return int(read(_GENERATION) or 0)


def removals() -> int:
    """Counts those of them that took something away."""
    return int(read(_REMOVALS) or 0)


def generations() -> tuple[int, int]:
    """``generation`` and ``generation_of_plans``, as of one moment: others write between two questions."""
    found = dict(raw.rows("SELECT name, value FROM setting WHERE name IN (?, ?)", _GENERATION, _UNHEEDED))
    counted = int(found.get(_GENERATION, 0))
    return counted, counted - int(found.get(_UNHEEDED, 0))


def generation_of_plans() -> int:
    """Counts those of them that a plan in the making must not miss: all but additions and removals of vaults.

    Who is new is looked for in every block since the one that the registration names, so a plan made without him
    loses nothing; and whether what it is about is still there, is looked at when it is written. Those who add and
    remove vaults many times a second must not have every plan made anew, and no theft of others written down.
    """
    return generations()[1]


def next_generation(*, removed: bool = False, stays: bool = False) -> None:
    """Tell a running daemon that the watch list changed. Call inside the transaction that changes it.

    ``stays``: what is there afterwards, and was before, is as it was: vaults were only added or removed.
    """
    counters = [_GENERATION, *([_UNHEEDED] if stays else []), *([_REMOVALS] if removed else [])]
    raw.run_many(
        """INSERT INTO setting (name, value) VALUES (?, '1')
        ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(setting.value AS INTEGER) + 1 AS TEXT)""",
        [(name,) for name in counters],
    )
