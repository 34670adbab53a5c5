"""New vaults on their way into the database: one, or thousands with a million triggers.

Their rows are laid down in temporary tables first, which locks nobody out. Then they are copied in one go; the watch
list in the order of its keys, so that its tree grows at the end and not everywhere.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from bwm.db import raw, settings
from bwm.db.database import Database
from bwm.db.schema import Guardian
from bwm.db.vaults import NewTrigger, NewVault, first_unread, refuse_taken
from bwm.errors import UsageError

_MANY = 10_000  # triggers
_CACHE_KIB = 64_000  # for the pages of the trees that many rows change
_BATCH = 10_000  # triggers laid down between two signs of progress

OnProgress = Callable[[float], None]

_STAGES = {
    "staged_trigger": """
        CREATE TEMPORARY TABLE staged_trigger AS
        SELECT trigger.id AS number, vault.name AS vault, kind, key, trigger.created_at FROM trigger, vault WHERE 1 = 0
    """,
    "staged_watch": """
        CREATE TEMPORARY TABLE staged_watch AS
        SELECT trigger_id AS number, key, what, sats, branch, position FROM watch WHERE 1 = 0
    """,
}
"""Columns of the same types as those they go to, on every database."""


def add(
    database: Database, vaults: Sequence[NewVault], now: int, on_progress: OnProgress = lambda percent: None
) -> None:
    """Write new vaults, all or none; ``on_progress`` hears percentages.

    Raises UsageError when a name is taken or an address is a guardian's.
    """
    if sum(len(vault.triggers) for vault in vaults) > _MANY and database.path:
        raw.run(f"PRAGMA cache_size = -{_CACHE_KIB}")
    with _stages():
        with database.transaction():
            _lay_down(vaults, now, on_progress)
        with database.transaction():
            refuse_taken(*(vault.name for vault in vaults))
            _refuse_guardians(vaults)
            _insert(vaults, now)
            on_progress(50)
            _copy(on_progress)
            settings.next_generation()
    on_progress(100)


@contextmanager
def _stages() -> Iterator[None]:
    for create in _STAGES.values():
        raw.run(create)
    try:
        yield
    finally:
        for table in _STAGES:
            raw.run(f"DROP TABLE {table}")


def _lay_down(vaults: Sequence[NewVault], now: int, on_progress: OnProgress) -> None:
    total = sum(len(vault.triggers) for vault in vaults)
    numbered = enumerate((vault.name, trigger) for vault in vaults for trigger in vault.triggers)
    while batch := list(islice(numbered, _BATCH)):
        raw.run_many(
            "INSERT INTO staged_trigger (number, vault, kind, key, created_at) VALUES (?, ?, ?, ?, ?)",
            ((number, vault, new.kind, new.key, now) for number, (vault, new) in batch),
        )
        raw.run_many(
            "INSERT INTO staged_watch (number, key, what, sats, branch, position) VALUES (?, ?, ?, ?, ?, ?)",
            (row for number, (_, new) in batch for row in _watches(number, new)),
        )
        on_progress(40 * (batch[-1][0] + 1) / total)


def _watches(number: int, new: NewTrigger) -> Iterator[tuple[object, ...]]:
    return ((number, key.key, str(key.what), key.sats, key.branch, key.position) for key in new.keys)


def _refuse_guardians(vaults: Sequence[NewVault]) -> None:
    guardians = {bytes(row.script) for row in Guardian.select(Guardian.script)}
    for vault in vaults if guardians else ():
        if any(key.key in guardians for trigger in vault.triggers for key in trigger.keys):
            raise UsageError(
                f"Vault {vault.name!r} watches an address that is a guardian's; nothing was added. A guardian must "
                "not be one of the addresses that it protects."
            )


def _insert(vaults: Sequence[NewVault], now: int) -> None:
    """The vaults themselves, and the order to read the chain for each."""
    rows, readings = [], []
    for vault in vaults:
        height, block_hash = (vault.registered.height, vault.registered.hash) if vault.registered else (None, None)
        fixed = (vault.name, str(vault.severity), vault.final_depth, vault.birthday, json.dumps(list(vault.tags)))
        rows.append((*fixed, height, height, now))
        readings.append((vault.name, first_unread(vault.birthday, height), height, block_hash))
    raw.run_many(
        """INSERT INTO vault (name, severity, final_depth, birthday, tags, covered_from, created_height, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        rows,
    )
    raw.run_many(
        """INSERT INTO backlog (vault_id, next_height, known_height, known_hash)
        VALUES ((SELECT id FROM vault WHERE name = ?), ?, ?, ?)""",
        readings,
    )


def _copy(on_progress: OnProgress) -> None:
    raw.run("""
        INSERT INTO trigger (vault_id, kind, key, created_at)
        SELECT vault.id, staged.kind, staged.key, staged.created_at
        FROM staged_trigger AS staged JOIN vault ON vault.name = staged.vault ORDER BY staged.number
    """)
    on_progress(70)
    raw.run("""
        INSERT INTO watch (key, what, trigger_id, sats, branch, position)
        SELECT new.key, new.what, trigger.id, new.sats, new.branch, new.position
        FROM staged_watch AS new JOIN staged_trigger AS staged ON staged.number = new.number
        JOIN vault ON vault.name = staged.vault
        JOIN trigger ON trigger.vault_id = vault.id AND trigger.kind = staged.kind AND trigger.key = staged.key
        WHERE true ORDER BY new.key
        ON CONFLICT DO NOTHING
    """)
