"""New vaults on their way into the database: one, or thousands with a million triggers.

Their rows are written by hand, those of the watch list in the order of their keys: its tree then grows at its end, and
not everywhere at once.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, islice
from operator import itemgetter
from typing import Any

from bwm.db import raw, settings, watched_keys
from bwm.db.database import Database
from bwm.db.guardians import Sees, everything
from bwm.db.schema import Guardian
from bwm.db.vaults import NewTrigger, NewVault, first_unread, refuse_taken
from bwm.errors import UsageError

_MANY = 10_000  # triggers
_CACHE_KIB = 200_000  # for the pages of the trees that many rows change
_BATCH = 20_000  # rows written between two signs of progress

OnProgress = Callable[[float], None]
_Row = tuple[Any, ...]


def add(
    database: Database,
    vaults: Sequence[NewVault],
    now: int,
    on_progress: OnProgress = lambda percent: None,
    sees: Sees = everything,
) -> None:
    """Write new vaults, all or none; ``on_progress`` hears percentages.

    Raises UsageError when a name is taken or an address is that of a guardian that is seen.
    """
    total = sum(len(vault.triggers) for vault in vaults)
    # Made and sorted before the database is locked: others write meanwhile.
    watches = sorted(_watches(vaults), key=itemgetter(0))
    ranged = sorted(_ranged_watches(vaults), key=itemgetter(0))
    on_progress(10)
    with _prepared_for(total, database), database.transaction():
        refuse_taken(*(vault.name for vault in vaults))
        _refuse_guardians(vaults, sees)
        ids = _insert_vaults(vaults, now)
        first_id = _reserve_ids(database, total)
        _write(
            "INSERT INTO trigger (id, vault_id, kind, key, created_at) VALUES (?, ?, ?, ?, ?)",
            _triggers(vaults, ids, first_id, now),
            lambda written: on_progress(10 + 35 * written / total),
        )
        with _index_made_last(len(watches) + len(ranged), database):
            _write(
                "INSERT INTO watch (key, what, trigger_id, sats) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                ((key, what, first_id + number, sats) for key, what, number, sats in watches),
                lambda written: on_progress(45 + 45 * written / len(watches)),
            )
            _write(
                """INSERT INTO watch (key, what, trigger_id, sats, branch, position) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING""",
                ((key, what, first_id + number, *rest) for key, what, number, *rest in ranged),
            )
        settings.next_generation(stays=True)
    on_progress(100)


@contextmanager
def _prepared_for(triggers: int, database: Database) -> Iterator[None]:
    """With many rows to write, memory for the trees; and no look-up of each row's owner, who is written with it."""
    if triggers <= _MANY or not database.path:
        yield
        return
    raw.run(f"PRAGMA cache_size = -{_CACHE_KIB}")
    raw.run("PRAGMA foreign_keys = off")
    try:
        yield
    finally:
        raw.run("PRAGMA foreign_keys = on")


@contextmanager
def _index_made_last(rows: int, database: Database) -> Iterator[None]:
    """Where more is added to the watch list than it holds, its index by trigger is sorted once, after all rows.

    They come in the order of their keys, so each would have to find a place of its own in it: twice the work. Call
    inside a transaction, with which the index comes back if anything fails.
    """
    if not database.path or rows <= max(_MANY, watched_keys.count()):
        yield
        return
    [[made]] = raw.rows("SELECT sql FROM sqlite_master WHERE name = 'watch_trigger_id'")
    raw.run("DROP INDEX watch_trigger_id")
    yield
    raw.run(made)


def _watches(vaults: Iterable[NewVault]) -> Iterator[_Row]:
    """Rows of the watch list; in place of its id each has its trigger's number among the new ones."""
    return (
        (key.key, key.what.value, number, key.sats)
        for number, trigger in _numbered(vaults)
        for key in trigger.keys
        if key.position is None
    )


def _ranged_watches(vaults: Iterable[NewVault]) -> Iterator[_Row]:
    """The same of the scripts of descriptors, which say besides where on it they are."""
    return (
        (key.key, key.what.value, number, key.sats, key.branch, key.position)
        for number, trigger in _numbered(vaults)
        if trigger.kind == "descriptor"
        for key in trigger.keys
        if key.position is not None
    )


def _numbered(vaults: Iterable[NewVault]) -> Iterator[tuple[int, NewTrigger]]:
    return enumerate(trigger for vault in vaults for trigger in vault.triggers)


def _triggers(vaults: Iterable[NewVault], ids: Mapping[str, int], first_id: int, now: int) -> Iterator[_Row]:
    new_ids = count(first_id)
    for vault in vaults:
        vault_id = ids[vault.name]
        for trigger in vault.triggers:
            yield next(new_ids), vault_id, trigger.kind, trigger.key, now


def _write(sql: str, rows: Iterator[_Row], on_written: Callable[[int], None] = lambda written: None) -> None:
    written = 0
    while batch := list(islice(rows, _BATCH)):
        raw.run_many(sql, batch)
        written += len(batch)
        on_written(written)


def _reserve_ids(database: Database, number: int) -> int:
    """The first of so many ids in a row that triggers may have. Nobody else adds any until the transaction ends."""
    if not database.path:
        raw.run("LOCK TABLE trigger IN EXCLUSIVE MODE")
    first: int = raw.rows("SELECT COALESCE(MAX(id), 0) + 1 FROM trigger")[0][0]
    if not database.path:
        raw.run("SELECT setval(pg_get_serial_sequence('trigger', 'id'), ?)", first + number - 1)
    return first


def _refuse_guardians(vaults: Sequence[NewVault], sees: Sees) -> None:
    guardians = {bytes(row.script) for row in Guardian.select(Guardian.name, Guardian.script) if sees(row.name)}
    for vault in vaults if guardians else ():
        if any(key.key in guardians for trigger in vault.triggers for key in trigger.keys):
            raise UsageError(
                f"Vault {vault.name!r} watches an address that is a guardian's; nothing was added. A guardian must "
                "not be one of the addresses that it protects."
            )


def _insert_vaults(vaults: Sequence[NewVault], now: int) -> dict[str, int]:
    """The vaults themselves, and the order to read the chain for each. Their ids by name."""
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
    return dict(raw.rows("SELECT name, id FROM vault"))
