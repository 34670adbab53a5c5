"""Blocks of the past that are still to be read for vaults and guardians that were added late.

Owners that are at the same block are read for together: a thousand vaults added at once are one reading. All by hand
and never row by row, for there may be a million of them. A reading that has an ``until_height`` was taken up: what
is new is watched, so the past may be read.
"""

from collections.abc import Mapping
from typing import Any

from bwm.chain.block import BlockRef
from bwm.db import raw


class ReadFor:
    """The triggers of all who wait at a height, to be asked with ``in``."""

    def __init__(self, first: int) -> None:
        """``first``: of the stretch that is read."""
        self._first = first

    def __contains__(self, trigger_id: object) -> bool:
        sql = """
            SELECT 1 FROM trigger JOIN backlog
            ON trigger.vault_id = backlog.vault_id OR trigger.guardian_id = backlog.guardian_id
            WHERE trigger.id = ? AND until_height IS NOT NULL AND next_height = ?
        """
        return bool(raw.rows(sql, trigger_id, self._first))


def newcomers() -> list[BlockRef]:
    """The blocks as of which owners were looked up whose readings nobody took up yet."""
    sql = "SELECT DISTINCT known_height, known_hash FROM backlog WHERE until_height IS NULL AND known_hash IS NOT NULL"
    return [BlockRef(*row) for row in raw.rows(sql)]


def known_as_of(row: Any) -> BlockRef | None:
    """The block as of which the owner of a reading was looked up, if it is a newcomer."""
    return None if row.known_hash is None else BlockRef(row.known_height, row.known_hash)


def take_up(cursor_height: int, shared: Mapping[BlockRef, int]) -> None:
    """Readings that were ordered while nobody looked may begin: what is new from here on is watched.

    ``shared``: up to which height the chain is still the one in which newcomers were looked up, by the block as of
    which; others wait. Call inside a transaction, after the watch list was loaded.
    """
    for known, height in shared.items():
        sql = "UPDATE backlog SET known_height = ? WHERE until_height IS NULL AND known_hash = ? AND known_height > ?"
        raw.run(sql, height, known.hash, height)
    sql = "UPDATE backlog SET next_height = known_height + 1 WHERE until_height IS NULL AND next_height > known_height"
    raw.run(sql)
    begin = "UPDATE backlog SET until_height = ? WHERE until_height IS NULL AND known_hash"
    raw.run(f"{begin} IS NULL", cursor_height)
    raw.run_many(f"{begin} = ?", [(cursor_height, known.hash) for known in shared])
    finish(cursor_height)


def next_stretch(longest: int, *, nearly_done: bool = False) -> tuple[int, int] | None:
    """The first and the last height to be read next, for all who wait at the first; None when nobody waits.

    It ends where somebody else joins, and where the look-up of a newcomer ends. ``nearly_done``: for who has the least
    to wait for, rather than for who has the most.
    """
    which = "MAX" if nearly_done else "MIN"
    [[first]] = raw.rows(f"SELECT {which}(next_height) FROM backlog WHERE until_height IS NOT NULL")  # noqa: S608 (ours)
    if first is None:
        return None
    sql = "SELECT MIN(next_height) FROM backlog WHERE until_height IS NOT NULL AND next_height > ?"
    [[joined]] = raw.rows(sql, first)
    known = "SELECT MIN(known_height) FROM backlog WHERE until_height IS NOT NULL AND next_height = ?"
    [[looked_up]] = raw.rows(known + " AND known_height >= next_height", first)
    ends = [first + longest - 1]
    ends += [] if joined is None else [joined - 1]
    ends += [] if looked_up is None else [looked_up]
    return first, min(ends)


def scripts(height: int, at_most: int) -> list[bytes] | None:
    """All that those who wait at a height can be found by; None when that is more than scripts, or too many.

    A coin of a script is found by the script. A coin that was unspent when it was looked up has no past up to the
    block as of which it was looked up: it may be spent in the next.
    """
    beyond_scripts = """
        SELECT 1 FROM backlog JOIN trigger
        ON trigger.vault_id = backlog.vault_id OR trigger.guardian_id = backlog.guardian_id
        WHERE until_height IS NOT NULL AND next_height = ? AND (kind = 'txid' OR kind = 'outpoint' AND (
            known_height IS NULL OR next_height > known_height OR EXISTS (
                SELECT 1 FROM watch WHERE watch.trigger_id = trigger.id AND watch.sats IS NULL
            )
        )) LIMIT 1
    """
    of_owners = """
        SELECT DISTINCT watch.key FROM backlog JOIN trigger
        ON trigger.vault_id = backlog.vault_id OR trigger.guardian_id = backlog.guardian_id
        JOIN watch ON watch.trigger_id = trigger.id
        WHERE until_height IS NOT NULL AND next_height = ? AND watch.what = 'script' LIMIT ?
    """
    if raw.rows(beyond_scripts, height):
        return None
    found = [bytes(key) for (key,) in raw.rows(of_owners, height, at_most + 1)]
    return found if len(found) <= at_most else None


def advance(height: int, next_height: int) -> None:
    """Who waited at ``height`` waits at ``next_height`` now: all between is read. Call inside a transaction."""
    sql = "UPDATE backlog SET next_height = ? WHERE until_height IS NOT NULL AND next_height = ?"
    raw.run(sql, next_height, height)


def pass_over(height: int, last_height: int) -> None:
    """Blocks from ``height`` to ``last_height`` can never be read. Call inside the transaction that says so."""
    sql = """
        UPDATE backlog SET next_height = ?, gap_until = ?
        WHERE until_height IS NOT NULL AND next_height BETWEEN ? AND ?
    """
    raw.run(sql, last_height + 1, last_height, height, last_height)


def finish(tip_height: int) -> int:
    """Who waits for a block above the tip is covered from the birthday on, or from above what could not be read.

    Returns how many these are. Call inside a transaction.
    """
    sql = """
        SELECT vault.id, birthday, covered_from, gap_until FROM backlog JOIN vault ON vault.id = backlog.vault_id
        WHERE until_height IS NOT NULL AND next_height > ? AND birthday IS NOT NULL
    """
    covered = []
    for vault_id, birthday, covered_from, gap_until in raw.rows(sql, tip_height):
        read_from = max(birthday, 0 if gap_until is None else gap_until + 1)
        covered.append((min(read_from, covered_from or read_from), vault_id))
    raw.run_many("UPDATE vault SET covered_from = ? WHERE id = ?", covered)
    done = raw.run("DELETE FROM backlog WHERE until_height IS NOT NULL AND next_height > ?", tip_height)
    return int(done.rowcount)


def waiting(at_most: int) -> tuple[list[str], int]:
    """Some owners whose past is not read yet, by name, and how many they are."""
    sql = """SELECT COALESCE(vault.name, guardian.name) FROM backlog
        LEFT JOIN vault ON vault.id = backlog.vault_id LEFT JOIN guardian ON guardian.id = backlog.guardian_id
        ORDER BY backlog.id LIMIT ?"""
    [[count]] = raw.rows("SELECT COUNT(*) FROM backlog")
    return [name for (name,) in raw.rows(sql, at_most)], int(count)
